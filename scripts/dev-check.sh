#!/usr/bin/env bash
# What `oms dev` promises to a newcomer: ready without questions, as root and as an ordinary user; the data is kept; Ctrl-C
# and kill -9 leave nothing running; it starts again after either. Prints how long it took to be ready.
#
# As root it makes an ordinary user for itself and removes it afterwards. Limits in seconds: COLD_LIMIT and WARM_LIMIT.
set -euo pipefail
cd "$(dirname "$0")/.."

OMS=${OMS:-$PWD/target/debug/oms}
COLD_LIMIT=${COLD_LIMIT:-10}
WARM_LIMIT=${WARM_LIMIT:-2}
repository=$PWD

folder=$(mktemp -d /tmp/oms-dev-check.XXXXXX)
chmod 755 "$folder"
cp "$OMS" "$folder/oms"
chmod 755 "$folder/oms"
user=""
pid=""
family=()

descendants() { # PID: it and everything below it
    ps -eo pid=,ppid= | awk -v root="$1" '
        { parent[$1] = $2 }
        END { for (p in parent) { q = p; while (q in parent && q != root) q = parent[q]; if (q == root) print p } }'
}

alive() { # PID …: those that still run
    local one
    for one in "$@"; do
        [[ -e "/proc/$one" ]] && ! grep -q '^State:[[:space:]]*Z' "/proc/$one/status" 2>/dev/null && echo "$one"
    done
    true
}

finish() {
    local code=$? left
    trap - EXIT
    if [[ -n "$pid" ]]; then
        mapfile -t family < <(descendants "$pid"; printf '%s\n' "${family[@]}")
        kill -TERM "$pid" 2>/dev/null || true
        for (( tries = 0; tries < 100; tries++ )); do
            [[ -z "$(alive "$pid")" ]] && break
            sleep 0.1
        done
        # shellcheck disable=SC2046
        left=$(alive "${family[@]}") && [[ -n "$left" ]] && kill -KILL $left 2>/dev/null
    fi
    if (( code )) && [[ -s "$folder/log" ]]; then
        echo "--- what oms dev said last" >&2
        tail -n 40 "$folder/log" >&2
    fi
    [[ -z "$user" ]] || userdel "$user" >/dev/null 2>&1 || true
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

broken() { echo "broken: $1" >&2; exit 1; }

# as NAME COMMAND …: with nothing in the environment but what a login would give.
as() {
    local name=$1
    shift
    if [[ "$name" == "$(id -un)" ]]; then
        exec env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 "$@"
    fi
    exec setpriv --reuid="$name" --regid="$name" --clear-groups \
        env -i HOME="$home" USER="$name" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 "$@"
}

# Starts `oms dev` in a process group of its own, as a terminal does, and waits until it is ready; leaves pid, family and took.
begin() {
    : >"$folder/log"
    set -m
    ( cd "$home" && as "$name" "$folder/oms" dev --data-dir "$data" ) >"$folder/log" 2>&1 </dev/null &
    pid=$!
    set +m
    local tries
    for (( tries = 0; tries < 1200; tries++ )); do
        took=$(sed -n 's/^ready in \([0-9.]*\) s$/\1/p' "$folder/log")
        [[ -n "$took" ]] && break
        [[ -n "$(alive "$pid")" ]] || broken "oms dev ended before it was ready"
        sleep 0.05
    done
    [[ -n "$took" ]] || broken "oms dev was not ready within a minute"
    mapfile -t family < <(descendants "$pid")
    (( ${#family[@]} > 3 )) || broken "there is no PostgreSQL below oms dev"
    API=$(jq -r .api "$data/running.json")
    MAIL=$(jq -r .mail "$data/running.json")
}

gone() { # HOW: nothing may be left after ten seconds
    local tries left=""
    for (( tries = 0; tries < 100; tries++ )); do
        left=$(alive "${family[@]}")
        [[ -z "$left" ]] && break
        sleep 0.1
    done
    wait "$pid" 2>/dev/null || true
    [[ -z "$left" ]] || { ps -o pid,args -p "$(tr '\n' ',' <<<"${left//$'\n'/,}" | sed 's/,$//')"; broken "still running ten seconds after $1"; }
    pid="" family=()
    say "$1: nothing is left running"
}

say() { printf '%-10s %s\n' "$name" "$*"; }
not_above() { awk -v took="$1" -v limit="$2" 'BEGIN { exit !(took <= limit) }' || broken "ready after $1 s; it should be $2 s at most"; }

register() { # STATUS
    local status
    status=$(curl -sS -o /dev/null -w '%{http_code}' --max-time 20 -H 'Content-Type: application/json' \
        -d '{"username": "keeper", "email": "keeper@example.com", "password": "kept from start to start"}' "$API/v1/auth/register")
    [[ "$status" == "$1" ]] || broken "registering answered $status instead of $1"
}

check() {
    begin
    say "first start: ready in $took s"
    not_above "$took" "$COLD_LIMIT"
    register 201
    if ( cd "$home" && as "$name" "$folder/oms" dev --data-dir "$data" ) >"$folder/second.log" 2>&1 </dev/null; then
        broken "a second oms dev on the same data did not mind the first"
    fi
    grep -q 'already running' "$folder/second.log" || { cat "$folder/second.log"; broken "a second oms dev does not say why it ends"; }
    say "another one at the same time says that this one is running"
    kill -INT -- "-$pid"
    gone "Ctrl-C"

    begin
    say "second start: ready in $took s"
    not_above "$took" "$WARM_LIMIT"
    register 409
    say "the data is still there"
    if [[ "$name" == "$(id -un)" ]]; then
        API=$API MAIL=$MAIL OMS_DATA_DIR=$data OMS=$folder/oms "$repository/docs/first-order.sh" >"$folder/first-order.log" \
            || { cat "$folder/first-order.log"; broken "the first order did not go well"; }
        say "the first order went well"
    fi
    # The shell would tell of it, too.
    { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
    gone "kill -9"

    begin
    say "third start: ready in $took s"
    register 409
    kill -INT -- "-$pid"
    gone "Ctrl-C"
}

if (( EUID == 0 )); then
    name=root home=$folder data=$folder/root
    check
    user="oms-check-$$"
    home=$folder/home
    useradd --no-create-home --home-dir "$home" --shell /bin/sh "$user"
    mkdir "$home"
    chown "$user:$user" "$home"
    name=$user data=$home/.local/share/oms
    check
else
    name=$(id -un) home=$folder data=$folder/data
    check
fi
echo "oms dev keeps its promises"
