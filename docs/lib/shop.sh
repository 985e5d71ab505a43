# What the stories in docs/ share: asking the API with curl, looking at the answers with jq, and telling what happened. To be
# sourced. Where things are is taken from the environment:
#
#     API   the API                                   http://127.0.0.1:8000
#     MAIL  the mail catcher's page                   http://127.0.0.1:8025
#     OMS   the program itself, for `oms audit`       oms, or target/debug/oms when it is there

API=${API:-http://127.0.0.1:8000}
MAIL=${MAIL:-http://127.0.0.1:8025}
if [[ -z "${OMS:-}" ]]; then
    OMS=oms
    local_build="$(dirname "${BASH_SOURCE[0]}")/../../target/debug/oms"
    [[ -x "$local_build" ]] && OMS=$local_build
fi

for program in curl jq; do
    command -v "$program" >/dev/null || { echo "This needs $program, and it is not installed." >&2; exit 1; }
done

# How long to wait for what happens in the background.
PATIENCE_SECONDS=${PATIENCE_SECONDS:-60}

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
new_key() { keys=$((keys + 1)); key="story-$run-$keys"; }

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
money() {
    jq -r "$1 | (.amount | if . < 0 then -. else . end) as \$minor
        | \"\(if .amount < 0 then \"-\" else \"\" end)\(\$minor / 100 | floor).\(\"0\(\$minor % 100)\"[-2:]) \(.currency)\"" <<<"$BODY"
}

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

# Logging in leaves the access token in TOKEN.
log_in() { # USERNAME
    token=""
    call POST /v1/auth/login "$(jq -n --arg name "$1" --arg password "$password" '{login: $name, password: $password}')"
    expect 200
    TOKEN=$(get .access_token)
}

password="three small boats $run"
told=""

join() { # USERNAME: registers, verifies the address and logs in; leaves TOKEN. The first time it tells every step.
    local name=$1 address="$1@example.com" refused
    token=""
    call POST /v1/auth/register "$(jq -n --arg name "$name" --arg address "$address" --arg password "$password" \
        '{username: $name, email: $address, password: $password}')"
    expect 201
    call POST /v1/auth/login "$(jq -n --arg name "$name" --arg password "$password" '{login: $name, password: $password}')"
    expect 403
    refused=$(get .code)
    until_true "mail to $address" mail_link "$address"
    if [[ -z "$told" ]]; then
        say "registered $name; the answer did not wait for the mail"
        say "logging in is refused ($refused) until the address is verified"
        say "a mail came over SMTP: \"$(get '.data[0].subject')\""
    fi
    call GET "$link" -H 'Accept: text/html'
    expect 200
    [[ -n "$told" ]] || say "opened its link as a browser would: the address is verified"
    log_in "$name"
    if [[ -z "$told" ]]; then
        say "logged in; the access token is good for $(get .expires_in) seconds"
    else
        say "$name registers, verifies the address and logs in, the same way"
    fi
    told=yes
}

# Paying takes the money at once unless it is asked to hold it.
at_once='{"gateway": "mock"}'

pay() { # approve | decline [JSON]: starts a payment of ORDER and presses the button on the pay page
    new_key
    call POST "/v1/orders/$ORDER/payments" "${2:-$at_once}"
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
# The program itself looks into the database and into the gateway's book. `oms dev` keeps what that takes in its directory.
find_books() {
    local dev=${OMS_DATA_DIR:-$( (( EUID == 0 )) && echo /var/lib/oms-dev || echo "${XDG_DATA_HOME:-$HOME/.local/share}/oms")}
    if [[ -z "${DATABASE_URL:-}" && -r "$dev/running.json" && "$(jq -r .api "$dev/running.json")" == "$API" ]]; then
        DATABASE_URL=$(jq -r .database "$dev/running.json") OMS_GATEWAY_URL=$(jq -r .gateway "$dev/running.json")
        SECRET_KEY=$(jq -r .secret_key "$dev/keys.json") OMS_WEBHOOK_SECRETS=$(jq -r .webhook_secret "$dev/keys.json")
        OMS_GATEWAY_API_KEY=$(jq -r .gateway_api_key "$dev/keys.json") OMS_MEDIA_URL=$dev/media
        export DATABASE_URL OMS_GATEWAY_URL SECRET_KEY OMS_WEBHOOK_SECRETS OMS_GATEWAY_API_KEY OMS_MEDIA_URL
    fi
}

run_oms() { # ARGUMENTS: leaves what it said in BODY
    find_books
    REQUEST="$OMS $*" STATUS="" BODY=""
    BODY=$($OMS "$@" 2>&1) || fail "the program says no"
}

audit() {
    run_oms audit
    say "oms audit: $(tail -n 1 <<<"$BODY")"
}

the_end() {
    printf '\n%sEverything went as it should.%s %sRead on: %s/docs%s\n' "$bold" "$plain" "$dim" "$API" "$plain"
}
