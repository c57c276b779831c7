#!/usr/bin/env bash
# Sets up, builds a debug weir and runs it with --debug. Arguments are handed on to weir.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh debug weir weir.protoset

# What to try, for the ports that weir will serve on; weir itself says which these are.
effective=$(build/debug/weir --debug "$@" --check-config)
setting() { sed -n "s/^$1=\(.*\)  # .*/\1/p" <<<"$effective"; }

hint() {
  local host port grpc_port
  host=$(setting HOST)
  port=$(setting PORT)
  grpc_port=$(setting GRPC_PORT)
  case $host in
    0.0.0.0 | ::) host=127.0.0.1 ;;
    *:*) host="[$host]" ;;
  esac
  [ "$(setting SINGLE_PORT)" = false ] || grpc_port=$port
  if [ "$port" = 0 ]; then
    echo "The line \"ready\" names the REST port; with that in PORT, try, in another terminal:"
    port=\$PORT
  else
    echo "Once the line \"ready\" is there, try, in another terminal:"
  fi
  cat <<TXT

  curl -s http://$host:$port/tell-joke -H 'Content-Type: application/json' -d '{"name": "Ada"}'
  curl -sN http://$host:$port/tell-story/stream -H 'Content-Type: application/json' -d '{}'
  curl -s http://$host:$port/health

and, in a browser, the docs page: http://$host:$port/docs

TXT
  if [ "$(setting NO_GRPC)" = false ]; then
    if [ "$grpc_port" = 0 ]; then
      echo "and with its grpc_port in GRPC_PORT, in this folder:"
      grpc_port=\$GRPC_PORT
    else
      echo "and, in this folder, with grpcurl (https://github.com/fullstorydev/grpcurl):"
    fi
    cat <<TXT

  grpcurl -plaintext -protoset build/debug/weir.protoset -d '{"name": "Ada"}' \\
    $host:$grpc_port weir.v1.FlowService/TellJoke
  grpcurl -plaintext -protoset build/debug/weir.protoset -d '{}' \\
    $host:$grpc_port weir.v1.FlowService/TellStory

TXT
  fi
  echo "Answers come from the built-in offline model unless OPENAI_API_KEY or LLM_BASE_URL is set."
  echo
}

# With --help and the like, weir answers and ends.
[ -z "$(setting PORT)" ] || hint >&2
exec build/debug/weir --debug "$@"
