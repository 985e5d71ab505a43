#!/usr/bin/env bash
# Brings a backup of backup.sh back: restore.sh [--replace] BACKUP
#
#     DATABASE_URL   an empty database to restore into; CREATE DATABASE … first
#     OMS_MEDIA_URL  where the pictures go; ./media when nothing is said, as with oms
#     OMS            the program, as new as the one that made the backup or newer; target/debug/oms when it is there
#     JOBS           so many tables at once, for large backups
#
# A database that holds anything is refused; --replace removes what `oms` has in it first. Nobody else may be using it.
# Files that are in the directory of pictures stay.
#
# All of it is one transaction, so a restore that fails leaves nothing. That takes as long as one connection needs; with
# JOBS=4 it is faster, and a failure leaves a half-filled database, which --replace clears. Either way the first error ends
# it. Then `oms migrate` brings the schema up to this program, and `oms audit` recomputes the books: only if
# that finds nothing, and every picture that a row names is there, is this a success.
set -euo pipefail

# shellcheck source=scripts/lib/database.sh
source "$(dirname "$0")/lib/database.sh"

usage="usage: restore.sh [--replace] BACKUP"
replace=""
if [[ "${1:-}" == --replace ]]; then replace=yes; shift; fi
[[ $# == 1 && "$1" != -* ]] || refuse "$usage"
[[ -f "$1/SHA256SUMS" && -f "$1/manifest" ]] || refuse "$1 is not a backup: it has no manifest and SHA256SUMS (unfinished ones begin with a dot)"
backup=$(cd "$1" && pwd)
value() { sed -n "s/^$1=//p" "$backup/manifest"; }
[[ "$(value format)" == 1 ]] || refuse "this backup has another format than this script knows: $(value format)"
find_postgres
find_database "oms restore"
find_media
find_oms
[[ -n "$OMS" ]] || refuse "oms is needed to migrate and to audit, and not found: say where with OMS=…"
began=$(date +%s.%N)

(cd "$backup" && sha256sum --quiet --check SHA256SUMS) || refuse "the backup is not what it was when it was made; nothing was touched"
say "$backup: $(wc -l <"$backup/SHA256SUMS") files are what they were when they were made"

# In use is in use, whatever is in it.
others=$(ask "SELECT string_agg(DISTINCT application_name, ', ') FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'oms%'")
[[ -z "$others" ]] || refuse "$where is in use ($others): stop them first"
schemas=$(ask "SELECT string_agg(quote_ident(nspname), ', ') FROM pg_namespace WHERE nspname IN ('accounts', 'catalog', 'gateway', 'jobs', 'kernel', 'orders', 'payments')")
tables=$(ask "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%' AND c.relkind IN ('r', 'p', 'v', 'm', 'S')")
if [[ -n "$schemas" || "$tables" != 0 ]]; then
    [[ -n "$replace" ]] || refuse "$where is not empty ($tables tables and sequences; schemas: ${schemas:-public}). Restore into a new database, or say --replace to lose what oms has in this one"
    say "removing what oms has in $where"
    ask "BEGIN; SET LOCAL client_min_messages = warning; ${schemas:+DROP SCHEMA $schemas CASCADE;} DROP TABLE IF EXISTS public.__diesel_schema_migrations CASCADE; COMMIT"
fi

# Who owned it there, and who was granted what, is that cluster's affair: roles are not part of a backup.
way=(--single-transaction)
[[ -z "${JOBS:-}" ]] || way=(--jobs="$JOBS")
pg_restore --exit-on-error --no-owner --no-privileges "${way[@]}" --dbname="${PGDATABASE:-postgres}" "$backup/database.dump"
# A restored database knows nothing of its tables' sizes, and without that it finds the wrong ways to them.
# (Tables that belong to the server itself are not ours to count, and it would say so a hundred times.)
ask "SET statement_timeout = 0; SET client_min_messages = error; ANALYZE"
for pair in users:accounts.users orders:orders.orders movements:catalog.stock_movements payments:payments.attempts; do
    there=$(ask "SELECT count(*) FROM ${pair#*:}")
    [[ "$there" == "$(value "${pair%%:*}")" ]] || refuse "${pair#*:} has $there rows, and the manifest says $(value "${pair%%:*}")"
done
# Orders that were placed after the backup are lost, and their numbers stand in mails. No other order may get one of them.
ask "SELECT setval('orders.number_seq', nextval('orders.number_seq') + 1000000)" >/dev/null
restored=$(date +%s.%N)
say "the database is restored: $(value orders) orders, $(value movements) movements of stock, $(value users) people"

if [[ -d "$backup/media" && -n "$media" ]]; then
    mkdir -p "$media"
    copy_missing "$backup/media" "$media"
fi
if [[ -n "$media" && -d "$media" ]]; then
    named=$(mktemp)
    ask "SELECT name FROM catalog.product_images UNION SELECT thumbnail FROM catalog.product_images UNION SELECT logo FROM catalog.businesses WHERE logo IS NOT NULL UNION SELECT 'exports/' || id || '.csv' FROM orders.exports WHERE state = 'done' AND expires_at > now()" |
        LC_ALL=C sort >"$named"
    missing=$(LC_ALL=C comm -23 "$named" <(files "$media"))
    count=$(wc -l <"$named")
    rm -f "$named"
    [[ -z "$missing" ]] || refuse "files that rows name are not in $media: $(head -n 5 <<<"$missing" | tr '\n' ' ')($(wc -l <<<"$missing") in all)"
    say "all $count files that rows name are in $media"
else
    say "pictures are not looked at: they are in an object store"
fi

# Away from here, so that no .env says otherwise.
OMS=$(realpath "$OMS")
[[ -z "$media" ]] || { OMS_MEDIA_URL=$(realpath "$media"); export OMS_MEDIA_URL; }
run() { (cd / && "$OMS" "$@"); }
run migrate
# Without the gateway's book: it may know more than the backup, which is a step of its own (docs/operations.md).
if ! run audit --no-book; then
    refuse "the database is restored, and the audit of it does not end well (see above): do not open the shop on it"
fi
awk -v began="$began" -v restored="$restored" -v now="$(date +%s.%N)" \
    'BEGIN { printf "the database took %.1f s, everything %.1f s\n", restored - began, now - began }'
say "Restored as of $(value snapshot_at), and the books agree. What happened since is not here: before you open, read \"After restoring\" in docs/operations.md."
