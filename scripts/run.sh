#!/usr/bin/env bash
# Sets up, builds a debug weir and runs it with --debug. Arguments are handed on to weir.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh debug

port=${PORT:-8080}
grpc_port=${GRPC_PORT:-50051}
cat >&2 <<TXT

weir serves REST on http://127.0.0.1:$port and gRPC on 127.0.0.1:$grpc_port. Try, in another terminal:

  curl -s http://127.0.0.1:$port/tell-joke -H 'Content-Type: application/json' -d '{"name": "Ada"}'
  curl -sN http://127.0.0.1:$port/tell-story/stream -H 'Content-Type: application/json' -d '{}'
  curl -s http://127.0.0.1:$port/health

  grpcurl -plaintext -protoset build/debug/weir.protoset -d '{"name": "Ada"}' \\
    127.0.0.1:$grpc_port weir.v1.FlowService/TellJoke
  grpcurl -plaintext -protoset build/debug/weir.protoset -d '{}' \\
    127.0.0.1:$grpc_port weir.v1.FlowService/TellStory

Answers come from the built-in offline model unless OPENAI_API_KEY or LLM_BASE_URL is set.

TXT
exec build/debug/weir --debug "$@"
