#!/usr/bin/env bash
# Where the server's processor time goes while 64 connections place orders: a flame graph in target/flame.svg. Needs perf and the right to
# use it (kernel.perf_event_paranoid, or root); the drawing is done by inferno, which is installed under target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v perf >/dev/null || { echo "Needed and not found: perf (Debian: linux-perf)" >&2; exit 1; }
scripts/need.sh postgres
if [[ ! -x target/tools/bin/inferno-flamegraph ]]; then
    cargo install --quiet inferno --locked --root target/tools
fi

# With frame pointers and symbols, and beside the usual build, so that neither has to be made again for the other.
RUSTFLAGS="-C force-frame-pointers=yes" CARGO_PROFILE_BENCH_DEBUG=line-tables-only CARGO_PROFILE_BENCH_STRIP=none \
    OMS_BENCH_PERF="$PWD/target/flame.data" cargo bench --locked --quiet --target-dir target/flame --bench orders -- flame

perf script -i target/flame.data 2>/dev/null | target/tools/bin/inferno-collapse-perf >target/flame.folded
target/tools/bin/inferno-flamegraph --title "oms serve, 64 connections placing orders" <target/flame.folded >target/flame.svg
echo "target/flame.svg"
