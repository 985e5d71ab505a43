#!/usr/bin/env bash
# Everything that tests: installs what is needed, runs the scripts first and the test runner last, so that its summary is
# the last thing to be seen.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh postgres redis jq curl venv prometheus npm
[[ -z "${FIRE:-}" ]] || scripts/need.sh haproxy postgres_exporter redis_exporter

if [[ "${FIRE:-}" != only ]]; then
    scripts/deny.sh
    scripts/containers-ci.sh
    scripts/watching-ci.sh
fi
cargo build --locked --bin oms
if [[ "${FIRE:-}" != only ]]; then
    scripts/dev-check.sh
    scripts/first-order-ci.sh
    scripts/order-life-ci.sh
    scripts/standardwebhooks.sh
    scripts/schemathesis.sh
fi
if [[ -n "${FIRE:-}" ]]; then
    scripts/restore-drill-ci.sh
    scripts/watching-live.sh
    scripts/image-ci.sh
fi

# FIRE: empty leaves the slow tests out, `only` runs nothing else, `too` (the CI) runs everything.
skipped=(helper_that_holds_a_cluster worker_process)
if cargo nextest --version >/dev/null 2>&1; then
    which=(-E "not test(/$(IFS='|'; echo "${skipped[*]}")/)")
    case "${FIRE:-}" in
        only) which+=(--run-ignored only) ;;
        too) which+=(--run-ignored all) ;;
    esac
    exec cargo nextest run --locked --workspace --no-fail-fast "${which[@]}"
fi

# Without nextest: the same tests, the slow ones one by one, and a summary of all their programs at the end.
log=target/test.log
failed=0
: >"$log"
if [[ "${FIRE:-}" != only ]]; then
    cargo test --locked --workspace --no-fail-fast 2>&1 | tee -a "$log" || failed=1
fi
if [[ -n "${FIRE:-}" ]]; then
    cargo test --locked --package oms --package catalog --tests --no-fail-fast -- --ignored --test-threads 1 "${skipped[@]/#/--skip=}" 2>&1 | tee -a "$log" || failed=1
fi
grep -E '^test .* \.\.\. FAILED$' "$log" || true
awk '/^test result:/ { passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$log"
exit "$failed"
