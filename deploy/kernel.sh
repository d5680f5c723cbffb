#!/bin/sh
# Builds the fold's kernel with cargo and puts it where Python finds it. A second call finds it up to date: 0.2 s.
# `deploy/kernel.sh test`: without cargo the tests go on with the plain fold, except with CI=true.
# `deploy/kernel.sh metadata`: builds nothing, prints what cargo knows of the crates.
# `deploy/kernel.sh fuzz`: builds the targets of deploy/fuzz.sh instead.
set -eu
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null 2>&1; then
    if [ "${1:-}" = test ] && [ "${CI:-}" != true ]; then
        echo "Without cargo the kernel is not built: its tests are skipped, everything else runs with the plain fold."
        exit 0
    fi
    echo "The kernel needs cargo, version $(sed -n 's/^rust-version = "\(.*\)"/\1/p' ranker/kernel/Cargo.toml) or newer:" \
        "install Rust (rustup), and run this again." >&2
    exit 1
fi

# Versions and checksums of all crates are in crates.lock. Where cargo gets them from is its own affair: that name is
# taken from a lock file that cargo has just made.
crate=ranker/kernel
[ "${1:-}" != fuzz ] || crate=ranker/kernel/fuzz
lock=$crate/Cargo.lock
pins=$crate/crates.lock
if [ ! -f $lock ] || [ $pins -nt $lock ]; then
    rm -f $lock
    cargo generate-lockfile --quiet --manifest-path $crate/Cargo.toml
    source=$(sed -n 's/^source = "\(registry.*\)"/\1/p' $lock | head -n 1)
    sed "s|^source = \"crates\"|source = \"$source\"|" $pins >$lock.made
    mv $lock.made $lock
fi

if [ "${1:-}" = metadata ]; then
    exec cargo metadata --quiet --locked --format-version 1 --manifest-path ranker/kernel/Cargo.toml
fi

if [ "${1:-}" = fuzz ]; then
    # What libFuzzer is told of the way through the code, by a pass that every LLVM has: no sanitizer, so stable Rust does.
    coverage="-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
    target=$(rustc -vV | sed -n 's/^host: //p') # named, or macros and build scripts would be built so too
    export RUSTFLAGS="-Cpasses=sancov-module $coverage --cfg fuzzing" PYO3_BUILD_EXTENSION_MODULE=1 PYO3_NO_PYTHON=1
    cargo build --quiet --release --locked --target "$target" --manifest-path $crate/Cargo.toml --target-dir build/fuzz
    mkdir -p build/fuzz/targets
    for one in event batch; do
        cp "build/fuzz/$target/release/$one" build/fuzz/targets/
    done
    exit
fi

# The same bytes wherever it is built, and for every Python: no path of this machine is in it, it needs no libpython, and
# which Python is on the PATH makes no difference.
cargo fetch --quiet --locked --manifest-path ranker/kernel/Cargo.toml
separator=$(printf '\037')
flags=
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags="$flags--remap-path-prefix=$registry=/crates$separator"
done
if [ "$(uname)" = Darwin ]; then
    flags="$flags-Clink-arg=-undefined${separator}-Clink-arg=dynamic_lookup$separator"
fi
export CARGO_ENCODED_RUSTFLAGS="${flags%"$separator"}" PYO3_BUILD_EXTENSION_MODULE=1 PYO3_NO_PYTHON=1
cargo build --quiet --release --locked --manifest-path ranker/kernel/Cargo.toml --target-dir build/kernel
for built in build/kernel/release/lib_kernel.so build/kernel/release/lib_kernel.dylib; do
    if [ -f $built ] && ! cmp -s $built ranker/kernel/_kernel.abi3.so; then
        cp $built ranker/kernel/_kernel.abi3.so.new
        mv ranker/kernel/_kernel.abi3.so.new ranker/kernel/_kernel.abi3.so # not written under a process that runs it
    fi
done
