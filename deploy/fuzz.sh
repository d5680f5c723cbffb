#!/bin/sh
# Any bytes into the kernel, for MINUTES minutes (default: 5): one process for each target of ranker/kernel/fuzz.
# They begin with the kept corpus and what earlier runs found; what is new is in build/fuzz/corpus.
# `deploy/fuzz.sh keep`: the smallest part of both that goes every way once becomes the kept corpus.
set -eu
cd "$(dirname "$0")/.."

if ! [ "${MINUTES:-5}" -gt 0 ] 2>/dev/null; then
    echo "MINUTES is a whole number, 1 at least: for 0 libFuzzer would never end." >&2
    exit 2
fi
deploy/kernel.sh fuzz
kept=ranker/kernel/fuzz/corpus
found=build/fuzz/corpus
pids=
trap 'kill $pids 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
for target in event batch; do
    mkdir -p $kept/$target $found/$target
    if [ "${1:-}" = keep ]; then
        mv $kept/$target $found/$target.before
        mkdir $kept/$target
        build/fuzz/targets/$target -set_cover_merge=1 -use_counters=0 -max_len=512 $kept/$target $found/$target.before $found/$target \
            >build/fuzz/$target.log 2>&1
        rm -rf "$found/$target.before"
        echo "$target: $(find $kept/$target -type f | wc -l) files are kept"
        continue
    fi
    # A target that is at one input for 10 s does not end.
    words=
    [ $target != event ] || words=-dict=ranker/kernel/fuzz/event.dict
    # shellcheck disable=SC2086  # batches have no words
    build/fuzz/targets/$target $words -max_total_time=$((${MINUTES:-5} * 60)) -timeout=10 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix=build/fuzz/$target- $found/$target $kept/$target >build/fuzz/$target.log 2>&1 &
    pids="$pids $!"
done
[ "${1:-}" != keep ] || exit 0

echo "Fuzzing for ${MINUTES:-5} minutes: event, batch"
status=0
for pid in $pids; do
    wait "$pid" || status=1
done
pids=
for target in event batch; do
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/$target.log) inputs," \
        "$(sed -n 's/^stat::new_units_added: *//p' build/fuzz/$target.log) of them went a new way"
done
if [ $status != 0 ]; then
    grep -h -E "panicked|^assertion|^  (left|right)|ERROR|Test unit written" build/fuzz/event.log build/fuzz/batch.log >&2 || true
    echo "A fault. Again with its input: build/fuzz/targets/TARGET FILE. Everything: build/fuzz/TARGET.log" >&2
fi
exit $status
