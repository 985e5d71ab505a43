#!/usr/bin/env bash
# Everything that tests: installs what is needed, runs the scripts first and the test runner last, so that its summary is
# the last thing to be seen.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh postgres redis jq curl venv

cargo build --locked --bin oms
scripts/dev-check.sh
scripts/first-order-ci.sh
scripts/order-life-ci.sh
scripts/schemathesis.sh
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --locked --workspace --no-fail-fast
fi

# Without nextest: the same tests, and a summary of all their programs at the end.
log=target/test.log
failed=0
cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log" || failed=1
grep -E '^test .* \.\.\. FAILED$' "$log" || true
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 } END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$failed"
