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

# shellcheck source=docs/lib/shop.sh
source "$(dirname "$0")/lib/shop.sh"

# The longest expiry that is worth waiting for.
EXPIRY_WORTH_WAITING_SECONDS=180

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
audit
the_end
