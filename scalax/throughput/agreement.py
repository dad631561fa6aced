"""Losses of the first steps here beside those of the CPU: does a device compute what it should?

`python -m scalax.throughput.agreement STEPS SPEC ...` prints a line of losses for each SPEC, in this process.
A process computes on one kind of device, in one precision of products; variants that agree in these share it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from scalax.errors import UserError
from scalax.throughput.spec import Spec

LR = 1e-3  # high enough to learn eight batches of random images by heart


def losses(spec: Spec, steps: int) -> list[float]:
    """Training losses (nats) of the first steps on random images, in this process.

    - spec: what is trained.
    - steps: how many.
    """
    from scalax.throughput.training import Training, open_random

    training = Training(open_random(spec), spec.model, spec.batch, lr=LR, warm=False)
    return [training.step() for _ in range(steps)]


def agreement(spec: Spec, steps: int) -> dict[str, Any]:
    """Of each variant, the losses and the largest relative difference from the CPU's in float32.

    - spec: what is trained; its precision and attention are not read.
    - steps: how many.

    Variants: float32, as the device multiplies by default; float32_highest, with products in full float32;
    bfloat16 with the attention by einsum; bfloat16_fused, with a fused kernel; cpu_bfloat16, which says how
    much of a difference is bfloat16's own. Raises UserError where a variant fails.
    """
    plain = spec._replace(precision="float32", attention="einsum")
    half = plain._replace(precision="bfloat16")
    fused = half._replace(attention="fused")
    reference, cpu_half = _in_a_process([plain, half], steps, {"JAX_PLATFORMS": "cpu"})
    here, half_here, fused_here = _in_a_process([plain, half, fused], steps, {})
    [highest] = _in_a_process([plain], steps, {"JAX_DEFAULT_MATMUL_PRECISION": "highest"})
    variants = {
        "float32": here,
        "float32_highest": highest,
        "bfloat16": half_here,
        "bfloat16_fused": fused_here,
        "cpu_bfloat16": cpu_half,
    }
    differences = {
        name: max(abs(a - b) / b for a, b in zip(found, reference, strict=True))
        for name, found in variants.items()
    }
    return {"steps": steps, "differences": differences, "losses": {"cpu_float32": reference, **variants}}


def _in_a_process(specs: Sequence[Spec], steps: int, environment: dict[str, str]) -> list[list[float]]:
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(steps)]
    command += [json.dumps(spec) for spec in specs]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()[-len(specs) :]]
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        failed = specs[min(len(found), len(specs) - 1)]
        raise UserError(f"{failed.model} in {failed.precision}, attention {failed.attention}: {last}")
    return found


if __name__ == "__main__":
    for each in sys.argv[2:]:
        print(json.dumps(losses(Spec(*json.loads(each)), int(sys.argv[1]))), flush=True)
