#!/usr/bin/env bash
# What the tests use from PyPI, in target/venv.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=$PWD/target/venv
if ! cmp -s scripts/requirements.txt "$venv/requirements.txt"; then
    echo "installing schemathesis and standardwebhooks into target/venv …" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input -r scripts/requirements.txt
    cp scripts/requirements.txt "$venv/requirements.txt"
fi
