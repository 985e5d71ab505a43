#!/usr/bin/env bash
# Dashboards and alerts against the real thing: Prometheus with the shipped configuration and rules, the exporters, and `oms` in four
# processes under a mixed load. Every query of a panel, and everything an alert looks at, has to return a series: first while
# all is well, then once more after everything has gone wrong that some of them wait for.
#
#     SECONDS_CALM=60 SECONDS_TROUBLED=45 scripts/watching-live.sh
#     KEEP=FILE   also keeps what Prometheus has seen, for scripts/load-picture.py
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ "${1:-}" != inside ]]; then
    scripts/need.sh postgres redis curl venv prometheus postgres_exporter redis_exporter
    exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside
fi

# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh
# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
SECONDS_CALM=${SECONDS_CALM:-60} SECONDS_TROUBLED=${SECONDS_TROUBLED:-45}

read -r redis_port prometheus_port web_port worker_port postgres_exporter_port redis_exporter_port < <(python3 - <<'PYTHON'
import socket
doors = [socket.socket() for _ in range(6)]
for door in doors:
    door.bind(("127.0.0.1", 0))
print(*(door.getsockname()[1] for door in doors))
PYTHON
)
export WEB=127.0.0.1:$web_port WORKER=127.0.0.1:$worker_port
export POSTGRES=127.0.0.1:$postgres_exporter_port REDIS=127.0.0.1:$redis_exporter_port
export PROMETHEUS_ADDRESS=127.0.0.1:$prometheus_port PROMETHEUS=http://127.0.0.1:$prometheus_port
export REDIS_URL=redis://127.0.0.1:$redis_port
# Few connections, limits as they are shipped, and a worker that is missed soon.
export OMS_DB_POOL=4 OMS_RATE_LIMIT_CALLER=600 OMS_LOGIN_GUESSES=5 OMS_JOB_LEASE_SECONDS=5 OMS_RECONCILE_SECONDS=5

run() { # NAME PROGRAM …: what is not oms
    local name=$1
    shift
    ( cd "$folder" && exec "$@" ) >>"$folder/$name.log" 2>&1 </dev/null &
    pids[$name]=$!
}
start_redis() { run redis redis-server --port "$redis_port" --bind 127.0.0.1 --save "" --maxmemory 64mb --maxmemory-policy volatile-lru; }
start_worker() { OMS_METRICS_LISTEN=$WORKER start worker worker; }
python() { "$venv/bin/python" "scripts/lib/$1" "${@:2}"; }

start_redis
"$OMS" migrate >"$folder/migrate.log"
OMS_METRICS_LISTEN=$WEB start serve serve --no-worker
start_worker
start gateway gateway
wait_for serve "$API/readyz"
wait_for gateway "$OMS_GATEWAY_URL/"
start_mailcatcher
"$OMS" seed --yes >"$folder/seed.log" 2>&1 || { cat "$folder/seed.log"; exit 1; }

python watching_live.py configure "$folder"
promtool check config "$folder/prometheus.yml" >"$folder/config.log"
DATA_SOURCE_NAME="$DATABASE_URL?sslmode=disable" run postgres-exporter prometheus-postgres-exporter --web.listen-address="$POSTGRES"
run redis-exporter prometheus-redis-exporter -redis.addr "$REDIS_URL" -web.listen-address "$REDIS"
run prometheus prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" --web.listen-address="$PROMETHEUS_ADDRESS" --log.level=warn
wait_for prometheus "$PROMETHEUS/-/ready"

marks=$folder/marks
mark() { echo "$(date +%s) $*" >>"$marks"; echo "== $*"; }
mark "all is well"
"$venv/bin/python" scripts/lib/mixed_load.py load $((SECONDS_CALM + SECONDS_TROUBLED)) >"$folder/load.txt" &
pids[load]=$!
sleep "$SECONDS_CALM"
python watching_live.py ask calm

for place in "$WEB" "$WORKER"; do
    curl -fsS "http://$place/metrics" >"$folder/metrics.txt"
    promtool check metrics <"$folder/metrics.txt"
    count=$(grep -vc '^#' "$folder/metrics.txt")
    echo "$count series of http://$place/metrics; 5000 are allowed"
    (( count <= 5000 ))
done

# The worker first: what it has counted ends with it.
mark "the worker is killed, somebody holds the tables"
kill -KILL "${pids[worker]}"
wait "${pids[worker]}" 2>/dev/null || true
psql -q "$DATABASE_URL" -c 'BEGIN; LOCK TABLE catalog.products, orders.orders; SELECT pg_sleep(6); COMMIT' >"$folder/holding.txt"
start_worker
mark "strangers at the doors, the gateway errs"
python mixed_load.py trouble $((SECONDS_TROUBLED / 4))
mark "no mail server, no gateway, no Redis"
stop mailcatcher gateway redis
sleep $((SECONDS_TROUBLED / 4))
start_redis
start gateway gateway
start_mailcatcher
mark "over"
wait "${pids[load]}"
unset "pids[load]"
mark "the load has ended"
cat "$folder/load.txt"
# Until the last scrapes and evaluations are through.
sleep 6
python watching_live.py ask troubled
[[ -z "${KEEP:-}" ]] || python watching_live.py keep "$KEEP" "$marks"

for (( tries = 0; tries < 30; tries++ )); do
    "$OMS" audit >"$folder/audit.txt" 2>&1 && break
    sleep 2
done
tail -n 1 "$folder/audit.txt"
(( tries < 30 )) || { cat "$folder/audit.txt"; exit 1; }
stop prometheus serve worker gateway mailcatcher redis postgres-exporter redis-exporter
(( unclean == 0 ))
