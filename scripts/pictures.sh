#!/usr/bin/env bash
# Makes docs/pictures/*.png of a demo shop of its own: Swagger UI, the pay page, a caught mail.
# Needs a built target/debug/oms, curl, jq and Chromium (Debian: apt-get install chromium).
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d)
chmod 755 "$dir" # PostgreSQL's account passes through
target/debug/oms dev --data-dir "$dir/data" >"$dir/log" 2>&1 &
oms=$!
trap 'kill "$oms" 2>/dev/null || true; wait "$oms" || true; rm -rf "$dir"' EXIT
for _ in $(seq 180); do
    grep -q '^ready in' "$dir/log" && break
    kill -0 "$oms" || { cat "$dir/log"; exit 1; }
    sleep 1
done

api=$(jq -r .api "$dir/data/running.json")/v1
mail=$(jq -r .mail "$dir/data/running.json")
json='Content-Type: application/json'
token=$(curl -fsS "$api/auth/login" -H "$json" -d '{"login": "alice", "password": "try-the-shop"}' | jq -r .access_token)
variant=$(curl -fsS "$api/products?q=lamp&in_stock=true" | jq -r '.data[0].variants[0].id')
send() { curl -fsS "$api/$1" -H "Authorization: Bearer $token" -H "$json" -H "Idempotency-Key: picture-$1" -d "$2"; }
order=$(send orders '{"lines": [{"variant_id": "'"$variant"'", "quantity": 1}], "ship_to":
    {"name": "Alice Nguyen", "line1": "12 Hang Bac", "city": "Hanoi", "country": "VN"}}' | jq -r .id)
pay_url=$(send "orders/$order/payments" '{"gateway": "mock"}' | jq -r .pay_url)
for _ in $(seq 30); do
    message=$(curl -fsS "$mail/api/messages" | jq -r '[.. | objects | select(.subject? // "" | test("confirmed")) | .id][0] // empty')
    [[ -n $message ]] && break
    sleep 1
done

mkdir -p docs/pictures
shoot() { # name, address, size
    timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
        --user-data-dir="$dir/chromium-$1" --virtual-time-budget=8000 --window-size="$3" \
        --screenshot="$PWD/docs/pictures/$1.png" "$2" >/dev/null 2>&1
    echo "docs/pictures/$1.png"
}
shoot swagger-ui "${api%/v1}/docs" 1200,900
shoot pay-page "$pay_url" 560,560
shoot mail "$mail/messages/$message" 700,560
