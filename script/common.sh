# shellcheck shell=bash
# What the scripts share; they begin by sourcing it, which leads to the root of the repository.
# get-cifar10 does without: it works alone.
script=$(basename "$0")
caller=$PWD # where relative paths are meant from
# shellcheck disable=SC2034  # for the scripts
readonly script caller
for folder in CIFAR10_DIR TAPEGRAD_GOLDEN_DIR TAPEGRAD_TEST_CIFAR10; do
  [ -z "${!folder:-}" ] || declare "$folder=$(realpath -m "${!folder}")"
done
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

help() { # prints the comment that the script begins with
  awk 'NR > 1 { if (!sub(/^# ?/, "")) exit; print }' "script/$script"
}

usage_error() {
  echo "script/$script: $*; script/$script --help says more" >&2
  exit 2
}

build() { # PRESET [TARGET...]: quietly, all of them when none is named
  local preset=$1 log=build/$1/build.log targets=()
  shift
  [ $# -eq 0 ] || targets=(--target "$@")
  mkdir -p "build/$preset"
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "script/$script: the build failed; all of its output is in $log" >&2
    exit 1
  fi
}

find_cifar10() { # $CIFAR10_DIR, else the repository's own, else none
  if [ -z "${CIFAR10_DIR:-}" ] && [ -d data/cifar-10-batches-bin ]; then
    export CIFAR10_DIR=$PWD/data/cifar-10-batches-bin
  fi
}
