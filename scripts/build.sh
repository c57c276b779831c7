#!/usr/bin/env bash
# Builds weir into build/<kind>/weir, and its tests; with targets, these alone.
#   scripts/build.sh debug|release|asan|tsan|fuzz [target]...
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-debug}
options=(-G Ninja)
case "$kind" in
  debug) options+=(-DCMAKE_BUILD_TYPE=Debug) ;;
  release) options+=(-DCMAKE_BUILD_TYPE=Release) ;;
  asan) options+=(-DCMAKE_BUILD_TYPE=Debug -DWEIR_SANITIZE=address) ;;
  tsan) options+=(-DCMAKE_BUILD_TYPE=Debug -DWEIR_SANITIZE=thread) ;;
  fuzz) options+=(-DCMAKE_BUILD_TYPE=Debug -DWEIR_SANITIZE=fuzzer -DCMAKE_C_COMPILER=clang) ;;
  *) echo "usage: scripts/build.sh debug|release|asan|tsan|fuzz [target]..." >&2; exit 2 ;;
esac
[ -f "build/$kind/build.ninja" ] || cmake -S . -B "build/$kind" "${options[@]}" >/dev/null
ninja -C "build/$kind" --quiet "${@:2}"
