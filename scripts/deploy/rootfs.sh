#!/usr/bin/env bash
# Puts together the root file system of the image: weir, the libraries that it links, the certificates
# that vouch for model providers, and a user without rights. No shell, no package manager.
#   scripts/deploy/rootfs.sh <weir binary> <folder>
set -euo pipefail

[ $# = 2 ] || { echo "usage: scripts/deploy/rootfs.sh <weir binary> <folder>" >&2; exit 2; }
binary=$1
root=$2
[ ! -e "$root" ] || { echo "rootfs: $root exists already" >&2; exit 1; }

umask 022
mkdir -p "$root"/{app,etc/ssl/certs,proc,dev,sys,run,usr/bin,usr/lib}
install -d -m 1777 "$root/tmp"
ln -s usr/lib "$root/lib"
ln -s usr/lib "$root/lib64"

install -m 755 "$binary" "$root/usr/bin/weir"
strip --strip-all "$root/usr/bin/weir"

# The loader and every library, each where the loader looks first when it has no cache.
ldd "$binary" | awk '$2 == "=>" {print $3} $1 ~ /^\// {print $1}' | sort -u | while read -r library; do
  name=$(basename "$library")
  case "$name" in
    ld-linux-*) target=$root/usr/lib/$name ;;
    *) target=$root/usr/lib/$(basename "$(dirname "$library")")/$name ;;
  esac
  install -D -m 755 "$(readlink -f "$library")" "$target"
done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/:/nonexistent\nnonroot:x:65534:65534:nonroot:/app:/nonexistent\n' \
  >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65534:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
: >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
