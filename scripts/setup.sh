#!/usr/bin/env bash
# Installs the Debian 12 packages that weir is built, tested and measured with, and unpacks the
# google.api and google.rpc protos into build/deps. Quick when all is there.
#   scripts/setup.sh            what building and running need
#   scripts/setup.sh test       and what the tests need (grpcurl and Spectral where there is Go, npm)
#   scripts/setup.sh bench      and what the benchmark needs
#   scripts/setup.sh image      and what scripts/deploy/prove.sh needs: an engine that builds images
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(
  cmake ninja-build gcc libc6-dev pkg-config git ca-certificates
  protobuf-compiler libprotobuf-dev libprotoc-dev protobuf-c-compiler libprotobuf-c-dev grpc-proto
  libgrpc-dev libh2o-dev libuv1-dev libcurl4-openssl-dev libssl-dev libjansson-dev zlib1g-dev
  libjemalloc-dev libcmocka-dev libjwt-dev libseccomp-dev
)
test_packages=(
  clang clang-format libclang-rt-14-dev llvm-14 binutils curl openssl procps
  python3 python3-grpcio python3-protobuf python3-venv python3-yaml
  chromium chromium-driver fonts-dejavu-core
  slowhttptest testssl.sh haproxy
)
image_packages=(mmdebstrap buildah)
bench_packages=(nginx-light wrk nghttp2-client curl procps python3 valgrind)
# Only its third_party/googleapis is wanted; its Go dependencies are not.
googleapis_package=golang-github-grpc-ecosystem-grpc-gateway-dev

packages=("${build_packages[@]}")
case "${1:-build}" in
  build) ;;
  test) packages+=("${test_packages[@]}") ;;
  image) packages+=("${test_packages[@]}" "${image_packages[@]}") ;;
  bench) packages+=("${test_packages[@]}" "${bench_packages[@]}") ;;
  *) echo "usage: scripts/setup.sh [build|test|bench|image]" >&2; exit 2 ;;
esac

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    echo "setup: packages are missing and there is neither root nor sudo to install them" >&2
    exit 1
  fi
}
updated=no
update_once() {
  [ "$updated" = yes ] || as_root apt-get update -qq
  updated=yes
}

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "setup: installing ${missing[*]}"
  update_once
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

# Unpacks the package of that name into a new folder, whose name it prints, without installing it.
unpack() {
  local work
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && { apt-get download -qq "$1" 2>/dev/null >&2 || {
    update_once >&2
    apt-get download -qq "$1" >&2
  }; })
  dpkg-deb -x "$work"/"$1"_*.deb "$work/tree"
  echo "$work"
}

if [ ! -f build/deps/googleapis/google/api/annotations.proto ]; then
  mkdir -p build/deps
  work=$(unpack "$googleapis_package")
  found=$(find "$work/tree" -type d -path '*/third_party/googleapis' | head -n 1)
  cp -r "$found" build/deps/googleapis.new
  mv build/deps/googleapis.new build/deps/googleapis
  rm -rf "$work"
fi

# Only promtool of it is wanted, to check /metrics; the package would start a server.
if [ "${1:-build}" = test ] && [ ! -x build/tools/promtool ]; then
  mkdir -p build/tools
  work=$(unpack prometheus)
  install -m 755 "$work/tree/usr/bin/promtool" build/tools/promtool
  rm -rf "$work"
fi

# grpcurl is in no Debian package. The one test that runs it has another client to fall back on.
grpcurl=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.1
if [ "${1:-build}" = test ] && [ ! -x build/tools/grpcurl ]; then
  if ! command -v go >/dev/null; then
    echo "setup: SKIPPED grpcurl: there is no Go; Python runs the README's gRPC commands" >&2
  else
    echo "setup: building grpcurl (once, takes minutes)"
    GOBIN=$PWD/build/tools go install "$grpcurl" ||
      echo "setup: SKIPPED grpcurl: go failed; Python runs the README's gRPC commands" >&2
  fi
fi

# The linter of the OpenAPI document is in no Debian package, either.
spectral=(@stoplight/spectral-cli@6.16.3 @stoplight/spectral-owasp-ruleset@2.0.1)
if [ "${1:-build}" = test ] && [ ! -x build/tools/openapi/node_modules/.bin/spectral ]; then
  if ! command -v npm >/dev/null; then
    echo "setup: SKIPPED Spectral: there is no npm; the OpenAPI document is not linted" >&2
  else
    echo "setup: installing Spectral (once)"
    mkdir -p build/tools/openapi
    npm install --prefix build/tools/openapi --no-save --ignore-scripts --no-audit --no-fund \
      --loglevel=error "${spectral[@]}" >/dev/null ||
      echo "setup: SKIPPED Spectral: npm failed; the OpenAPI document is not linted" >&2
  fi
fi

# What Debian does not package of the tests' tools, in an environment of its own.
wanted=$PWD/tests/support/requirements.txt
if [ "${1:-build}" = test ] && ! cmp -s "$wanted" build/tools/python/requirements.txt; then
  echo "setup: installing the Python tools of the tests"
  rm -rf build/tools/python
  /usr/bin/python3 -m venv build/tools/python
  build/tools/python/bin/pip install -q --disable-pip-version-check -r "$wanted"
  cp "$wanted" build/tools/python/requirements.txt
fi

# Installs packages of npm into build/tools/<folder>: node_tools <folder> <what they are> <package>...
node_tools() {
  local into=build/tools/$1 what=$2
  shift 2
  [ "$(cat "$into/wanted" 2>/dev/null)" != "$*" ] || return 0
  if ! command -v npm >/dev/null; then
    echo "setup: SKIPPED $what: there is no npm" >&2
    return 0
  fi
  echo "setup: installing $what (once)"
  rm -rf "$into"
  mkdir -p "$into"
  if npm install --prefix "$into" --no-save --ignore-scripts --no-audit --no-fund \
    --loglevel=error "$@" >/dev/null; then
    echo "$*" >"$into/wanted"
  else
    echo "setup: SKIPPED $what: npm failed" >&2
  fi
}

# The official clients of Connect, gRPC-Web and OpenAI's API, and what bundles them for Node and for a browser.
web_clients=(@bufbuild/protobuf@2.17.0 @connectrpc/connect@2.3.0 @connectrpc/connect-node@2.3.0
  @connectrpc/connect-web@2.3.0 grpc-web@2.1.1 openai@6.49.0 xhr2@0.2.1 esbuild@0.28.2)
[ "${1:-build}" != test ] || node_tools node "the clients of Connect, gRPC-Web and OpenAI" "${web_clients[@]}"

# The graders of HTTP headers, and of pages for those who cannot see them.
graders=(@mdn/mdn-http-observatory@1.4.8 csp_evaluator@1.1.8 axe-core@4.14.1)
[ "${1:-build}" != test ] || node_tools graders "the graders of headers and pages" "${graders[@]}"
# The first would fetch the list of preloaded hosts; an empty one does for ours.
observatory=build/tools/graders/node_modules/@mdn/mdn-http-observatory
[ ! -d "$observatory" ] || echo '{}' >"$observatory/conf/hsts-preload.json"
