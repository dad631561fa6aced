#!/usr/bin/env bash
# Check one GPU, measure its speed, and run a study of patch sizes on it, in a time that you name:
#
#   launch/gpu_study.sh --data FILE.npz --minutes 10 [--out DIR] [-- OVERRIDES...]
#
# FILE.npz is data of images with a split `val`, e.g. one that `scalax pack` wrote (configs/adaptive_gpu.py has
# the command). DIR (runs/gpu_study) gets a JSON file for each measurement and the study; the same command again
# does only what is missing. It needs jax, flax, optax, orbax-checkpoint and what else scalax imports, and no
# network. What it measures:
#
#   check.json       losses of 20 steps here beside those of the CPU, in float32 and bfloat16, fused and einsum
#   vit_b16*.json    speed and MFU of vit-b/16 at 224 px in bfloat16; V256-6.json at 64 px
#   members.json     a population of 16 small runs, and the same one by one
#   rate.json        speed of the study's model, from which its budget follows (kept in `budget`)
#   study/           configs/adaptive_gpu.py, or CONFIG of the environment
#
# SMALL=1 takes toy sizes, for a try on a CPU. PYTHON names another interpreter than `python`.
set -euo pipefail

data='' minutes=10 out=runs/gpu_study
while [ $# -gt 0 ]; do
  case "$1" in
    --data) data=${2:?--data needs a file}; shift 2 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    --out) out=${2:?--out needs a directory}; shift 2 ;;
    --) shift; break ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
  esac
done
if [ ! -f "$data" ]; then
  echo "gpu_study.sh: --data '$data': no such file; make one with scalax pack (see configs/adaptive_gpu.py)" >&2
  exit 2
fi

python=${PYTHON:-python}
mkdir -p "$out"
end=$((SECONDS + $("$python" -c "print(int(60 * float('$minutes')))")))

# measure NAME ARGUMENTS...: the figures of `scalax throughput` to $out/NAME.json, unless they are there.
measure() {
  local name=$1 started=$SECONDS
  shift
  if [ -s "$out/$name.json" ]; then return; fi
  if "$python" -m scalax throughput "$@" --json >"$out/$name.json.part" 2>"$out/$name.log"; then
    mv "$out/$name.json.part" "$out/$name.json"
    echo "$name ($((SECONDS - started)) s): $(cat "$out/$name.json")"
  else
    echo "gpu_study.sh: $name failed; $out/$name.log has: $(tail -n 1 "$out/$name.log")" >&2
    rm -f "$out/$name.json.part"
  fi
}

if [ -n "${SMALL:-}" ]; then
  model=V16-2/8 image=16 batch=32 big=V16-1/8 side=16 middle=V16-2/4 middle_side=16 rounds=(--steps 2 --rounds 2) few=16
else
  model=V64-4/8 image=48 batch=1536 big=vit-b/16 side=224 middle=V256-6/8 middle_side=64 rounds=(--steps 20 --rounds 5) few=256
fi
measure rate "$model" --image "$image" --batch "$batch" --classes 10 "${rounds[@]}"
measure vit_b16 "$big" --image "$side" --batch "$few" --precision bfloat16 "${rounds[@]}"
measure check V64-4/8 --image 32 --batch 64 --classes 10 --check
measure members V64-4/8 --image 32 --batch 128 --classes 10 --members 16

# On an H100 start-up, reading and compilation took 150 s. The study is 26 budgets with its search and pilots; coarse
# patches and pilots train slower than the model of `rate`.
if [ ! -s "$out/budget" ]; then
  "$python" - "$out/rate.json" "$((end - SECONDS))" >"$out/budget" <<'PY'
import json
import sys

rate = json.load(open(sys.argv[1]))["flops_per_s"]
print(f"{max(float(sys.argv[2]) - 150, 30) * rate * 0.3 / 26:.2g}")
PY
fi
budget=$(cat "$out/budget")
echo "study: $budget FLOPs a run"
"$python" -m scalax.launch "${CONFIG:-configs/adaptive_gpu.py}" --data.dir "$data" --budget-flops "$budget" \
  --out "$out/study" "$@"

measure V256-6 "$middle" --image "$middle_side" --batch 512 --precision bfloat16 "${rounds[@]}"
measure vit_b16_einsum "$big" --image "$side" --batch "$few" --precision bfloat16 --attention einsum "${rounds[@]}"
