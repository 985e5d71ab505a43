#!/usr/bin/env bash
# W-01: webhook signatures of `oms` against the public library standardwebhooks, in both directions, 1,000 random payloads each.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-}" == inside ]] || exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside

scripts/need.sh venv
# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh

# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh
export OMS_LOG="warn"

"$OMS" migrate >"$folder/migrate.log"
start serve serve --no-worker
start gateway gateway
wait_for serve "$API/readyz"
wait_for gateway "$OMS_GATEWAY_URL/"
"$venv/bin/python" scripts/webhook_signatures.py
stop gateway serve
(( unclean == 0 ))
