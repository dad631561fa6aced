#!/usr/bin/env bash
# Run a scalax study on a Cloud TPU VM of one host (up to 8 chips), then bring its report back.
#
#   launch/tpu_vm.sh create                     make the TPU VM
#   launch/tpu_vm.sh install                    copy this checkout to it and install scalax[tpu]
#   launch/tpu_vm.sh run CONFIG [OVERRIDES...]  start or go on with the study; it outlives the connection
#   launch/tpu_vm.sh follow                     show its output
#   launch/tpu_vm.sh fetch DIR                  copy the study's directory to DIR
#   launch/tpu_vm.sh delete                     delete the TPU VM
#
# Set NAME, ZONE, TYPE and VERSION in the environment to change the defaults below. DRY_RUN=1 prints the
# commands instead of running them. Needs gcloud, logged in and with a project that has TPU quota.
set -euo pipefail

NAME=${NAME:-scalax}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-8}
VERSION=${VERSION:-v2-alpha-tpuv5-lite}

do_or_print() {
  if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@" && echo; else "$@"; fi
}

tpu() {
  local verb=$1
  shift
  do_or_print gcloud compute tpus tpu-vm "$verb" "$@" --zone="$ZONE"
}

on_vm() { tpu ssh "$NAME" --command="$1"; }

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }

action=${1:-}
shift || true
case "$action" in
  create)
    if [ -z "${DRY_RUN:-}" ] && gcloud compute tpus tpu-vm describe "$NAME" --zone="$ZONE" >/dev/null 2>&1; then
      echo "$NAME exists already"
    else
      tpu create "$NAME" --accelerator-type="$TYPE" --version="$VERSION"
    fi
    ;;
  install)
    cd "$(dirname "$0")/.."
    archive=$(mktemp --suffix=.tar.gz)
    trap 'rm -f "$archive"' EXIT
    do_or_print git archive --format=tar.gz --output="$archive" HEAD
    tpu scp "$archive" "$NAME:scalax.tar.gz"
    on_vm "mkdir -p scalax && tar -xzf scalax.tar.gz -C scalax"
    # The images' own python3 may be older than scalax needs.
    on_vm "command -v python3.11 || (sudo apt-get -q update && sudo apt-get -qy install python3.11-venv)"
    on_vm "python3.11 -m venv venv && venv/bin/pip install -q -e 'scalax[tpu]'"
    ;;
  run)
    if [ $# -eq 0 ]; then
      echo "tpu_vm.sh run: name a config, e.g. configs/quickstart.py" >&2
      exit 2
    fi
    # The last --out counts: the study stays where fetch looks for it.
    command=$(printf '%q ' ../venv/bin/python -m scalax.launch "$@" --out ../study)
    on_vm "cd scalax && nohup $command >../log.txt 2>&1 </dev/null & sleep 5; tail log.txt"
    ;;
  follow) on_vm "tail -n 50 -F log.txt" ;;
  fetch)
    if [ $# -ne 1 ]; then
      echo "tpu_vm.sh fetch: name the directory to copy to" >&2
      exit 2
    fi
    tpu scp --recurse "$NAME:study" "$1"
    ;;
  delete) tpu delete "$NAME" --quiet ;;
  *)
    usage >&2
    exit 2
    ;;
esac
