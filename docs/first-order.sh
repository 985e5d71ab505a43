#!/usr/bin/env bash
# The first order: a walk through everything that `oms` does, with curl and jq only.
#
# Start `oms dev` (or `make dev`) in one terminal and this in another:
#
#     docs/first-order.sh
#
# It opens a shop, sells three things and takes one of them back. Anything unexpected ends it with what was asked and
# what came back. Where things are is taken from the environment:
#
#     API   the API                                   http://127.0.0.1:8000
#     MAIL  the mail catcher's page                   http://127.0.0.1:8025
#     OMS   the program itself, for `oms audit`       oms, or target/debug/oms when it is there
#
# Unpaid orders expire after half an hour; start `oms` with OMS_ORDER_EXPIRY_SECONDS=20 to see that happen here too.
set -euo pipefail

API=${API:-http://127.0.0.1:8000}
MAIL=${MAIL:-http://127.0.0.1:8025}
if [[ -z "${OMS:-}" ]]; then
    OMS=oms
    local_build="$(dirname "$0")/../target/debug/oms"
    [[ -x "$local_build" ]] && OMS=$local_build
fi

for program in curl jq; do
    command -v "$program" >/dev/null || { echo "This needs $program, and it is not installed." >&2; exit 1; }
done

# How long to wait for what happens in the background, and the longest expiry that is worth waiting for.
PATIENCE_SECONDS=${PATIENCE_SECONDS:-60}
EXPIRY_WORTH_WAITING_SECONDS=180

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
run=$(printf '%04x%04x' "$RANDOM" "$RANDOM")
keys=0
step=0
token=""
key=""
STATUS=""
BODY=""
REQUEST=""

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold="" dim="" plain=""; fi

title() { step=$((step + 1)); printf '\n%s%2d. %s%s\n' "$bold" "$step" "$1" "$plain"; }
say() { printf '    %s\n' "$*"; }

fail() {
    {
        printf '\nThis did not go as it should: %s\n' "$1"
        printf '  request   %s\n' "$REQUEST"
        printf '  answer    %s\n' "${STATUS:-none}"
        printf '%s\n' "$BODY" | { jq . 2>/dev/null || printf '%s\n' "$BODY" | head -c 2000; } | sed 's/^/            /'
    } >&2
    exit 1
}

# A new value for the next request that creates or moves something; the same request sent again would take the same one.
new_key() { keys=$((keys + 1)); key="first-order-$run-$keys"; }

# call METHOD PATH-OR-URL [JSON | curl options …]: leaves STATUS, BODY and the headers in $folder/headers.
call() {
    local method=$1 url=$2
    shift 2
    [[ "$url" == http* ]] || url=$API$url
    local options=()
    [[ -n "$token" ]] && options+=(-H "Authorization: Bearer $token")
    [[ -n "$key" ]] && options+=(-H "Idempotency-Key: $key")
    REQUEST="$method $url"
    if [[ "${1:-}" == '{'* ]]; then
        # A password belongs into no terminal.
        REQUEST+="  $(jq -c 'if .password then .password = "…" else . end' <<<"$1")"
        options+=(-H 'Content-Type: application/json' --data-binary "$1")
        shift
    fi
    : >"$folder/body"
    if ! STATUS=$(curl -sS --max-time 30 -X "$method" ${options[@]+"${options[@]}"} "$@" \
        -D "$folder/headers" -o "$folder/body" -w '%{http_code}' "$url" 2>"$folder/error"); then
        STATUS="" BODY=$(cat "$folder/error")
        fail "nobody answered"
    fi
    BODY=$(cat "$folder/body")
    key=""
}

expect() { [[ "$STATUS" == "$1" ]] || fail "expected $1"; }
get() { jq -r "$1" <<<"$BODY"; }
header() { tr -d '\r' <"$folder/headers" | awk -F ': ' -v name="$1" 'tolower($1) == tolower(name) { print $2; exit }'; }
# Amounts are integers in minor units: 1161 is 11.61 USD.
money() { jq -r "$1 | \"\(.amount / 100 | floor).\(\"0\(.amount % 100)\"[-2:]) \(.currency)\"" <<<"$BODY"; }

# check WHAT ACTUAL EXPECTED
check() { [[ "$2" == "$3" ]] || fail "$1 is '$2' and should be '$3'"; }

# until_true WHAT FUNCTION …: asks again until it is so.
until_true() {
    local what=$1 deadline=$((SECONDS + PATIENCE_SECONDS))
    shift
    until "$@"; do
        (( SECONDS < deadline )) || fail "after $PATIENCE_SECONDS seconds still no $what"
        sleep 0.2
    done
}

mail_link() { # ADDRESS: the link in the first mail to it
    local saved=$token
    token=""
    call GET "$MAIL/api/messages?to=$1"
    token=$saved
    [[ "$STATUS" == 200 ]] || return 1
    link=$(get '.data[].links[] | select(contains("verify-email"))' | tail -n 1)
    [[ -n "$link" ]]
}

join() { # USERNAME: registers, verifies the address and logs in; leaves TOKEN
    local name=$1 address="$1@example.com" password="three small boats $run"
    token=""
    call POST /v1/auth/register "$(jq -n --arg name "$name" --arg address "$address" --arg password "$password" \
        '{username: $name, email: $address, password: $password}')"
    expect 201
    say "registered $name; the answer did not wait for the mail"
    call POST /v1/auth/login "$(jq -n --arg name "$name" --arg password "$password" '{login: $name, password: $password}')"
    expect 403
    say "logging in is refused ($(get .code)) until the address is verified"
    until_true "mail to $address" mail_link "$address"
    say "a mail came over SMTP: \"$(get '.data[0].subject')\""
    call GET "$link" -H 'Accept: text/html'
    expect 200
    say "opened its link as a browser would: the address is verified"
    call POST /v1/auth/login "$(jq -n --arg name "$name" --arg password "$password" '{login: $name, password: $password}')"
    expect 200
    TOKEN=$(get .access_token)
    say "logged in; the access token is good for $(get .expires_in) seconds"
}

available() { call GET "/v1/products/$product"; expect 200; get .available; }
check_available() { local now; now=$(available); check "what is available" "$now" "$1"; }

place() { # QUANTITY: leaves ORDER and NUMBER
    new_key
    local request
    request=$(jq -n --arg variant "$variant" --argjson quantity "$1" '{
        lines: [{variant_id: $variant, quantity: $quantity}],
        ship_to: {name: "Alice Nguyen", line1: "12 Hang Bac", city: "Hanoi", postal_code: "100000", country: "VN"}
    }')
    local used=$key
    call POST /v1/orders "$request"
    expect 201
    ORDER=$(get .id) NUMBER=$(get .number)
    check "its status" "$(get '"\(.status)/\(.payment_status)"')" pending/unpaid
    say "order $NUMBER: $1 × $(get '.lines[0].name') for $(money .total), $(get .status) and $(get .payment_status)"
    LAST_REQUEST=$request LAST_KEY=$used LAST_BODY=$BODY
}

pay() { # approve | decline: starts a payment and presses the button on the pay page
    new_key
    call POST "/v1/orders/$ORDER/payments" '{"gateway": "mock"}'
    expect 201
    local page
    page=$(get .pay_url)
    say "payment of $(money .amount) started; the pay page is $page"
    local saved=$token
    token=""
    call GET "$page"
    expect 200
    local action nonce
    action=$(grep -o 'action="[^"]*'"$1"'"' <<<"$BODY" | head -n 1 | cut -d '"' -f 2)
    nonce=$(grep -o 'name="nonce" value="[^"]*"' <<<"$BODY" | head -n 1 | cut -d '"' -f 4)
    [[ -n "$action" && -n "$nonce" ]] || fail "the pay page has no form to $1"
    call POST "${page%/*}/$action" --data-urlencode "nonce=$nonce"
    expect 303
    token=$saved
    say "pressed \"$1\" on it"
}

order_is() { # STATUS/PAYMENT_STATUS of ORDER
    call GET "/v1/orders/$ORDER"
    expect 200
    [[ "$(get '"\(.status)/\(.payment_status)"')" == "$1" ]]
}
attempt_is() { # STATE of the last payment of ORDER
    call GET "/v1/orders/$ORDER/payments"
    expect 200
    [[ "$(get '.data | max_by(.created_at).state')" == "$1" ]]
}
cancel() { # REASON
    new_key
    call POST "/v1/orders/$ORDER/cancel" "$(jq -n --arg reason "$1" '{reason: $reason}')"
    expect 200
    check "its status" "$(get .status)" cancelled
}

echo "${bold}The first order${plain} at $API"
call GET /readyz
expect 200

title "Mai opens a shop"
join "mai-$run"
seller=$TOKEN
token=$seller
call POST /v1/businesses "$(jq -n --arg name "Lotus Tea House $run" \
    '{name: $name, city: "Hội An", country: "VN", phone: "+84901234567", description: "Tea from the hills of Quảng Nam."}')"
expect 201
business=$(get .id)
say "opened \"$(get .name)\" in $(get .city)"

title "She puts a tea up for sale, with a picture and fifty boxes in stock"
call POST /v1/products "$(jq -n --arg business "$business" '{
    business_id: $business, name: "Lotus green tea", description: "Green tea scented with lotus flowers.",
    currency: "USD", sku: "TEA-LOTUS-100", price_minor: 1290, discount_basis_points: 1000
}')"
expect 201
product=$(get .id) variant=$(get '.variants[0].id')
check "what one costs after ten per cent off" "$(money '.variants[0].unit_price')" "11.61 USD"
say "\"$(get .name)\" at $(money '.variants[0].price'), less 10 %: $(money '.variants[0].unit_price')"
# A lotus of 48 × 48 pixels.
base64 -d >"$folder/lotus.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAMAAABg3Am1AAAACVBMVEX28eXWXXnwvjz26FmLAAAAcUlEQVR42u3VQQrAIBBDUTP3P7S4KNQyoX5BacFszVupM6WctOgeWH8nykL7XsiH
9lMhQUGBxIQEBQX9UVzxIu8/xEDfCtvvRQoivDjgwwDf9Nhbwq+V/4f1X5RPjQ2DjM9WPr35fpjYQHzHTWzRH6YCR+AF17RxNDAAAAAASUVORK5CYII=
PNG
call POST "/v1/products/$product/images" -F "file=@$folder/lotus.png;type=image/png"
expect 201
picture=$(get '.images[0].url')
say "uploaded a picture of $(get '.images[0] | "\(.width) × \(.height)"') pixels"
[[ "$picture" == http* ]] || picture=$API$picture
token=""
call GET "$picture" -o "$folder/picture"
expect 200
case "$(header content-type)" in image/*) ;; *) fail "the picture came as '$(header content-type)'" ;; esac
say "it is served as $(header content-type) at $picture"
token=$seller
new_key
call POST "/v1/variants/$variant/stock/receive" '{"quantity": 50, "reason": "first delivery"}'
expect 200
check "what is available" "$(get .available)" 50
say "received 50: $(get .on_hand) on hand, $(get .available) available"

title "Alice buys two, and pays"
join "alice-$run"
token=$TOKEN
place 2
check_available 48
say "48 are left: what is promised to her is nobody else's"
key=$LAST_KEY
call POST /v1/orders "$LAST_REQUEST"
expect 201
check "Idempotency-Replayed" "$(header Idempotency-Replayed)" true
check "the replayed answer" "$BODY" "$LAST_BODY"
check_available 48
say "the same request with the same Idempotency-Key: the same answer, and no second order"
pay approve
until_true "confirmed and paid order" order_is confirmed/paid
say "the gateway's webhook came: order $NUMBER is $(get .status) and $(get .payment_status), balance $(money .balance_due)"

title "She orders three more, her card is declined, and the order runs out of time"
place 3
expires_at=$(get .expires_at)
check_available 45
pay decline
until_true "failed payment" attempt_is failed
say "the payment is $(get '.data | max_by(.created_at).state'); the order still waits for another try until $expires_at"
left=$(jq -n --arg at "$expires_at" '$at | sub("\\.[0-9]+"; "") | sub("\\+00:00$"; "Z") | fromdateiso8601 - now | floor')
if (( left <= EXPIRY_WORTH_WAITING_SECONDS )); then
    PATIENCE_SECONDS=$((PATIENCE_SECONDS + (left > 0 ? left : 0))) until_true "expired order" order_is expired/unpaid
    say "nobody paid: order $NUMBER is $(get .status)"
else
    cancel "The card was declined"
    say "that is $((left / 60)) minutes away (OMS_ORDER_EXPIRY_SECONDS=20 makes it short), so she cancels order $NUMBER"
fi
check_available 48
say "its three boxes are back: 48 are available"

title "She orders one more, pays, and changes her mind"
place 1
pay approve
until_true "confirmed and paid order" order_is confirmed/paid
say "order $NUMBER is $(get .status) and $(get .payment_status)"
cancel "Ordered one too many"
say "cancelled"
until_true "refund" order_is cancelled/refunded
say "the money went back: $(get .payment_status), $(money .refunded) of $(money .captured)"
check_available 48
say "and so did the box: 48 are available"

title "What remains"
call GET "/v1/orders/$ORDER/events"
expect 200
say "the history of order $NUMBER: $(get '[.data[].kind] | join(", ")')"
call GET /v1/orders
expect 200
check "her orders" "$(get '.data | length')" 3
token=$seller
call GET "/v1/variants/$variant/stock"
expect 200
check "the shelf" "$(get '"\(.on_hand) on hand, \(.reserved) reserved"')" "50 on hand, 2 reserved"
say "on Mai's shelf: 50 on hand, 2 of them promised to Alice"
# `oms audit` looks into the database and into the gateway's book. `oms dev` keeps what that takes in its directory.
dev=${OMS_DATA_DIR:-$( (( EUID == 0 )) && echo /var/lib/oms-dev || echo "${XDG_DATA_HOME:-$HOME/.local/share}/oms")}
if [[ -z "${DATABASE_URL:-}" && -r "$dev/running.json" && "$(jq -r .api "$dev/running.json")" == "$API" ]]; then
    DATABASE_URL=$(jq -r .database "$dev/running.json") OMS_GATEWAY_URL=$(jq -r .gateway "$dev/running.json")
    SECRET_KEY=$(jq -r .secret_key "$dev/keys.json") OMS_WEBHOOK_SECRETS=$(jq -r .webhook_secret "$dev/keys.json")
    OMS_GATEWAY_API_KEY=$(jq -r .gateway_api_key "$dev/keys.json") OMS_MEDIA_URL=$dev/media
    export DATABASE_URL OMS_GATEWAY_URL SECRET_KEY OMS_WEBHOOK_SECRETS OMS_GATEWAY_API_KEY OMS_MEDIA_URL
fi
REQUEST="$OMS audit" STATUS="" BODY=""
if ! BODY=$($OMS audit 2>&1); then
    fail "the books do not balance, or the audit could not be run"
fi
say "oms audit: $(tail -n 1 <<<"$BODY")"

printf '\n%sEverything went as it should.%s %sRead on: %s/docs%s\n' "$bold" "$plain" "$dim" "$API" "$plain"
