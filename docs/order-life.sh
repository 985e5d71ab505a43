#!/usr/bin/env bash
# The life of an order: what a shop's days are made of after somebody has pressed "buy", with curl and jq only.
#
# Start `oms dev` (or `make dev`) in one terminal and this in another:
#
#     docs/order-life.sh
#
# One order is followed from its first minute to its last cent: three lines of two sellers, money that is held before it is
# taken, a line called off in part, parcels with tracking numbers, one of them lost and sent again, goods that come back,
# and money that goes back for three different reasons. At every step it says what the order costs, what we have of it and
# what is owed, and ends when a sum is not what it should be. docs/order-life.md explains the rules.
#
# It makes one of its people an operator, so it needs to know where the database is: it finds that of `oms dev`; otherwise
# set DATABASE_URL and the settings that `oms audit` asks for. Where things are is taken from the environment:
#
#     API   the API                                   http://127.0.0.1:8000
#     MAIL  the mail catcher's page                   http://127.0.0.1:8025
#     OMS   the program itself                        oms, or target/debug/oms when it is there
set -euo pipefail

# shellcheck source=docs/lib/shop.sh
source "$(dirname "$0")/lib/shop.sh"

# --- who is asking ---------------------------------------------------------------------------------------------------

as() { token=${tokens[$1]}; }
declare -A tokens=()

# --- commands: everything that moves an order takes an Idempotency-Key ----------------------------------------------

# do_it STATUS PATH JSON: a command that is to be answered with STATUS.
do_it() {
    new_key
    call POST "/v1/$2" "$3"
    expect "$1"
}

# refused CODE PATH JSON: a command that is to be refused with this code.
refused() {
    new_key
    call POST "/v1/$2" "$3"
    [[ "$STATUS" == 4* && "$(get .code)" == "$1" ]] || fail "expected a refusal with $1"
    say "refused, $1: $(get .detail)"
}

because() { jq -n --arg reason "$1" '{reason: $reason}'; }
# units POSITION QUANTITY …: lines as the commands take them.
units() { jq -n '[$ARGS.positional | _nwise(2) | {position: .[0] | tonumber, quantity: .[1] | tonumber}]' --args "$@"; }

pack() { # POSITION QUANTITY …: leaves PARCEL
    do_it 201 "orders/$ORDER/shipments" "$(jq -n --argjson lines "$(units "$@")" '{lines: $lines}')"
    PARCEL=$(get .shipment.id)
    check "the parcel" "$(get .shipment.state)" packed
    check "what can be done with the parcel" "$(get '.shipment.allowed_actions | join(" ")')" "ship cancel"
}

tracking() { # NUMBER
    jq -n --arg number "$1" '{carrier: "Viet Post", tracking_number: $number,
        tracking_url: "https://carrier.example/track/\($number)"}'
}

ship() { # NUMBER: sends PARCEL
    do_it 200 "shipments/$PARCEL/ship" "$(tracking "$1")"
    check "the parcel" "$(get .shipment.state)" shipped
    check "what can be done with the parcel" "$(get '.shipment.allowed_actions | join(" ")')" "deliver lose"
    say "parcel $1 is on its way: $(get '[.shipment.lines[] | "\(.quantity) × \(.name)"] | join(", ")')"
}

deliver() { # PARCEL
    do_it 200 "shipments/$1/deliver" '{}'
    check "the parcel" "$(get .shipment.state)" delivered
}

# --- what is asserted -------------------------------------------------------------------------------------------------

# order_stands STATUS/PAYMENT/FULFILMENT/RETURN TOTAL AUTHORIZED CAPTURED REFUNDED BALANCE: of ORDER, in cents.
order_stands() {
    local saved=$token now
    as alice
    call GET "/v1/orders/$ORDER"
    token=$saved
    expect 200
    now=$(get '"\(.status)/\(.payment_status)/\(.fulfillment_status)/\(.return_status) \(.total.amount) \(.authorized.amount) \(.captured.amount) \(.refunded.amount) \(.balance_due.amount)"')
    [[ "$now" == "$*" ]]
}

# the_order_is …: as above, and it says so. Gateway and webhooks take their time, so it asks until it is so.
the_order_is() {
    until_true "order that is $*" order_stands "$@"
    say "the order is $1: total $(money .total), held $(money .authorized), taken $(money .captured), given back $(money .refunded), owed $(money .balance_due)"
}

# may WHO ACTIONS: what this caller may do with ORDER, in the order of the answer.
may() {
    as "$1"
    call GET "/v1/orders/$ORDER"
    expect 200
    check "what $1 may do" "$(get '.allowed_actions | join(" ")')" "$2"
    say "$1 may: ${2:-nothing}"
}

# may_not ACTION CODE: why the last caller may not do something.
may_not() {
    check "why $1 is not possible" "$(get ".refused_actions[] | select(.action == \"$1\") | .code")" "$2"
    say "… but not $1: $(get ".refused_actions[] | select(.action == \"$1\") | .reason")"
}

# shelf WHO NAME ON_HAND RESERVED
shelf() {
    local saved=$token
    as "$1"
    call GET "/v1/variants/${variants[$2]}/stock"
    token=$saved
    expect 200
    check "the shelf of $2" "$(get '"\(.on_hand) on hand, \(.reserved) reserved"')" "$3 on hand, $4 reserved"
    say "$2: $3 on hand, $4 reserved"
}
declare -A variants=()

mails_are() { # SUBJECT TIMES
    call GET "$MAIL/api/messages?to=alice-$run@example.com"
    [[ "$STATUS" == 200 ]] || return 1
    [[ "$(jq --arg subject "$1" '[.data[] | select(.subject == $subject)] | length' <<<"$BODY")" == "$2" ]]
}
# a_mail_says SUBJECT TIMES: so many mails to Alice have this subject.
a_mail_says() {
    token="" until_true "$2 × mail \"$1\"" mails_are "$1" "$2"
    say "$2 × \"$1\""
}

sell() { # BUSINESS NAME PRICE STOCK: puts something up for sale
    call POST /v1/products "$(jq -n --arg business "$1" --arg name "$2" --argjson price "$3" \
        '{business_id: $business, name: $name, currency: "USD", sku: ($name | ascii_upcase | gsub(" "; "-")), price_minor: $price}')"
    expect 201
    variants[$2]=$(get '.variants[0].id')
    do_it 200 "variants/${variants[$2]}/stock/receive" "$(jq -n --argjson quantity "$4" '{quantity: $quantity, reason: "first delivery"}')"
    say "$2 at $(jq -rn "$3 / 100") USD, $4 on the shelf"
}

open_shop() { # NAME CITY: leaves BUSINESS
    call POST /v1/businesses "$(jq -n --arg name "$1 $run" --arg city "$2" '{name: $name, city: $city, country: "VN"}')"
    expect 201
    BUSINESS=$(get .id)
    say "opened \"$(get .name)\" in $2"
}

echo "${bold}The life of an order${plain} at $API"
call GET /readyz
expect 200

title "Two sellers, a buyer and an operator"
join "mai-$run"
tokens[mai]=$TOKEN token=$TOKEN
open_shop "Lotus Tea House" "Hội An"
mai=$BUSINESS
sell "$mai" "Lotus tea" 1200 50
sell "$mai" "Celadon cup" 2500 20
join "binh-$run"
tokens[binh]=$TOKEN token=$TOKEN
open_shop "Bamboo Works" "Huế"
binh=$BUSINESS
sell "$binh" "Bamboo tray" 3000 10
join "alice-$run"
tokens[alice]=$TOKEN
join "olga-$run"
run_oms user set-role "olga-$run" operator
log_in "olga-$run"
tokens[olga]=$TOKEN
say "olga works everybody's orders: she logs in again as an operator"

title "Alice orders from both"
as alice
do_it 201 orders "$(jq -n --arg tea "${variants[Lotus tea]}" --arg cup "${variants[Celadon cup]}" --arg tray "${variants[Bamboo tray]}" '{
    lines: [{variant_id: $tea, quantity: 4}, {variant_id: $cup, quantity: 2}, {variant_id: $tray, quantity: 3}],
    ship_to: {name: "Alice Nguyen", line1: "12 Hang Bac", city: "Hanoi", postal_code: "100000", country: "VN"},
    expected_total: {amount: 18800, currency: "USD"}
}')"
ORDER=$(get .id) NUMBER=$(get .number)
say "order $NUMBER: $(get '[.lines[] | "\(.quantity) × \(.name)"] | join(", ")')"
the_order_is pending/unpaid/unfulfilled/none 18800 0 0 0 18800
may alice "pay cancel cancel_lines"
may_not request_return nothing_to_return
as mai
refused not_confirmed "orders/$ORDER/shipments" "$(jq -n --argjson lines "$(units 1 4)" '{lines: $lines}')"

title "The money is held, not taken"
as alice
pay approve '{"gateway": "mock", "capture": "manual"}'
the_order_is confirmed/authorized/unfulfilled/none 18800 18800 0 0 18800
may alice "cancel cancel_lines"
may_not pay nothing_due
may olga "cancel cancel_lines create_shipment capture void hold"

title "Each seller sees their own lines, and no others"
as mai
call GET "/v1/businesses/$mai/orders/$ORDER"
expect 200
check "Mai's lines" "$(get '[.lines[].name] | join(", ")')" "Lotus tea, Celadon cup"
check "what Mai may do" "$(get '.allowed_actions | join(" ")')" "create_shipment cancel_lines"
say "mai: $(get '[.lines[].name] | join(", ")') for $(money .lines_total)"
call GET "/v1/businesses/$binh/orders/$ORDER"
expect 404
as binh
call GET "/v1/businesses/$binh/orders/$ORDER"
expect 200
check "Binh's lines" "$(get '[.lines[].name] | join(", ")')" "Bamboo tray"
say "binh: $(get '[.lines[].name] | join(", ")') for $(money .lines_total)"
refused no_such_line "orders/$ORDER/shipments" "$(jq -n --argjson lines "$(units 1 1)" '{lines: $lines}')"

title "One tray too many: a line is called off in part"
as alice
request=$(jq -n --argjson lines "$(units 3 1)" '{lines: $lines, reason: "Two trays are enough"}')
call POST "/v1/orders/$ORDER/cancel-lines?dry_run=true" "$request"
expect 200
check "what it would do to the total" "$(money .effects.total)" "-30.00 USD"
say "a dry run says: total $(money .effects.total), one tray back on the shelf; nothing has changed"
the_order_is confirmed/authorized/unfulfilled/none 18800 18800 0 0 18800
do_it 200 "orders/$ORDER/cancel-lines" "$request"
the_order_is confirmed/authorized/unfulfilled/none 15800 18800 0 0 15800
shelf binh "Bamboo tray" 10 2

title "Olga holds the order back while she checks the address"
as olga
do_it 200 "orders/$ORDER/hold" "$(because "The address is being checked")"
check "why it is held" "$(get .hold_reason)" "The address is being checked"
as mai
refused on_hold "orders/$ORDER/shipments" "$(jq -n --argjson lines "$(units 1 4)" '{lines: $lines}')"
as olga
do_it 200 "orders/$ORDER/release" '{}'
check "why it is held" "$(get '.hold_reason // "nothing"')" nothing
say "released"

title "Mai sends her parcel, and the money is taken"
as mai
pack 1 4 2 2
mai_parcel=$PARCEL
the_order_is confirmed/authorized/unfulfilled/none 15800 18800 0 0 15800
as olga
call POST "/v1/shipments/$PARCEL/ship?dry_run=true" "$(tracking LTH-1)"
expect 200
check "what would be taken" "$(money .effects.capturing)" "158.00 USD"
say "a dry run says: $(money .effects.capturing) will be taken of what is held, the rest is given up (sellers are not told)"
as mai
new_key
again=$key
call POST "/v1/shipments/$PARCEL/ship" "$(tracking LTH-1)"
expect 200
key=$again
call POST "/v1/shipments/$PARCEL/ship" "$(tracking LTH-1)"
expect 200
check "Idempotency-Replayed" "$(header Idempotency-Replayed)" true
say "parcel LTH-1 is on its way; the same request with the same Idempotency-Key changes nothing"
the_order_is confirmed/paid/partially_fulfilled/none 15800 0 15800 0 0
shelf mai "Lotus tea" 46 0
shelf mai "Celadon cup" 18 0
may alice ""
may_not cancel already_shipped

title "Binh's parcel is lost, and sent again"
as binh
pack 3 2
ship BW-1
the_order_is confirmed/paid/fulfilled/none 15800 0 15800 0 0
shelf binh "Bamboo tray" 8 0
as binh
do_it 200 "shipments/$PARCEL/lose" '{"reason": "The carrier cannot find it", "resend": true}'
check "the parcel" "$(get .shipment.state)" lost
say "lost; its two trays are promised once more"
the_order_is confirmed/paid/partially_fulfilled/none 15800 0 15800 0 0
shelf binh "Bamboo tray" 8 2
as binh
pack 3 2
ship BW-2
binh_parcel=$PARCEL
the_order_is confirmed/paid/fulfilled/none 15800 0 15800 0 0
shelf binh "Bamboo tray" 6 0

title "Both parcels arrive, and the order completes by itself"
as mai
deliver "$mai_parcel"
the_order_is confirmed/paid/fulfilled/none 15800 0 15800 0 0
as binh
deliver "$binh_parcel"
the_order_is completed/paid/delivered/none 15800 0 15800 0 0
may alice "request_return"
may olga "request_return refund"

title "A tray is scratched: its price goes back, and Alice keeps it"
as olga
do_it 200 "orders/$ORDER/refunds" "$(jq -n --argjson lines "$(units 3 1)" '{kind: "lines", lines: $lines, reason: "One tray is scratched"}')"
check "the credit" "$(get '.credits[-1] | "\(.kind) \(.amount.amount)"')" "refund 3000"
say "nothing came back, so the total falls by a credit of $(money '.credits[-1].amount'): she never owes what she was given"
the_order_is completed/partially_refunded/delivered/none 12800 0 15800 3000 0

title "A tea and a broken cup come back"
as alice
do_it 201 "orders/$ORDER/returns" "$(jq -n --argjson lines "$(units 1 1 2 1)" '{lines: $lines, reason: "One tea too many, and a cup is broken"}')"
RETURN=$(get .return.id)
check "the return" "$(get '"\(.return.state), \(.return.allowed_actions | join(" "))"')" "requested, cancel"
the_order_is completed/partially_refunded/delivered/requested 12800 0 15800 3000 0
as binh
call GET "/v1/returns/$RETURN"
expect 404
as mai
do_it 200 "returns/$RETURN/approve" '{"decision": "Please use the label in the parcel."}'
check "the return" "$(get '"\(.return.state), \(.return.allowed_actions | join(" "))"')" "approved, receive close"
say "mai agrees: \"$(get .return.decision)\""
do_it 200 "returns/$RETURN/receive" '{"lines": [{"position": 1, "resellable": 1, "damaged": 0}, {"position": 2, "resellable": 0, "damaged": 1}]}'
say "both are back: the tea can be sold again, the cup cannot"
shelf mai "Lotus tea" 47 0
shelf mai "Celadon cup" 18 0
the_order_is completed/overpaid/delivered/partially_returned 9100 0 15800 3000 -3700
as mai
do_it 200 "returns/$RETURN/close" '{}'
check "the return" "$(get '"\(.return.state), \(.return.allowed_actions | join(" "))"')" "closed, "

title "Receiving goods lowered the total; giving the money back is a step of its own"
as mai
refused forbidden "orders/$ORDER/refunds" '{"kind": "full", "reason": "A seller asks for it"}'
as olga
refused refund_too_large "orders/$ORDER/refunds" '{"kind": "amount", "amount": {"amount": 12801, "currency": "USD"}, "reason": "A typing mistake"}'
do_it 200 "orders/$ORDER/refunds" "$(jq -n --argjson lines "$(units 1 1 2 1)" '{kind: "lines", lines: $lines, reason: "One tea and one cup came back"}')"
check "the credits" "$(get '.credits | length')" 1
say "37.00 USD were kept too much, so no credit is needed"
the_order_is completed/partially_refunded/delivered/partially_returned 9100 0 15800 6700 0

title "And ten dollars for the trouble"
do_it 200 "orders/$ORDER/refunds" '{"kind": "goodwill", "amount": {"amount": 1000, "currency": "USD"}, "reason": "For the trouble"}'
check "the credit" "$(get '.credits[-1] | "\(.kind) \(.amount.amount)"')" "goodwill 1000"
the_order_is completed/partially_refunded/delivered/partially_returned 8100 0 15800 7700 0
check "what the lines and credits add up to" "$(get '([.lines[] | (.quantity - .cancelled_quantity - .returned_quantity) * .unit_price.amount] | add) - ([.credits[].amount.amount] | add)')" 8100
say "3 teas, 1 cup and 2 trays are 121.00, less 30.00 and 10.00: 81.00 USD. Taken 158.00, given back 77.00: nothing is owed."

title "What Alice was told"
a_mail_says "Order $NUMBER: we have it" 1
a_mail_says "Order $NUMBER is confirmed" 1
a_mail_says "A part of order $NUMBER was cancelled" 1
a_mail_says "A parcel of order $NUMBER is on its way" 3
a_mail_says "A parcel of order $NUMBER was lost" 1
a_mail_says "A parcel of order $NUMBER has arrived" 2
a_mail_says "Refund for order $NUMBER" 3
a_mail_says "Your return of order $NUMBER" 1
a_mail_says "Your return of order $NUMBER is agreed" 1
a_mail_says "Goods of order $NUMBER are back" 1

title "What remains"
as olga
call GET "/v1/orders/$ORDER/events?limit=100"
expect 200
say "the history of order $NUMBER: $(get '[.data[].kind] | join(", ")')"
call GET "/v1/orders/$ORDER/payments"
expect 200
check "the payment" "$(get '.data[0] | "\(.state) \(.amount.amount) \(.captured.amount) \(.refunded.amount)"')" "captured 18800 15800 7700"
check "the refunds" "$(get '[.refunds[] | "\(.state) \(.amount.amount)"] | join(", ")')" "succeeded 3000, succeeded 3700, succeeded 1000"
say "one payment: $(money '.data[0].amount') held, $(money '.data[0].captured') taken once, $(money '.data[0].refunded') given back in three refunds"
audit
the_end
