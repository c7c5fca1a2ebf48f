#!/bin/sh
# Which lines of src/store/ the simulation runs, and how many. Needs the component llvm-tools of rustup.
set -eu
cd "$(dirname "$0")/../.."
tools=$(rustc --print target-libdir)/../bin
[ -x "$tools/llvm-cov" ] || { echo "add the tools first: rustup component add llvm-tools" >&2; exit 1; }
out=target/coverage
rm -rf "$out/profile"
mkdir -p "$out/profile"
# Build scripts are instrumented too.
export LLVM_PROFILE_FILE="$PWD/$out/build/%p.profraw"
RUSTFLAGS="-C instrument-coverage" cargo test --release --target-dir "$out" --test simulation --no-run
binary=$(ls -t "$out"/release/deps/simulation-* | grep -v '\.d$' | head -1)
LLVM_PROFILE_FILE="$PWD/$out/profile/%p.profraw" PYQUEUE_SEEDS="${PYQUEUE_SEEDS:-300}" "$binary" every_promise
"$tools/llvm-profdata" merge -sparse "$out"/profile/*.profraw -o "$out/simulation.profdata"
"$tools/llvm-cov" report "$binary" --instr-profile="$out/simulation.profdata" src/store/*.rs |
    awk 'NR > 2 && NF > 9 { printf "%-24s %6s of %6s lines\n", $1, $8 - $9, $8; all[$1] = $10 } END { print "in all: " all["TOTAL"] }'
