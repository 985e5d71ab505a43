#!/usr/bin/env bash
# Runs a command with an empty PostgreSQL of its own, which is gone afterwards: with-postgres.sh COMMAND …
# The command finds it in DATABASE_URL.
set -euo pipefail

bin=${OMS_PG_BIN:-$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)}
[[ -n "$bin" ]] || bin=$(pg_config --bindir)
dir=$(mktemp -d /tmp/oms-pg.XXXXXX)
run=()
if (( EUID == 0 )); then
    # PostgreSQL refuses to run as root.
    run=(setpriv --reuid=postgres --regid=postgres --clear-groups env -C / HOME="$dir")
    chown postgres:postgres "$dir"
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${run[@]}" "$bin/initdb" -D "$dir/data" -U oms -A trust -E UTF8 --locale=C.UTF-8 -N >"$dir/log" 2>&1
"${run[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off" start >>"$dir/log" 2>&1
trap '"${run[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
export DATABASE_URL="postgres://oms@127.0.0.1:$port/postgres"
"$@"
