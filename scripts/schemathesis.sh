#!/usr/bin/env bash
# Schemathesis asks a running `oms serve` for everything that its document promises and for what it forbids: once with
# identifiers of its own invention, and once with those of things that exist. Reports go to target/schemathesis.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-}" == inside ]] || exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside

venv=$PWD/target/venv
scripts/lib/venv.sh

# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
export OMS_LOG="warn"

"$OMS" migrate >"$folder/migrate.log"
"$OMS" seed --size s --yes >"$folder/seed.log" 2>&1
password="a token for every door"
"$OMS" user create-admin schemathesis schemathesis@example.com --password-stdin <<<"$password" >"$folder/user.log"
start mailcatcher mailcatcher --smtp "127.0.0.1:$smtp_port" --http "127.0.0.1:$mail_port"
start serve serve
start gateway gateway
wait_for serve "$API/readyz"
wait_for gateway "$OMS_GATEWAY_URL/"

# An access token is good for fifteen minutes; a pass takes less. By address, because a pass may change the name.
log_in() {
    OMS_TEST_TOKEN=$(curl -fsS -H 'Content-Type: application/json' \
        -d "{\"login\": \"schemathesis@example.com\", \"password\": \"$password\"}" "$API/v1/auth/login" | jq -re .access_token)
    export OMS_TEST_TOKEN
}
log_in
api() { # METHOD PATH [JSON]
    curl -fsS -X "$1" -H "Authorization: Bearer $OMS_TEST_TOKEN" -H "Idempotency-Key: schemathesis-$RANDOM$RANDOM" \
        ${3:+-H 'Content-Type: application/json' -d "$3"} "$API$2"
}

# What exists: a shop of ours with a product, a picture and stock, and orders for it.
business=$(api POST /v1/businesses '{"name": "Doors", "city": "Hanoi", "country": "VN"}' | jq -re .id)
category=$(api POST /v1/categories '{"name": "Handles", "slug": "handles"}' | jq -re .id)
product=$(api POST /v1/products "{\"business_id\": \"$business\", \"name\": \"Handle\", \"currency\": \"USD\", \"sku\": \"HANDLE\", \"price_minor\": 250}")
variant=$(jq -re '.variants[0].id' <<<"$product") product=$(jq -re .id <<<"$product")
api POST "/v1/variants/$variant/stock/receive" '{"quantity": 10000}' >/dev/null
order() {
    api POST /v1/orders "{\"lines\": [{\"variant_id\": \"$variant\", \"quantity\": 2}], \"ship_to\":
        {\"name\": \"A\", \"line1\": \"1 Street\", \"city\": \"Hanoi\", \"postal_code\": \"100000\", \"country\": \"VN\"}}" | jq -re .id
}
order=$(order) doomed=$(order) living=$(order)
api POST "/v1/orders/$living/confirm" '{"method": "cash_on_delivery"}' >/dev/null
parcel() {
    api POST "/v1/orders/$living/shipments" '{"lines": [{"position": 1, "quantity": 1}]}' | jq -re .shipment.id
}
arrived=$(parcel) parcel=$(parcel)
api POST "/v1/shipments/$arrived/ship" '{}' >/dev/null
api POST "/v1/shipments/$arrived/deliver" >/dev/null
returned=$(api POST "/v1/orders/$living/returns" '{"lines": [{"position": 1, "quantity": 1}], "reason": "Too small"}' | jq -re .return.id)
payment=$(api POST "/v1/orders/$order/payments" '{"gateway": "mock"}' | jq -re .id)
picture=$(api GET '/v1/products?limit=50' | jq -re '[.data[].images[0].url // empty][0] | split("/")[-1]')

# The document with these identifiers as the only ones; what would delete them keeps inventing.
curl -fsS "$API/openapi.json" >"$folder/openapi.json"
jq --arg business "$business" --arg category "$category" --arg product "$product" --arg variant "$variant" \
    --arg order "$order" --arg doomed "$doomed" --arg living "$living" --arg parcel "$parcel" --arg returned "$returned" \
    --arg payment "$payment" --arg picture "$picture" '
    def known($path; $operation; $name):
        if $name == "gateway" then "mock" elif $name == "name" then $picture
        elif $name == "business_id" then $business elif $name == "payment_id" then $payment
        elif $name != "id" or ($operation | startswith("delete")) then null
        elif $operation == "cancelOrder" then $doomed
        elif $operation | IN("startPayment", "listOrderPayments", "getOrder") then $order
        elif $path | contains("/orders/{id}") then $living
        elif $path | startswith("/v1/shipments/") then $parcel
        elif $path | startswith("/v1/returns/") then $returned
        elif $path | startswith("/v1/businesses/") then $business
        elif $path | startswith("/v1/categories/") then $category
        elif $path | startswith("/v1/products/") then $product
        elif $path | startswith("/v1/variants/") then $variant
        else null end;
    .paths |= (with_entries(select(.key | contains("{"))) | with_entries(.key as $path | .value |= (
        map_values(.operationId as $operation | .parameters |= map(
            known($path; $operation; .name) as $id
            | if .in == "path" and $id then .schema = {type: "string", enum: [$id]} else . end
        ))
    )))' "$folder/openapi.json" >"$folder/existing.json"

mkdir -p target/schemathesis
cp schemathesis.toml "$folder/"
failed=0
ask() { # NAME DOCUMENT: every phase that needs no links; every check
    local name=$1 report=$PWD/target/schemathesis/$1.txt began=$SECONDS
    log_in
    # It writes folders of its own to where it is started.
    if ( cd "$folder" && "$venv/bin/schemathesis" run "$2" --url "$API" --checks all --phases examples,coverage,fuzzing ) >"$report" 2>&1; then
        echo "schemathesis, $name identifiers: $(grep -E '^ +[0-9,]+ generated' "$report" | xargs), $((SECONDS - began)) s"
    else
        failed=1
        cat "$report"
        echo "schemathesis, $name identifiers: failed; the report is target/schemathesis/$name.txt"
    fi
}
for pass in ${PASSES:-invented existing}; do
    case $pass in
        invented) ask invented openapi.json ;;
        existing) ask existing existing.json ;;
    esac
done

stop gateway serve mailcatcher
if grep -h '"level":"ERROR"' "$folder"/*.log; then
    echo "an error was logged"
    failed=1
fi
(( failed == 0 && unclean == 0 ))
