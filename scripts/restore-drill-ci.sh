#!/usr/bin/env bash
# R-15, the restore drill: a busy shop is backed up, lost, and restored from the backup into another PostgreSQL. Whatever was
# acknowledged before the backup's moment has to be there, the books have to agree, and what the gateway did after that
# moment has to be told, payment by payment.
#
# The gateway has a database of its own, like a bank: nobody restores that, so its book is newer than the restored shop.
#
#     SABOTAGE=line | picture | backup   breaks what the drill looks at (a row that is gone, a picture that is gone, a backup
#                                        with a flipped bit); then the drill has to fail. For trying the drill itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# Two clusters: the shop's, and an empty one.
case "${1:-}" in
    "") exec scripts/with-postgres.sh "scripts/$(basename "$0")" one ;;
    one)
        export SHOP_DATABASE_URL=$DATABASE_URL
        exec scripts/with-postgres.sh "scripts/$(basename "$0")" two
        ;;
esac
export FRESH_DATABASE_URL=$DATABASE_URL DATABASE_URL=$SHOP_DATABASE_URL
bank_url=${SHOP_DATABASE_URL%/postgres}/bank

# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
# shellcheck source=scripts/lib/database.sh
source scripts/lib/database.sh
find_postgres
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
drill() { python3 scripts/lib/drill.py "$@"; }
notes=$folder/notes
mkdir "$notes"

"$OMS" migrate >"$folder/migrate.log"
"$OMS" seed --yes >"$folder/seed.log"
# The bank begins with what it knows of the demo orders.
sql "${SHOP_DATABASE_URL%/postgres}/template1" "CREATE DATABASE bank TEMPLATE postgres"
start serve serve --no-worker
start worker worker
DATABASE_URL=$bank_url start gateway gateway
start mailcatcher mailcatcher --smtp "127.0.0.1:$smtp_port" --http "127.0.0.1:$mail_port"
wait_for serve "$API/readyz"
wait_for gateway "$OMS_GATEWAY_URL/"
wait_for mailcatcher "$MAIL/api/messages"

echo "== a busy shop, and a backup of it"
( drill load "$notes" ) >"$folder/load.log" 2>&1 &
pids[load]=$!
sleep "${BEFORE_SECONDS:-12}"
kill -0 "${pids[load]}" || { echo "the customers are gone"; exit 1; }
scripts/backup.sh "$folder/backups"
done=$(date +%s.%N)
sleep "${AFTER_SECONDS:-8}"
touch "$notes/stop"
wait "${pids[load]}" || { echo "the load has failed"; exit 1; }
unset "pids[load]"
backup=$(echo "$folder"/backups/oms-*)
at=$(sed -n 's/^snapshot_at=//p' "$backup/manifest")
drill photograph "$notes" "$at"

echo "== the shop is lost; the gateway is not"
stop serve worker
mv "$folder/media" "$folder/lost"
[[ "${SABOTAGE:-}" != backup ]] || printf 'x' | dd of="$backup/database.dump" bs=1 seek=4096 conv=notrunc status=none
export DATABASE_URL=$FRESH_DATABASE_URL
scripts/restore.sh "$backup"
case "${SABOTAGE:-}" in
    line) sql "$DATABASE_URL" "DELETE FROM orders.lines WHERE (order_id, position) = (SELECT order_id, position FROM orders.lines ORDER BY order_id DESC LIMIT 1)" ;;
    picture) rm "$folder/media/$(sql "$DATABASE_URL" "SELECT i.name FROM catalog.product_images i JOIN catalog.products p ON p.id = i.product_id WHERE p.name LIKE 'Drill box %' ORDER BY i.id LIMIT 1")" ;;
esac
"$OMS" audit --no-book || { echo "the restored books do not agree"; exit 1; }

echo "== what was acknowledged, asked of the restored shop"
start serve serve --no-worker
wait_for serve "$API/readyz"
drill compare "$notes" "$at" "$done"

echo "== the gateway knows more than the restored shop"
"$OMS" reconcile --all | tail -n 1
start worker worker
drill afresh "$notes"
# Every job is done, the old worker's too, and the bank has had its minute: news that young may be on its way.
waiting="SELECT count(*) FROM jobs.jobs WHERE queue IN ('urgent', 'bulk') AND (state = 'in_progress' OR (state IN ('new', 'retried') AND scheduled_at <= now()))"
young="SELECT count(*) FROM gateway.payments WHERE updated_at > now() - interval '61 seconds'"
for (( tries = 0; tries < 180; tries++ )); do
    [[ "$(sql "$DATABASE_URL" "$waiting")" != 0 || "$(sql "$bank_url" "$young")" != 0 ]] || break
    sleep 1
done
"$OMS" reconcile --all | tail -n 1
# The bank's book against the restored rows, by hand: what was paid for that nobody here has heard of, and what was given
# back that nobody here has asked for.
known=$(sql "$DATABASE_URL" "SELECT string_agg(quote_literal(id), ',') FROM payments.attempts")
asked=$(sql "$DATABASE_URL" "SELECT coalesce(string_agg(quote_literal(id), ','), 'NULL') FROM payments.refunds")
sql "$bank_url" "SELECT 'book.payment_known' || E'\t' || id FROM gateway.payments WHERE captured_minor > 0 AND reference NOT IN ($known)
    UNION ALL SELECT DISTINCT 'book.refunded_equals_ours' || E'\t' || p.id FROM gateway.payments p JOIN gateway.refunds r ON r.payment_id = p.id
    WHERE p.reference IN ($known) AND r.status = 'succeeded' AND coalesce(r.reference NOT IN ($asked), true)" >"$notes/expected.tsv"
"$OMS" audit --json >"$folder/audit.json" || true
drill expect "$notes" "$folder/audit.json"
"$OMS" audit --no-book
stop_shop
