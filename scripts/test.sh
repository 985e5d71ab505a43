#!/usr/bin/env bash
# Everything that tests: installs what is needed, runs the scripts first and the test runner last, so that its summary is
# the last thing to be seen.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh postgres redis jq curl venv

venv=target/venv
if ! cmp -s scripts/requirements.txt "$venv/requirements.txt"; then
    echo "installing schemathesis into $venv …" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input -r scripts/requirements.txt
    cp scripts/requirements.txt "$venv/requirements.txt"
fi
export PATH="$PWD/$venv/bin:$PATH"

cargo build --locked --bin oms
if [[ -x scripts/test-extra.sh ]]; then
    scripts/test-extra.sh
fi
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --locked --workspace --no-fail-fast
fi
exec cargo test --locked --workspace --no-fail-fast
