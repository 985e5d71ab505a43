#!/usr/bin/env bash
# Breaks the program on purpose, one bug at a time, and expects the chaos run to notice: mutants.sh [NAME …]
# Every tests/it/fire/mutants/*.patch is applied to a copy of HEAD and built there; the chaos of this checkout runs against that build.
# SECONDS_EACH (90) is how long each run may take to notice, SEED which run it is.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh postgres redis
root=$PWD
work=$root/target/mutants
tree=$work/tree
test=fire::chaos::the_chaos_run_loses_nothing_and_doubles_nothing

names=("$@")
if (( ${#names[@]} == 0 )); then
    for patch in tests/it/fire/mutants/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

# The tests themselves are not broken: they are built once, here.
cargo test --locked --no-run --test it
mkdir -p "$work"
if [[ ! -d $tree ]]; then git worktree add --quiet --detach "$tree" HEAD; fi
git -C "$tree" checkout --quiet --detach HEAD
git -C "$tree" reset --quiet --hard "$(git rev-parse HEAD)"
# What is compiled already need not be compiled again.
if [[ ! -d $work/target/debug/deps ]]; then
    mkdir -p "$work/target/debug"
    cp -a target/debug/build target/debug/.fingerprint "$work/target/debug/"
    mkdir "$work/target/debug/deps"
    find target/debug/deps -maxdepth 1 -type f ! -perm -u+x -exec cp -a -t "$work/target/debug/deps" {} +
fi

missed=0
for name in "${names[@]}"; do
    git -C "$tree" reset --quiet --hard
    git -C "$tree" apply "$root/tests/it/fire/mutants/$name.patch"
    CARGO_TARGET_DIR=$work/target cargo build --locked --quiet --bin oms --manifest-path "$tree/Cargo.toml"
    log=$work/$name.log
    # A patch may say which faults bring its bug to light.
    faults=$(sed -n 's/^faults: //p' "tests/it/fire/mutants/$name.patch")
    if OMS_TEST_PROGRAM=$work/target/debug/oms CHAOS_SEED=${SEED:-1} CHAOS_FAULTS=$faults CHAOS_SECONDS=${SECONDS_EACH:-90} \
        cargo test --locked --quiet --test it -- --ignored --nocapture --exact "$test" >"$log" 2>&1; then
        echo "$name: NOT noticed (log in $log)"
        missed=$((missed + 1))
    elif grep -m 1 'VIOLATION' "$log" >"$log.first"; then
        echo "$name: $(cut -c 1-200 "$log.first")"
    else
        echo "$name: the run failed without a finding (log in $log)"
        missed=$((missed + 1))
    fi
done
git -C "$tree" reset --quiet --hard
exit "$(( missed > 0 ))"
