# Runs `oms` as the processes it is made of, for scripts that test it from outside. To be sourced, below with-postgres.sh:
# it needs DATABASE_URL. Everything that it starts ends with the script, by process id.

OMS=${OMS:-$PWD/target/debug/oms}
folder=$(mktemp -d /tmp/oms-run.XXXXXX)
declare -A pids=()

# The processes are asked to stop; what has not after 30 seconds is killed, and makes the script fail.
stop() { # NAME …
    local name tries pid
    for name in "$@"; do
        [[ -n "${pids[$name]:-}" ]] && kill -TERM "${pids[$name]}" 2>/dev/null || true
    done
    for name in "$@"; do
        pid=${pids[$name]:-}
        [[ -n "$pid" ]] || continue
        for (( tries = 0; tries < 300; tries++ )); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -KILL "$pid" 2>/dev/null; then
            echo "oms $name did not stop within 30 seconds of SIGTERM" >&2
            unclean=1
        fi
        wait "$pid" 2>/dev/null || true
        unset "pids[$name]"
    done
}

unclean=0
finish() {
    local code=$?
    trap - EXIT
    stop "${!pids[@]}"
    if (( code || unclean )); then
        for log in "$folder"/*.log; do
            [[ -s "$log" ]] || continue
            echo "--- the end of $(basename "$log")" >&2
            { grep -v '"oms::http::access_log"' "$log" || true; } | tail -n 15 | cut -c 1-600 >&2
        done
    fi
    rm -rf "$folder"
    (( code )) || code=$unclean
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # NAME ARGUMENTS …
    local name=$1
    shift
    # Away from here, so that no `.env` says otherwise.
    ( cd "$folder" && exec "$OMS" "$@" ) >>"$folder/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
}

wait_for() { # NAME URL: until it answers 200
    local tries
    for (( tries = 0; tries < 600; tries++ )); do
        curl -fsS -o /dev/null --max-time 2 "$2" 2>/dev/null && return
        kill -0 "${pids[$1]}" 2>/dev/null || { echo "oms $1 has ended" >&2; return 1; }
        sleep 0.1
    done
    echo "oms $1 does not answer at $2" >&2
    return 1
}

read -r api_port gateway_port smtp_port mail_port < <(python3 - <<'PYTHON'
import socket
doors = [socket.socket() for _ in range(4)]
for door in doors:
    door.bind(("127.0.0.1", 0))
print(*(door.getsockname()[1] for door in doors))
PYTHON
)

random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }

export API="http://127.0.0.1:$api_port" MAIL="http://127.0.0.1:$mail_port" OMS
export SECRET_KEY OMS_WEBHOOK_SECRETS OMS_GATEWAY_API_KEY
SECRET_KEY=$(random 48) OMS_WEBHOOK_SECRETS=whsec_$(random 32) OMS_GATEWAY_API_KEY=$(random 24)
export OMS_LISTEN="127.0.0.1:$api_port" OMS_PUBLIC_URL="$API" OMS_MEDIA_URL="$folder/media"
export OMS_GATEWAY_LISTEN="127.0.0.1:$gateway_port" OMS_GATEWAY_URL="http://127.0.0.1:$gateway_port"
export OMS_GATEWAY_PUBLIC_URL="http://127.0.0.1:$gateway_port"
export MAIL_SERVER=127.0.0.1 MAIL_PORT="$smtp_port" MAIL_USERNAME="" MAIL_PASSWORD=""
# One client is all there is, and it asks a lot.
export OMS_RATE_LIMIT_CALLER=0 OMS_RATE_LIMIT_ADDRESS=0 OMS_LOGIN_GUESSES=0
export OMS_LOG_FORMAT=json OMS_DRAIN_DELAY_SECONDS=0

start_shop() { # without the mail catcher
    "$OMS" migrate >"$folder/migrate.log"
    start serve serve --no-worker
    start worker worker
    start gateway gateway
    wait_for serve "$API/readyz"
    wait_for gateway "$OMS_GATEWAY_URL/"
}

start_mailcatcher() {
    start mailcatcher mailcatcher --smtp "127.0.0.1:$smtp_port" --http "127.0.0.1:$mail_port"
    wait_for mailcatcher "$MAIL/api/messages"
}

# Every line of these logs is one JSON object with what every line has (docs/logging.md).
check_logs() { # LOG …
    jq -R -e -n 'all(inputs; fromjson | has("timestamp") and has("level") and has("target") and has("message") and has("service")
        and has("version") and has("request_id") and has("trace_id"))' "$@" >/dev/null || { echo "a log line is not as promised"; exit 1; }
}

# All four stop when they are asked to, and none has logged an error.
stop_shop() {
    stop serve worker gateway mailcatcher
    (( unclean == 0 ))
    if grep -hE '"level":"ERROR"' "$folder"/*.log; then
        echo "an error was logged"
        exit 1
    fi
    check_logs "$folder"/{serve,worker,gateway}.log
    echo "four processes stopped when they were asked to"
}
