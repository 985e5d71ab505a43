#!/usr/bin/env bash
# The first order, against four processes: `oms serve --no-worker`, `oms worker`, `oms gateway`, `oms mailcatcher`, with
# unpaid orders that expire after seconds. Before it: registering answers while SMTP is down, and the mail goes out when
# SMTP is back.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-}" == inside ]] || exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside

# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
export OMS_ORDER_EXPIRY_SECONDS=20 OMS_EXPIRY_SWEEP_SECONDS=1

start_shop

echo "== SMTP is down"
began=$(date +%s%N)
status=$(curl -sS -o "$folder/answer" -w '%{http_code}' --max-time 10 -H 'Content-Type: application/json' \
    -d '{"username": "early.bird", "email": "early.bird@example.com", "password": "worms before everybody"}' "$API/v1/auth/register")
took=$(( ($(date +%s%N) - began) / 1000000 ))
[[ "$status" == 201 ]] || { echo "registering answered $status:"; cat "$folder/answer"; exit 1; }
echo "registering answered 201 in $took ms"
(( took < 3000 )) || { echo "that is too long to have asked nobody"; exit 1; }
# The worker must have tried, or this proves nothing.
for (( tries = 0; tries < 200; tries++ )); do
    grep -q 'mail server did not take the mail' "$folder/worker.log" && break
    sleep 0.1
done
grep -q 'mail server did not take the mail' "$folder/worker.log" || { echo "the worker has not tried to send the mail"; exit 1; }
echo "the worker cannot send the mail, and will try again"

start_mailcatcher
began=$SECONDS
for (( tries = 0; tries < 900; tries++ )); do
    count=$(curl -fsS "$MAIL/api/messages?to=early.bird@example.com" | jq '.data | length')
    (( count )) && break
    sleep 0.1
done
(( count == 1 )) || { echo "$count mails came after SMTP was back"; exit 1; }
echo "SMTP is back: the mail came $((SECONDS - began)) seconds later"

PATIENCE_SECONDS=90 docs/first-order.sh

stop_shop
