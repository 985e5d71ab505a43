#!/usr/bin/env bash
# I-14: what the Dockerfile describes is built and started without an engine. Its builder's steps run in a directory that holds the build
# context and nothing else; its result starts as its user, in a root that holds the program and the libraries of its base, read-only, with
# no capabilities and no shell; its health check turns green in there. Prints size, start-up and memory.
#
# The caches of the builder stay in target/image/cache, so only the first run compiles everything (minutes).
# IMAGE_BINARY=path takes that program instead of building one: for working on this script.
# Limits: SIZE_LIMIT in MB, START_LIMIT in ms from exec to a green health check.
set -euo pipefail
cd "$(dirname "$0")/.."

SIZE_LIMIT=${SIZE_LIMIT:-60}
START_LIMIT=${START_LIMIT:-3000}
work=$PWD/target/image

if [[ "${1:-}" != inside ]]; then
    scripts/need.sh postgres curl
    mkdir -p "$work"
    began=$SECONDS
    PYTHONDONTWRITEBYTECODE=1 python3 scripts/lib/image.py "$work"
    [[ -n "${IMAGE_BINARY:-}" ]] || echo "built in $((SECONDS - began)) s"
    # Mounts of our own, gone with the last process that sees them.
    namespace=(unshare --mount)
    (( EUID == 0 )) || namespace+=(--user --map-root-user)
    exec scripts/with-postgres.sh "${namespace[@]}" "scripts/$(basename "$0")" inside
fi

# What the runtime stage says, as scripts/lib/image.py has read it.
uid="" gid="" program="" environment=() start=() entrypoint=() healthcheck=() volumes=()
# shellcheck source=/dev/null
source "$work/run.sh"
root=$work/root
media=$work/media
keys=$work/keys
logs=$work/logs
rm -rf "$media" "$keys" "$logs"
mkdir -p "$media" "$keys" "$logs" "$root/run/oms"
# Root of the machine, or an ordinary user who is root of this namespace only.
real=$(awk '$1 == 0 { print ($2 == 0) }' /proc/self/uid_map)
as_root_of_group=()
if (( real )); then
    as_root_of_group=(setpriv --regid="$gid" --clear-groups --inh-caps=-all --bounding-set=-all)
fi
pids=()

finish() {
    local code=$? pid log
    trap - EXIT
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    if (( code )); then
        for log in "$logs"/*; do [[ ! -s "$log" ]] || { echo "--- $(basename "$log")"; tail -n 20 "$log" | cut -c 1-600; } >&2; done
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
broken() { echo "broken: $1" >&2; exit 1; }
now() { echo $(( $(date +%s%N) / 1000000 )); }

# What an engine does: the root read-only, its volumes over it, /proc and /dev from the machine.
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
for volume in "${volumes[@]}"; do
    [[ -d "$root$volume" ]] || broken "the image has no $volume to take the owner from"
    # A new volume begins with the owner that its place in the image has.
    if (( real )); then chown --reference="$root$volume" "$media"; fi
    mount --bind "$media" "$root$volume"
done
# The secrets come as they do in docker-compose.yml: in a file of the working directory, made by root without any capability.
${as_root_of_group[@]+"${as_root_of_group[@]}"} docker/keys.sh "$keys"
sed -i "s|^DATABASE_URL=.*|DATABASE_URL=$DATABASE_URL|" "$keys/.env"
mount --bind "$keys" "$root/run/oms"
mount -o remount,bind,ro "$root/run/oms"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"

# The addresses are those of the image but for the ports, which may be taken here.
read -r api metrics gateway < <(python3 - <<'PYTHON'
import socket
doors = [socket.socket() for _ in range(3)]
for door in doors:
    door.bind(("127.0.0.1", 0))
print(*(door.getsockname()[1] for door in doors))
PYTHON
)
environment+=("OMS_DRAIN_DELAY_SECONDS=0")
for at in "${!environment[@]}"; do
    case "${environment[at]}" in
        OMS_LISTEN=*:8000) environment[at]="OMS_LISTEN=0.0.0.0:$api" ;;
        OMS_METRICS_LISTEN=*:9464) environment[at]="OMS_METRICS_LISTEN=0.0.0.0:$metrics" ;;
        OMS_GATEWAY_LISTEN=*:8100) environment[at]="OMS_GATEWAY_LISTEN=0.0.0.0:$gateway" ;;
        OMS_*LISTEN=*) broken "${environment[at]}: not the port that docker-compose.yml publishes" ;;
    esac
done

become=(--setuid="$uid" --setgid="$gid")
(( real )) || become=(--user --map-user="$uid" --map-group="$gid")
# in_image COMMAND …: becomes that command in the image's root, as its user, with nothing in its environment but what is said above, and
# nothing that it could gain.
in_image() {
    exec env -i "${environment[@]}" /usr/bin/setpriv --no-new-privs /usr/bin/unshare "${become[@]}" --root="$root" --wd=/run/oms "$@"
}

# start NAME URL HEALTHCHECK -- COMMAND …: starts it and waits until it answers and its health check is green; leaves pid.
start() {
    local name=$1 url=$2 began answers green check
    shift 2
    read -ra check <<<"$1"
    shift 2
    began=$(now)
    ( in_image "$@" ) >"$logs/$name" 2>&1 </dev/null &
    pid=$!
    pids+=("$pid")
    until curl -fsS -o /dev/null --max-time 1 "$url" 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || broken "$name has ended"
        (( $(now) - began < 30000 )) || broken "$name does not answer at $url"
        sleep 0.005
    done
    answers=$(( $(now) - began ))
    until ( in_image "${check[@]}" ) >"$logs/$name.healthcheck" 2>&1; do
        kill -0 "$pid" 2>/dev/null || broken "$name has ended"
        (( $(now) - began < 30000 )) || { cat "$logs/$name.healthcheck" >&2; broken "the health check of $name never turns green"; }
        sleep 0.005
    done
    green=$(( $(now) - began ))
    echo "$name: answers after $answers ms, health check green after $green ms, $(awk '/^VmRSS/ { printf "%.0f MB", $2 / 1024 }' "/proc/$pid/status") of memory"
    (( green <= START_LIMIT )) || broken "$name took $green ms until its health check was green; it should be $START_LIMIT ms at most"
    awk -v uid="$uid" -v gid="$gid" -v real="$real" '
        /^Uid:/ { if (real && !($2 == uid && $3 == uid && $4 == uid)) wrong = wrong " uid " $2 }
        /^Gid:/ { if (real && !($2 == gid && $3 == gid && $4 == gid)) wrong = wrong " gid " $2 }
        /^Groups:/ { if (real && NF > 1) wrong = wrong " groups" }
        /^CapEff:/ { if (real && $2 !~ /^0+$/) wrong = wrong " capabilities " $2 }
        /^NoNewPrivs:/ { if ($2 != 1) wrong = wrong " may gain privileges" }
        END { if (wrong) { print "wrong:" wrong; exit 1 } }' "/proc/$pid/status" || broken "$name does not run as the Dockerfile says"
}

stop() { # NAME
    local began
    began=$(now)
    kill -TERM "$pid"
    wait "$pid" || broken "$1 ended with $? after SIGTERM"
    echo "$1: stopped $(( $(now) - began )) ms after SIGTERM"
}

( in_image "${entrypoint[@]}" migrate ) >"$logs/migrate" 2>&1 || broken "oms migrate failed in the image"

start web "http://127.0.0.1:$api/healthz" "${healthcheck[*]}" -- "${start[@]}"

# The root is read-only: not even root can write to it.
for place in / /usr/local/bin /etc /tmp; do
    if said=$( { : >"/proc/$pid/root$place/proof"; } 2>&1 ); then
        broken "$place can be written to"
    fi
    [[ "$said" == *"Read-only file system"* ]] || broken "$place: $said"
done
( in_image "${entrypoint[@]}" doctor ) >"$logs/doctor" 2>&1 || true
grep -qE 'pictures .*can be written' "$logs/doctor" || broken "${volumes[0]} cannot be written to: $(grep pictures "$logs/doctor")"
shells=$(find "$root" -xdev \( -name sh -o -name '*bash' -o -name dash -o -name busybox \) -print)
[[ -z "$shells" ]] || broken "there is a shell: $shells"
echo "the root is read-only, the user is $uid:$gid without capabilities, and there is no shell"
stop web
if ( in_image "${healthcheck[@]}" ) >"$logs/healthcheck" 2>&1; then
    broken "the health check is green although nothing runs"
fi

start worker "http://127.0.0.1:$metrics/healthz" "${entrypoint[*]} healthcheck --worker" -- "${entrypoint[@]}" worker
stop worker
start gateway "http://127.0.0.1:$gateway/" "${entrypoint[*]} healthcheck --url http://127.0.0.1:$gateway/" -- "${entrypoint[@]}" gateway
stop gateway

began=$(now)
( in_image "${entrypoint[@]}" seed --yes ) >"$logs/seed" 2>&1 || broken "the demo shop cannot be filled"
echo "seed: $(grep -E '^[0-9]+ people' "$logs/seed") in $(( $(now) - began )) ms, $(find "$media" -type f | wc -l) files of media"

if grep -hE '"level":"ERROR"' "$logs"/*; then broken "an error was logged"; fi
size=$(stat -c %s "$program")
echo "the program has $(( size / 1000000 )).$(( size % 1000000 / 100000 )) MB; with the libraries, time zones and certificates that it finds in its base: $(du -sxm --apparent-size "$root" | cut -f 1) MB"
(( size <= SIZE_LIMIT * 1000000 )) || broken "the program should have $SIZE_LIMIT MB at most"
version=$("$program" --version)
echo "$version"
[[ -n "${IMAGE_BINARY:-}" || "$version" == *"($(git rev-parse HEAD))" ]] || broken "the program does not say what it was built from"
