"""Adam with decoupled weight decay for body and head apart, and the learning rate along a run."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import optax
from jax import Array

from scalax.config import OptimConfig

BETAS = (0.9, 0.999)


class Knobs(NamedTuple):
    """What may change at each step, and differ between the members of a population: the learning rate and the
    weight decay of body and head. float32 scalars, or [M] for a population."""

    rate: Any
    decay: Any
    decay_head: Any


def make_optimizer(config: OptimConfig) -> optax.GradientTransformation:
    """From gradients to Adam's direction; `descend` makes the step."""
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optax.scale_by_adam(*BETAS))


def descend(params, directions, knobs: Knobs):
    """Parameters less rate * (direction + decay * parameter), where kernels alone decay: no biases, norms or
    positions."""

    def moved(path, p: Array, direction: Array) -> Array:
        group = decay_group(path)
        decay = {"head": knobs.decay_head, "body": knobs.decay}.get(group)
        return p - knobs.rate * (direction if decay is None else direction + decay * p)

    return jax.tree_util.tree_map_with_path(moved, params, directions)


def decay_group(path) -> str:
    """'head' or 'body' for a kernel by its path in the parameters, '' for what does not decay."""
    names = [key.key for key in path]
    if names[-1] != "kernel":
        return ""
    return "head" if names[0] == "head" else "body"


def learning_rate(config: OptimConfig, step: int, progress: float, since_change: int | None = None) -> float:
    """The rate of the update that follows `step` updates, when `progress` of the budget is spent.

    since_change: updates made since the last change of shape, None before the first.
    """
    warmup = max(1, config.warmup_steps)
    rate = config.lr * min(1.0, (step + 1) / warmup)
    if since_change is not None and config.rewarm_steps:
        rate *= min(1.0, (since_change + 1) / config.rewarm_steps)
    match config.schedule:
        case "constant":
            return rate
        case "cosine":
            return rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        case "rsqrt":
            cooldown = min(1.0, max(0.0, 1 - progress) / config.cooldown_share)
            return rate * math.sqrt(warmup / max(warmup, step + 1)) * cooldown


def settling_rate(rates: Sequence[float], starts: Sequence[float], flops: float, settle: float) -> float:
    """The rate after `flops` of a run whose stages began at `starts` FLOPs with `rates` of their own: after a
    change it goes from what it was to the stage's own, evenly in the logs of both, until the FLOPs are
    `settle` (1 or more) times those at the change."""
    rate = rates[0]
    ends = [*starts[1:], flops][1:]
    for own, first, end in zip(rates[1:], starts[1:], ends, strict=True):
        share = 1.0 if end >= settle * first else math.log(end / first) / math.log(settle)
        rate = own * (rate / own) ** (1 - share)
    return rate
