"""Adam with decoupled weight decay for body and head apart, and the learning rate along a run."""

import math

import jax
import optax

from scalax.config import OptimConfig

BETAS = (0.9, 0.999)


def make_optimizer(config: OptimConfig) -> optax.GradientTransformation:
    """Updates at a learning rate of 1; the step scales them by minus the rate of the moment."""
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.scale_by_adam(*BETAS),
        optax.add_decayed_weights(config.weight_decay, lambda params: decayed(params, head=False)),
        optax.add_decayed_weights(config.weight_decay_head, lambda params: decayed(params, head=True)),
    )


def decayed(params, *, head: bool):
    """Which parameters decay: kernels (no biases, norms, positions), of the head or of all the rest."""

    def is_decayed(path, _) -> bool:
        names = [key.key for key in path]
        return names[-1] == "kernel" and (names[0] == "head") == head

    return jax.tree_util.tree_map_with_path(is_decayed, params)


def learning_rate(config: OptimConfig, step: int, progress: float) -> float:
    """The rate of the update that follows `step` updates, when `progress` of the budget is spent."""
    warmup = max(1, config.warmup_steps)
    rate = config.lr * min(1.0, (step + 1) / warmup)
    match config.schedule:
        case "constant":
            return rate
        case "cosine":
            return rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        case "rsqrt":
            cooldown = min(1.0, max(0.0, 1 - progress) / config.cooldown_share)
            return rate * math.sqrt(warmup / max(warmup, step + 1)) * cooldown
