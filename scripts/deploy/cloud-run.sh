#!/usr/bin/env bash
# Deploys scripts/deploy/cloud-run.yaml. Needs gcloud, logged in, and an image that is pushed already.
#   IMAGE=... SERVICE_ACCOUNT=... JWT_JWKS_URL=... JWT_ISSUER=... JWT_AUDIENCE=... \
#     scripts/deploy/cloud-run.sh <project> <region>
# With --print in front it prints what it would deploy, and needs no gcloud.
set -euo pipefail
cd "$(dirname "$0")"

print=no
[ "${1:-}" != --print ] || { print=yes; shift; }
[ $# = 2 ] || { echo "usage: scripts/deploy/cloud-run.sh [--print] <project> <region>" >&2; exit 2; }

PROJECT=$1
names=(PROJECT IMAGE SERVICE_ACCOUNT JWT_JWKS_URL JWT_ISSUER JWT_AUDIENCE)
manifest=$(<cloud-run.yaml)
for name in "${names[@]}"; do
  value=${!name:-}
  [ -n "$value" ] || { echo "cloud-run: set $name" >&2; exit 2; }
  case "$value" in *[!A-Za-z0-9._:/@-]*) echo "cloud-run: $name has characters that do not belong" >&2; exit 2 ;; esac
  manifest=${manifest//"\${$name}"/"$value"}
done
if [ "$print" = yes ]; then
  printf '%s\n' "$manifest"
  exit
fi
printf '%s\n' "$manifest" | gcloud run services replace - --project "$1" --region "$2"
# Callers are authenticated by weir itself.
gcloud run services add-iam-policy-binding weir --project "$1" --region "$2" \
  --member allUsers --role roles/run.invoker
