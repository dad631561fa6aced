#!/usr/bin/env bash
# Run a scalax study on a Cloud TPU slice of one host or of several, then bring its results back.
#
#   launch/tpu_vm.sh create [FLAGS...]          make the slice; flags go to gcloud, e.g. --spot
#   launch/tpu_vm.sh install                    copy the last commit to every host and install scalax[tpu]
#   launch/tpu_vm.sh run CONFIG [OVERRIDES...]  start or go on with the study on every host; it outlives the
#                                               connection, and a second `run` leaves one that runs alone
#   launch/tpu_vm.sh follow                     show the output of the first host
#   launch/tpu_vm.sh stop                       have it save and end; `run` goes on from there
#   launch/tpu_vm.sh fetch DIR                  copy the study to DIR
#   launch/tpu_vm.sh delete                     delete the slice
#
# Every line is safe to repeat. --dry-run before or after the verb (or DRY_RUN=1) prints the commands instead
# of running them. Set NAME, ZONE, TYPE and VERSION in the environment to change the defaults below, and OUT
# to where the study goes: a slice of several hosts (over 8 chips of v5e) must have OUT=gs://BUCKET/DIR, which
# all its hosts can write. The hosts find each other. Needs gcloud, logged in, with a project that has TPU quota.
set -euo pipefail

NAME=${NAME:-scalax}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-8}
VERSION=${VERSION:-v2-alpha-tpuv5-lite}
OUT=${OUT:-../study} # seen from the checkout on the host

arguments=()
for argument in "$@"; do
  if [ "$argument" = "--dry-run" ]; then DRY_RUN=1; else arguments+=("$argument"); fi
done
set -- ${arguments[@]+"${arguments[@]}"}

do_or_print() {
  if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@" && echo; else "$@"; fi
}

tpu() {
  local verb=$1
  shift
  do_or_print gcloud compute tpus tpu-vm "$verb" "$@" --zone="$ZONE"
}

exists() { [ -z "${DRY_RUN:-}" ] && tpu describe "$NAME" >/dev/null 2>&1; }

on_all() { tpu ssh "$NAME" --worker=all --command="$1"; }

# What a host needs to know its run again. A number of a process is given to others after a reboot, or once
# it has ended: run.pid has the number and when the process began, in ticks since the boot of that name.
# shellcheck disable=SC2016 # the host expands it
OURS='began() { echo $(cat /proc/sys/kernel/random/boot_id) $(sed "s/.*) //" /proc/$1/stat | cut -d" " -f20); }
mark() { echo $1 $(began $1) >$2; }
ours() { read -r pid since <$1 && [ -d /proc/$pid ] && [ "$since" = "$(began $pid)" ]; } 2>/dev/null'

usage() { sed -n '2,18s/^# \{0,1\}//p' "$0"; }

action=${1:-}
shift || true
case "$action" in
  create)
    if exists; then
      echo "$NAME exists already"
    else
      tpu create "$NAME" --accelerator-type="$TYPE" --version="$VERSION" "$@"
    fi
    ;;
  install)
    cd "$(dirname "$0")/.."
    archive=$(mktemp --suffix=.tar.gz)
    trap 'rm -f "$archive"' EXIT
    do_or_print git archive --format=tar.gz --output="$archive" HEAD
    tpu scp "$archive" "$NAME:scalax.tar.gz" --worker=all
    on_all "mkdir -p scalax && tar -xzf scalax.tar.gz -C scalax"
    # The images' own python3 may be older than scalax needs.
    on_all "command -v python3.11 || (sudo apt-get -q update && sudo apt-get -qy install python3.11-venv)"
    on_all "python3.11 -m venv venv && venv/bin/pip install -q -c scalax/launch/constraints.txt -e 'scalax[tpu]'"
    ;;
  run)
    if [ $# -eq 0 ]; then
      echo "tpu_vm.sh run: name a config, e.g. configs/quickstart.py" >&2
      exit 2
    fi
    # The last --out counts: the study stays where fetch looks for it.
    command=$(printf '%q ' ../venv/bin/python -m scalax.launch "$@" --out "$OUT")
    on_all "$OURS; cd scalax && if ours ../run.pid; then echo runs already; else
nohup $command >>../log.txt 2>&1 </dev/null & mark \$! ../run.pid; sleep 5; tail -n 5 ../log.txt; fi"
    ;;
  follow) tpu ssh "$NAME" --worker=0 --command="tail -n 50 -F log.txt" ;;
  stop) on_all "$OURS; if ours run.pid; then kill -TERM \$pid; else echo does not run; fi" ;;
  fetch)
    if [ $# -ne 1 ]; then
      echo "tpu_vm.sh fetch: name the directory to copy to" >&2
      exit 2
    fi
    case "$OUT" in
      gs://*)
        do_or_print mkdir -p "$1"
        do_or_print gcloud storage rsync --recursive "$OUT" "$1"
        ;;
      *)
        do_or_print mkdir -p "$1"
        tpu ssh "$NAME" --worker=0 --command="cd scalax && tar -czf ../study.tar.gz -C $(printf '%q' "$OUT") ."
        tpu scp "$NAME:study.tar.gz" "$1/study.tar.gz" --worker=0
        do_or_print tar -xzf "$1/study.tar.gz" -C "$1"
        do_or_print rm "$1/study.tar.gz"
        ;;
    esac
    ;;
  delete)
    if [ -n "${DRY_RUN:-}" ] || exists; then
      tpu delete "$NAME" --quiet
    else
      echo "$NAME does not exist"
    fi
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
