#!/usr/bin/env bash
# Runs one fuzzer from its corpus for some seconds; a crash is kept, printed in base64, and fails.
#   tests/fuzz/run.sh <binary> <corpus folder> <folder for what is found> <seconds>
set -uo pipefail
binary=$1 corpus=$2 found=$3 seconds=$4
crashes=$found/crashes
mkdir -p "$found/inputs" "$crashes"
"$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$crashes/" "$found/inputs" "$corpus"
code=$?
[ $code -eq 0 ] && exit 0
latest=$(find "$crashes" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
if [ -n "$latest" ]; then
  echo "The input, in base64 (once mended, it belongs into $corpus):"
  base64 -w 0 "$latest"
  echo
  echo "Again: base64 -d > input, then $binary input"
fi
exit $code
