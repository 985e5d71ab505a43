#!/usr/bin/env bash
# The life of an order, against four processes: `oms serve --no-worker`, `oms worker`, `oms gateway`, `oms mailcatcher`.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ "${1:-}" == inside ]] || exec scripts/with-postgres.sh "scripts/$(basename "$0")" inside

# shellcheck source=scripts/lib/running.sh
source scripts/lib/running.sh

start_shop
start_mailcatcher
PATIENCE_SECONDS=90 docs/order-life.sh
stop_shop
