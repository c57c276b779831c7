#!/usr/bin/env bash
# Sets up, builds and runs every test. Arguments are handed on to ctest (-R name, --verbose, ...).
#   WEIR_TEST_KIND=debug|asan|tsan    which build to test; debug is the default
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${WEIR_TEST_KIND:-debug}
case "$kind" in
  debug) slowness=1 ;;
  asan) slowness=3 ;;
  tsan) slowness=5 ;;
  *) echo "WEIR_TEST_KIND is debug, asan or tsan" >&2; exit 2 ;;
esac
scripts/setup.sh test
scripts/build.sh release weir # the tests of what a release refuses start this one
scripts/build.sh "$kind"
export WEIR_RELEASE_BINARY=$PWD/build/release/weir
export WEIR_TEST_SLOWNESS=${WEIR_TEST_SLOWNESS:-$slowness}
# Most tests wait more than they work: three a core keep it busy.
ctest --test-dir "build/$kind" --output-on-failure --no-tests=error \
  --parallel $((3 * $(nproc))) "$@"
