"""Optimisers by name, with decoupled weight decay, and a head that may learn at a rate of its own."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax import Array

from scalax.config import OptimConfig


class Hyperparams(NamedTuple):
    """What may change at each step, and differ between the members of a population: learning rate and weight
    decay, of body and head. float32 scalars, or [M] for a population."""

    lr: Any
    lr_head: Any
    weight_decay: Any
    weight_decay_head: Any


class Optimizer(NamedTuple):
    """Of a model.

    - transform: from gradients to a direction (optax).
    - decays: whether a parameter does, by its path.
    - rate_factor: what a parameter's learning rate is multiplied by, by its path; its decay is not.
    """

    transform: optax.GradientTransformation
    decays: Callable[[tuple], bool]
    rate_factor: Callable[[tuple], float] = lambda path: 1.0


def make_optimizer(config: OptimConfig) -> Optimizer:
    """The one that config.name says; `descend` makes the step."""
    return _optimizer(config.name, config.b1, config.b2, config.momentum, config.clip_norm)


@functools.lru_cache(maxsize=128)
def _optimizer(name: str, b1: float, b2: float, momentum: float, clip_norm: float) -> Optimizer:
    """Of these settings of OptimConfig; the same settings give the same object, by which costs are known."""
    direction = optax.trace(momentum) if name == "sgd" else optax.scale_by_adam(b1, b2)
    transform = optax.chain(optax.clip_by_global_norm(clip_norm), direction)
    return Optimizer(transform, (lambda path: True) if name == "adamw" else is_kernel)


def descend(optimizer: Optimizer, params: Any, directions: Any, hyperparams: Hyperparams) -> Any:
    """Each parameter p less lr * (rate_factor * direction + weight_decay * p).

    - optimizer: says which parameters decay.
    - params: the parameters.
    - directions: of the optimiser, like the parameters.
    - hyperparams: values of body and head.
    """

    def moved(path: tuple, p: Array, direction: Array) -> Array:
        head = is_head(path)
        lr = hyperparams.lr_head if head else hyperparams.lr
        decay = hyperparams.weight_decay_head if head else hyperparams.weight_decay
        if (factor := optimizer.rate_factor(path)) != 1:
            direction = factor * direction
        return p - lr * (direction + decay * p if optimizer.decays(path) else direction)

    return jax.tree_util.tree_map_with_path(moved, params, directions)


def is_kernel(path: tuple) -> bool:
    """Whether this is the path of a kernel: no bias, norm or position."""
    return path[-1].key == "kernel"


def is_head(path: tuple) -> bool:
    return path[0].key == "head"
