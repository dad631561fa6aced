"""What the families check of a shape and its options before a module is made."""

from collections.abc import Sequence
from typing import Any

from scalax.errors import UserError, suggest

HEAD_DIM = 64


def heads_of(width: int, head_dim: int = HEAD_DIM) -> int:
    """Heads of so many channels in a layer of `width`; at least one."""
    return max(1, width // head_dim)


def checked_heads(where: str, width: int, heads: int, head_dim: int | None) -> int:
    """Number of attention heads.

    - where: begins the message.
    - width: of the model, which they must divide.
    - heads: where head_dim is None.
    - head_dim: channels of a head; None takes `heads`.

    Raises UserError where they do not divide the width.
    """
    if head_dim is not None:
        if head_dim < 1:
            raise UserError(f"{where}: head_dim must be at least 1, got {head_dim}")
        heads = heads_of(width, head_dim)
    if width % heads:
        raise UserError(
            f"{where}: its {heads} heads do not divide width {width}; try {width // heads * heads}"
        )
    return heads


def check_choice(where: str, key: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises UserError, with the nearest choice, where a value is none of them.

    - where, key: begin the message.
    - value: that was given.
    - choices: that there are.
    """
    if value not in choices:
        raise UserError(f"{where}: unknown {key} {value!r}{suggest(value, choices)}")


def patch_error(where: str, patch: int, image_size: int) -> UserError:
    """What to raise where a patch does not divide the image; names the divisor nearest to it.

    - where: begins the message.
    - patch, image_size: in pixels.
    """
    near = min((p for p in range(1, image_size + 1) if image_size % p == 0), key=lambda p: abs(p - patch))
    return UserError(f"{where}: patch {patch} does not divide the image of {image_size} px; try {near}")
