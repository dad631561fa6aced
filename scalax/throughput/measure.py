"""The figures of `scalax throughput`."""

import contextlib
import statistics
from typing import Any, NamedTuple

import jax

from scalax.errors import UserError
from scalax.hardware import find_device
from scalax.throughput import reference
from scalax.throughput.feeding import Feeding
from scalax.throughput.pytorch import Timm
from scalax.throughput.spec import Spec, alternate, compare
from scalax.throughput.timm_models import timm_model
from scalax.throughput.training import SHAPE, Training, open_random
from scalax.train import population
from scalax.train.timeline import Work


class Measured(NamedTuple):
    """result: what --json prints; notes: what a reader should know beside it, each in a line."""

    result: dict[str, Any]
    notes: list[str]


def training(
    spec: Spec, *, steps: int, rounds: int, against: str | None = None, peak_flops: float | None = None
) -> Measured:
    """Train, alternating with another implementation where one is named.

    - spec: what is trained.
    - steps: in each round.
    - rounds: times are medians over these.
    - against: timm or flax-reference; None measures scalax alone.
    - peak_flops: of one device in FLOP/s; None takes that of its kind, where it is known.

    Raises UserError for a bad name, image or batch, and where `against` cannot be had.
    """
    experiment = open_random(spec)
    device = jax.devices()[0]
    known = find_device(device.device_kind)
    peak_flops = peak_flops or (known.peak_flops if known else None)
    if against == "flax-reference":
        reference.check(spec)
    with contextlib.ExitStack() as stack:
        theirs: Any = None
        if against == "timm":
            theirs = stack.enter_context(contextlib.closing(_timm(spec, experiment.precision)))
        ours = Training(experiment, spec.model, spec.batch)
        sides = {"scalax": ours.round}
        if against == "flax-reference":
            theirs = reference.PlainTraining(spec, experiment.precision)
        if theirs:
            sides |= theirs.rounds()
        seconds = alternate(sides, rounds, steps)
    own = seconds.pop("scalax")
    step_s = statistics.median(own)
    flops_per_s = ours.flops / step_s
    result = {
        "images_per_s": spec.batch / step_s,
        "flops_per_s": flops_per_s,
        "mfu": flops_per_s / (peak_flops * jax.device_count()) if peak_flops else None,
        "compile_s": ours.compile_s,
        "step_ms": 1e3 * step_s,
        "peak_bytes": ours.peak_bytes,
    }
    notes = [
        f"{jax.device_count()} x {device.device_kind}, {experiment.precision}; {_spread(own)}",
        f"FLOPs: products and convolutions, forward and backward, {ours.flops:.5g} a step",
        "peak memory: "
        + ("of the device" if ours.on_device else "of this process, beyond what it held before"),
    ]
    if theirs:
        result["against"] = {"name": against, **compare(own, seconds, spec.batch), **theirs.about()}
    return Measured(result, notes)


def feeding(spec: Spec, *, steps: int, rounds: int) -> Measured:
    """Feed and augment batches, and train nothing.

    - spec: the batches; its model is not read.
    - steps: in each round.
    - rounds: times are medians over these.
    """
    made = Feeding(open_random(spec._replace(model="V8-1/1")), spec.batch)
    own = alternate({"scalax": made.round}, rounds, steps)["scalax"]
    step_s = statistics.median(own)
    result = {"images_per_s": spec.batch / step_s, "compile_s": made.compile_s, "step_ms": 1e3 * step_s}
    note = f"rows from the feed, cropped, mirrored and scaled on the device; {_spread(own)}"
    return Measured(result, [note])


def members(spec: Spec, count: int) -> Measured:
    """Train runs that differ in their seeds as one population, and one by one.

    - spec: of each run.
    - count: runs.
    """
    experiment = open_random(spec)
    found = population.trial(experiment, Work(SHAPE, spec.batch), count)
    alone_s, together_s = found["alone_s"], found["together_s"]
    result = {
        "members": count,
        "images_per_s": count * spec.batch / together_s,
        "images_per_s_alone": spec.batch / alone_s,
        "step_ms": 1e3 * together_s,
        "step_ms_alone": 1e3 * alone_s,
        "ratio": together_s / (count * alone_s),
    }
    return Measured(result, ["ratio: time of a step of all runs together over that of one step of each"])


def _timm(spec: Spec, precision: str) -> Timm:
    platform = jax.default_backend()
    if platform not in ("cpu", "gpu"):
        raise UserError(f"`against` timm runs on CPU and GPU, not on {platform}; set JAX_PLATFORMS=cpu")
    return Timm(
        timm_model(spec),
        image=spec.image,
        batch=spec.batch,
        classes=spec.classes,
        precision=precision,
        gpu=platform == "gpu",
    )


def _spread(seconds: list[float]) -> str:
    low, high = 1e3 * min(seconds), 1e3 * max(seconds)
    return f"{low:.3g} to {high:.3g} ms a step over {len(seconds)} rounds"
