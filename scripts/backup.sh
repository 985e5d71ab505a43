#!/usr/bin/env bash
# A backup of a shop, while it is open: backup.sh DIRECTORY
#
#     DATABASE_URL   which database; the same as oms has
#     OMS_MEDIA_URL  the pictures and files of exports; ./media when nothing is said, as with oms
#     OMS            the program, to write its version down (not needed)
#
# It makes DIRECTORY/oms-<time>/ with database.dump (pg_dump's own format), media/, manifest and SHA256SUMS. The directory has
# another name until everything in it is complete and has been read back, so whatever is called oms-… is a whole backup.
#
# Nobody has to stop. The dump is made in one transaction that sees the database as it was at one moment (a snapshot):
# everything that was committed before, nothing that was committed later, however long it takes. Whatever `oms` has answered
# before that moment was committed before it was answered, so it is in.
#
# Pictures are copied twice, before the dump and after it. No row may name a file that the backup does not have. After the
# dump come those that were uploaded while the first copy was made: a file is written before the row that names it. And
# one whose product lost it right after the dump, and that was swept away, was copied before. Files never change under
# their name, so the second copy takes only what is new, and a file too many does no harm: `oms` sweeps it away.
set -euo pipefail
# Customers' addresses and hashes of passwords are in it: for nobody else to read.
umask 077

# shellcheck source=scripts/lib/database.sh
source "$(dirname "$0")/lib/database.sh"

[[ $# == 1 && "$1" != -* ]] || refuse "usage: backup.sh DIRECTORY"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
find_postgres
find_database "oms backup"
find_media
find_oms
[[ -z "$media" || -d "$media" ]] || refuse "there is no directory $media (OMS_MEDIA_URL)"

name=oms-$(date -u +%Y%m%dT%H%M%SZ)
[[ ! -e "$directory/$name" ]] || refuse "there is a backup $directory/$name already"
work=$directory/.$name.partial
mkdir "$work"
trap 'rm -rf "$work" "$work.sums"' EXIT
mkdir "$work/media"

began=$(date +%s.%N)
[[ -z "$media" ]] || copy_missing "$media" "$work/media"

# One session holds the snapshot open, and says what is in it; pg_dump reads the same snapshot.
coproc SNAPSHOT { exec psql -X -q -A -t -v ON_ERROR_STOP=1 2>&1; }
exec {to}>&"${SNAPSHOT[1]}" {from}<&"${SNAPSHOT[0]}"
in_snapshot() { # STATEMENT: one line
    local answer
    printf '%s\n' "$1" >&"$to" || refuse "the database at $where does not answer"
    IFS= read -r -u "$from" answer || refuse "the database at $where has hung up"
    [[ "$answer" != *ERROR:* && "$answer" != *"psql: error"* ]] || refuse "$where: $answer"
    printf '%s' "$answer"
}
# The time is taken before the snapshot: whatever was answered until then is in.
snapshot_at=$(in_snapshot "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"');")
snapshot=$(in_snapshot "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();")
[[ "$(in_snapshot "SELECT to_regclass('public.__diesel_schema_migrations') IS NOT NULL;")" == t ]] || refuse "$where has no tables of oms"
count() { in_snapshot "SELECT count(*) FROM $1;"; }
{
    echo "format=1"
    echo "snapshot_at=$snapshot_at"
    echo "oms=$({ [[ -n "$OMS" ]] && "$OMS" --version; } || echo unknown)"
    echo "schema=$(in_snapshot "SELECT max(version) FROM public.__diesel_schema_migrations;")"
    echo "floor=$(in_snapshot "SELECT floor FROM kernel.compatibility;")"
    echo "postgres=$(in_snapshot "SHOW server_version;")"
    echo "users=$(count accounts.users)"
    echo "orders=$(count orders.orders)"
    echo "movements=$(count catalog.stock_movements)"
    echo "payments=$(count payments.attempts)"
} >"$work/manifest"

# A migration that holds its tables is not waited for for ever.
pg_dump --format=custom --snapshot="$snapshot" --lock-wait-timeout=60s --file="$work/database.dump"
exec {to}>&- {from}<&-
dumped=$(date +%s.%N)

if [[ -n "$media" ]]; then
    copy_missing "$media" "$work/media"
    echo "media=$(files "$work/media" | wc -l)" >>"$work/manifest"
else
    rmdir "$work/media"
    echo "media=elsewhere" >>"$work/manifest"
fi

# Read back before it counts: the archive to its end, and what is to be in it.
pg_restore --file=/dev/null "$work/database.dump"
pg_restore --list "$work/database.dump" >"$work/contents"
for table in "orders orders" "catalog stock_movements" "payments attempts" "accounts users" "jobs jobs"; do
    grep -q "TABLE DATA $table " "$work/contents" || refuse "the dump has no table ${table/ /.}"
done
rm "$work/contents"
(cd "$work" && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum) >"$work.sums"
mv "$work.sums" "$work/SHA256SUMS"
# What is renamed has to be on the disk already, or a power cut leaves an empty file under a good name.
sync "$work"/* 2>/dev/null || sync
mv -T "$work" "$directory/$name"
trap - EXIT

value() { sed -n "s/^$1=//p" "$directory/$name/manifest"; }
say "$directory/$name"
say "as of $snapshot_at: $(value orders) orders, $(value movements) movements of stock, $(value users) people; files of media: $(value media)"
awk -v began="$began" -v dumped="$dumped" -v now="$(date +%s.%N)" -v size="$(du -sk "$directory/$name" | cut -f 1)" \
    'BEGIN { printf "%.1f MB; the dump was complete after %.1f s, all of it after %.1f s\n", size / 1024, dumped - began, now - began }'
[[ -n "$media" ]] || say "OMS_MEDIA_URL is an object store, and its files stay there: see docs/operations.md"
say "Now copy it to another machine, and try it now and then: scripts/restore.sh $directory/$name"
