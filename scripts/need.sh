#!/usr/bin/env bash
# Makes sure that programs are there: need.sh postgres redis jq curl venv npm haproxy prometheus postgres_exporter redis_exporter
# Installs Debian packages when it may (root, or sudo without a password); otherwise prints the line to type.
set -euo pipefail

has_postgres() {
    [[ -n "${OMS_PG_BIN:-}" && -x "${OMS_PG_BIN}/postgres" ]] && return
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return
    command -v pg_config >/dev/null && [[ -x "$(pg_config --bindir)/postgres" ]] && return
    compgen -G '/opt/homebrew/opt/postgresql@*/bin/postgres' >/dev/null && return
    compgen -G '/usr/local/opt/postgresql@*/bin/postgres' >/dev/null && return
    command -v postgres >/dev/null
}
has_redis() { command -v redis-server >/dev/null; }
has_jq() { command -v jq >/dev/null; }
has_haproxy() { command -v haproxy >/dev/null || [[ -x /usr/sbin/haproxy ]]; }
has_npm() { command -v npm >/dev/null; }
has_prometheus() { command -v promtool >/dev/null; }
has_postgres_exporter() { command -v prometheus-postgres-exporter >/dev/null; }
has_redis_exporter() { command -v prometheus-redis-exporter >/dev/null; }
has_curl() { command -v curl >/dev/null; }
has_venv() { command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; }

package() {
    case "$1" in
        postgres) echo postgresql ;;
        redis) echo redis-server ;;
        postgres_exporter) echo prometheus-postgres-exporter ;;
        redis_exporter) echo prometheus-redis-exporter ;;
        venv) echo python3-venv ;;
        *) echo "$1" ;;
    esac
}

missing=()
for program in "$@"; do
    "has_$program" || missing+=("$(package "$program")")
done
(( ${#missing[@]} )) || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Needed and not found: ${missing[*]}. Install them (macOS: brew install postgresql@15 redis jq), then try again." >&2
    exit 1
fi
as_root=()
if (( EUID != 0 )); then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        echo "Needed and not found: ${missing[*]}. Type this, then try again:" >&2
        echo "    sudo apt-get install -y ${missing[*]}" >&2
        exit 1
    fi
fi
echo "installing ${missing[*]} …" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null; }
# Package lists that are missing or old make the first try fail.
if ! install; then
    ${as_root[@]+"${as_root[@]}"} apt-get update >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
    install || { cat "$log" >&2; exit 1; }
fi
