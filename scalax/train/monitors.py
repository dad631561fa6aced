"""The hooks that a launch can ask for by name."""

from typing import Any

from scalax.errors import UserError
from scalax.train.hooks import Hook
from scalax.train.profile import Profile
from scalax.train.trackers import TensorBoard, Wandb


def monitors(
    directory: Any, *, profile: str = "", tensorboard: bool = False, wandb: bool = False
) -> list[Hook]:
    """The hooks asked for, which write to `directory`.

    - directory: what the hooks write to.
    - profile: START:STOP in steps.
    - tensorboard: write event files.
    - wandb: log to Weights & Biases.

    Raises UserError, before anything is trained, for what cannot be had.
    """
    for option, wanted in (("profile", profile), ("tensorboard", tensorboard), ("wandb", wandb)):
        if wanted and "://" in str(directory):
            raise UserError(f"`{option}` needs a local directory, got {directory}")
    hooks: list[Hook] = [Profile(profile, directory)] if profile else []
    hooks += [TensorBoard(directory)] if tensorboard else []
    hooks += [Wandb(directory)] if wandb else []
    return hooks
