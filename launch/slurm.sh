#!/usr/bin/env bash
# Run a scalax study on a SLURM cluster. Submit from the root of the checkout, with scalax installed:
#
#   one training job over several nodes, a process for each GPU (every run uses them all):
#     sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-task=1 launch/slurm.sh CONFIG --out DIR [OVERRIDES...]
#
#   an array of workers that share the runs of one study (each run is done by one of them; a worker whose
#   node dies is replaced by those that are left):
#     sbatch --array=0-7 --gpus=1 launch/slurm.sh CONFIG --out DIR [OVERRIDES...]
#
#   how far it is:            python -m scalax status DIR
#   stop it:                  scancel JOB; the same sbatch command goes on from the last checkpoints
#   what would be run:        launch/slurm.sh --dry-run CONFIG --out DIR
#
# DIR must lie on a file system that all nodes share. Time, partition and account go before the script's name,
# e.g. sbatch --time=4:00:00 --partition=gpu. Two minutes before the time limit the processes are told to save
# and to exit with code 75; the job is then queued again by itself and goes on where it was.
# PYTHON names another interpreter than `python`, e.g. sbatch --export=ALL,PYTHON=$HOME/venv/bin/python.
#SBATCH --job-name=scalax
#SBATCH --output=slurm-%x-%j.out
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -euo pipefail

SAVED=75 # how a run that was told to stop ends once it has saved

if [ "${1:-}" = "--dry-run" ]; then
  DRY_RUN=1
  shift
fi
if [ $# -eq 0 ]; then
  sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi

# jax.distributed finds the other processes by the variables that srun sets. A process that crashes must not
# leave the others waiting for it: they end ten minutes later.
step=(srun --wait=600)
if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then
  step+=("--cpus-per-task=$SLURM_CPUS_PER_TASK") # srun takes it no longer from the job by itself
fi
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  step+=(--ntasks=1) # a worker is alone
fi
step+=("${PYTHON:-python}" -m scalax.launch "$@")

if [ -n "${DRY_RUN:-}" ]; then
  printf '%q ' "${step[@]}" && echo
  exit
fi

# The plain job id of one task of an array may stand for the whole array.
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}

"${step[@]}" &
child=$!
# Not kill: srun would end its processes at once instead of passing the signal on to them.
trap 'echo "slurm.sh: told to stop; saving"; scancel --signal=TERM "$job" || true' TERM
status=0
wait "$child" || status=$?
while kill -0 "$child" 2>/dev/null; do # the signal ended the first wait, not the child
  status=0
  wait "$child" || status=$?
done

if [ "$status" -eq "$SAVED" ]; then
  if scontrol show job "$job" | grep -q 'JobState=RUNNING'; then # not one that scancel ends
    echo "slurm.sh: saved; queued again"
    scontrol requeue "$job"
  fi
fi
exit "$status"
