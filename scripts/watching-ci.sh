#!/usr/bin/env bash
# Checks what watches the shop, without running it: Prometheus' configuration, rules and their tests, runbooks, dashboards,
# and every query in them. scripts/watching-live.sh asks the queries of a running shop.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh venv prometheus npm
# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh

# Quiet unless something is wrong.
quietly() {
    local said
    said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; echo "that was: $*" >&2; exit 1; }
}

quietly promtool check config grafana/prometheus.yml
quietly promtool check rules --lint=all --lint-fatal grafana/rules/*.yml
"$venv/bin/python" grafana/dashboards.py --check
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$venv/bin/python" scripts/lib/watching.py "$folder/promql.yml" "$folder/logql.json"
quietly promtool check rules --lint=none "$folder/promql.yml"

# The grammar is kept in target/logql; installed again when its version has changed.
if ! cmp -s scripts/logql/package-lock.json target/logql/installed; then
    echo "installing the grammar of LogQL from npm into target/logql …" >&2
    rm -rf target/logql
    mkdir -p target/logql
    cp scripts/logql/package*.json target/logql/
    (cd target/logql && npm ci --no-audit --no-fund --loglevel=error >&2)
    cp scripts/logql/package-lock.json target/logql/installed
fi
cp scripts/logql/parse.mjs target/logql/
node target/logql/parse.mjs "$folder/logql.json"

quietly promtool test rules grafana/rules/tests/*.yml
echo "alerts and recorded series do what their tests say"
