#!/usr/bin/env bash
# Installs a build into a temporary prefix and builds the consumer against it, with CMake's
# find_package and with pkg-config. usage: run.sh BUILD_FOLDER COMPILER SANITIZERS
set -euo pipefail
build=$1 compiler=$2 flags=${3:+-fsanitize=$3}
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

cmake --install "$build" --prefix "$prefix" >/dev/null
cmake -G Ninja -S "$here" -B "$prefix/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_FLAGS="$flags" >/dev/null
cmake --build "$prefix/consumer" >/dev/null
"$prefix/consumer/consumer"

config=$(find "$prefix" -name tapegrad.pc)
PKG_CONFIG_PATH=$(dirname "$config")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086
"$compiler" -std=c++20 $flags "$here/main.cpp" -o "$prefix/by-pkg-config" \
  $(pkg-config --cflags --libs tapegrad)
"$prefix/by-pkg-config"
