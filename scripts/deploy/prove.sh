#!/usr/bin/env bash
# Proves Containerfile: buildah runs its stages, and what comes out is started as an engine would start it
# and serves both protocols (tests/scenario/image.py). The base is not pulled but made of Debian's
# packages, so that no registry of images is needed. As root; takes minutes.
#   scripts/deploy/prove.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "prove: only root may build and start the image" >&2; exit 1; }

scripts/setup.sh image
scripts/build.sh release weir
scripts/build.sh debug weir weir.protoset weir_client_protoset

work=$(mktemp -d)
export CONTAINERS_STORAGE_CONF=$work/storage.conf
trap 'buildah umount --all >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
chmod 755 "$work"
cat >"$CONTAINERS_STORAGE_CONF" <<TOML
[storage]
driver = "vfs"
graphroot = "$work/graph"
runroot = "$work/run"
TOML

SECONDS=0
base=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' Containerfile)
echo "prove: making $base of Debian's packages"
mmdebstrap --quiet --variant=minbase bookworm "$work/base.tar"
container=$(buildah from scratch)
buildah add --quiet "$container" "$work/base.tar" / >/dev/null
buildah commit --quiet --rm "$container" "docker.io/library/$base" >/dev/null
rm "$work/base.tar"

echo "prove: building Containerfile ($SECONDS s so far)"
buildah build --isolation chroot --network host --pull=never --format docker --tag weir \
  -f Containerfile . >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }

container=$(buildah from --pull=never weir)
WEIR_IMAGE_ROOT=$(buildah mount "$container")
WEIR_IMAGE_CONFIG=$work/config.json
buildah inspect --type image weir >"$WEIR_IMAGE_CONFIG"
export WEIR_IMAGE_ROOT WEIR_IMAGE_CONFIG
echo "prove: starting it ($SECONDS s so far)"
WEIR_RELEASE_BINARY=$PWD/build/release/weir \
  ctest --test-dir build/debug -R '^scenario/image$' --verbose --no-tests=error |
  sed -n 's/^[0-9]*: //; /^test_/,$p'
echo "prove: setuid and setgid files: $(find "$WEIR_IMAGE_ROOT" -xdev -perm /6000 | wc -l)"
echo "prove: done after $SECONDS s"
