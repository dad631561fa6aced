"""Losses of the first steps here beside those of the CPU: does a device compute what it should?

`python -m scalax.throughput.agreement SPEC STEPS` prints those of this process. Each variant is a process of
its own, since a process computes on one kind of device, in one precision of products.
"""

import json
import os
import subprocess
import sys
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
    on_cpu, highest = {"JAX_PLATFORMS": "cpu"}, {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    reference = _in_a_process(plain, steps, on_cpu)
    variants = {
        "float32": _in_a_process(plain, steps, {}),
        "float32_highest": _in_a_process(plain, steps, highest),
        "bfloat16": _in_a_process(half, steps, {}),
        "bfloat16_fused": _in_a_process(half._replace(attention="fused"), steps, {}),
        "cpu_bfloat16": _in_a_process(half, steps, on_cpu),
    }
    differences = {
        name: max(abs(a - b) / b for a, b in zip(found, reference, strict=True))
        for name, found in variants.items()
    }
    return {"steps": steps, "differences": differences, "losses": {"cpu_float32": reference, **variants}}


def _in_a_process(spec: Spec, steps: int, environment: dict[str, str]) -> list[float]:
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, json.dumps(spec), str(steps)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{spec.model} in {spec.precision}, attention {spec.attention}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(losses(Spec(*json.loads(sys.argv[1])), int(sys.argv[2]))))
