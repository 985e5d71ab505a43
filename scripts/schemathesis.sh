#!/usr/bin/env bash
# Schemathesis asks a running `oms serve` for everything that its document promises and for what it forbids (guarantee I-01):
# with identifiers of its own invention, with those of things that exist, and along the links of the document through the
# life of orders. Reports go to target/schemathesis.
#
# EXAMPLES (100) is how many cases are made up for each operation, beside those that cover its parameters; half as many with
# identifiers of what exists, and a 25th as many walks. With MINUTES it goes on for so long, each round with a seed of its own. PASSES leaves some out: invented, existing, life.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-}" == inside ]] || exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside

# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh
# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
export OMS_LOG="warn,oms::http::access_log=info"

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

# The life of orders from placing to what came back: for real, and of a product that the other passes do not know, because
# theirs end hidden, sold out or deleted. What ends a life early, or holds it up, is left to those passes.
life=(placeOrder confirmOrder createShipment shipShipment deliverShipment requestReturn approveReturn receiveReturn closeReturn getOrder)
prepare_life() {
    local knob
    knob=$(api POST /v1/products "{\"business_id\": \"$business\", \"name\": \"Knob\", \"currency\": \"USD\", \"sku\": \"KNOB-$RANDOM\", \"price_minor\": 250}" |
        jq -re '.variants[0].id')
    api POST "/v1/variants/$knob/stock/receive" '{"quantity": 10000}' >/dev/null
    jq --arg variant "$knob" '
        .paths |= (map_values(with_entries(select(.value.operationId | IN($ARGS.positional[])))) | with_entries(select(.value != {})))
        | .paths[][].parameters |= map(select(.name != "dry_run")
            | if .name == "Idempotency-Key" then .required = true | .schema = {type: "string", format: "uuid"} else . end)
        | .paths |= map_values(map_values(.operationId as $from
            | .responses |= map_values(.links |= ((. // {}) | with_entries(select(.value.operationId
                | IN($ARGS.positional[]) and ({getOrder: "deliverShipment", closeReturn: "receiveReturn"}[.] // $from) == $from))))))
        | .components.schemas |= (
            .PlaceOrder.properties |= (del(.expected_total) | .lines.maxItems = 1)
            | .PlaceOrderLine.properties |= (.variant_id = {type: "string", enum: [$variant]} | .quantity.maximum = 3)
            | .StartPayment.properties |= del(.amount))
        ' --args "${life[@]}" <"$folder/openapi.json" >"$folder/life.json"
}

mkdir -p target/schemathesis
root=$PWD
examples=${EXAMPLES:-100}
failed=0
ask() { # NAME DOCUMENT OPTIONS …: every check
    local name=$1 document=$2 report=$PWD/target/schemathesis/$1.txt began=$SECONDS
    shift 2
    # It writes folders of its own to where it is started.
    mkdir -p "$folder/$name" && cp "$root/schemathesis.toml" "$folder/$name/"
    if ( cd "$folder/$name" && PYTHONPATH=$root/scripts/lib SCHEMATHESIS_HOOKS=lives "$venv/bin/schemathesis" run "../$document" --url "$API" --checks all "$@" ) >"$report" 2>&1; then
        echo "I-01: schemathesis, $name: $(grep -E '^ +[0-9,]+ generated' "$report" | xargs), $((SECONDS - began)) s"
    else
        cat "$report"
        echo "I-01: schemathesis, $name: failed; the report is target/schemathesis/$name.txt"
        return 1
    fi
}
# How often each step of the life succeeded; one that never did is a failure.
walked() { # LINES of the server's log before
    tail -n "+$(($1 + 1))" "$folder/serve.log" | jq -rR --slurpfile document "$folder/life.json" '
        ($document[0].paths | [to_entries[] | .key as $path | .value | to_entries[] | {key: "\(.key | ascii_upcase) \($path)", value: .value.operationId}]
            | from_entries) as $names
        | fromjson? | select(."http.status" != null and ."http.status" < 300) | $names["\(."http.method") \(."http.route")"] // empty' |
        sort | uniq -c | awk '{print $2, $1}' >"$folder/walked"
    echo "I-01: steps of the life of orders that succeeded: $(paste -sd, "$folder/walked" | sed 's/,/, /g')"
    local missed
    missed=$(comm -23 <(printf '%s\n' "${life[@]}" | sort) <(cut -d ' ' -f 1 "$folder/walked" | sort) | xargs)
    [[ -z "$missed" ]] && return
    echo "I-01: steps that were never got through: $missed"
    failed=1
}
round() { # OPTIONS …
    local before waiting=() pass
    local passes=" ${PASSES:-invented existing life} "
    log_in
    # These two side by side: one generator is busy with one core.
    if [[ "$passes" == *" invented "* ]]; then
        ask invented openapi.json --phases examples,coverage,fuzzing --max-examples "$examples" "$@" &
        waiting+=($!)
    fi
    if [[ "$passes" == *" existing "* ]]; then
        ask existing existing.json --phases examples,coverage,fuzzing --max-examples "$(((examples + 1) / 2))" "$@" &
        waiting+=($!)
    fi
    for pass in ${waiting[@]+"${waiting[@]}"}; do
        wait "$pass" || failed=1
    done
    [[ "$passes" == *" life "* ]] || return 0
    # Fewer and longer walks: from placing to what came back are nine steps, and each is one of many.
    before=$(wc -l <"$folder/serve.log")
    log_in
    prepare_life
    ask life life.json --phases stateful --max-examples "$(((examples + 24) / 25))" "$@" || failed=1
    walked "$before"
}
if [[ -n "${MINUTES:-}" ]]; then
    # An access token is good for fifteen minutes, hence the rounds.
    end=$((SECONDS + MINUTES * 60))
    while ((SECONDS < end - 30)); do
        left=$((end - SECONDS)) seed=$RANDOM$RANDOM
        echo "I-01: seed $seed"
        round --seed "$seed" --max-time "$((left < 600 ? left / 2 : 300))"
    done
else
    round
fi

stop gateway serve mailcatcher
if grep -h '"level":"ERROR"' "$folder"/*.log; then
    echo "an error was logged"
    failed=1
fi
(( failed == 0 && unclean == 0 ))
