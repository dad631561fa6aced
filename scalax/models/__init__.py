"""Vision models as linen modules with pure `init` and `apply`; one table of variants per file."""

import difflib

import flax.linen as nn
import jax.numpy as jnp

from scalax.errors import UserError, suggest
from scalax.models import bit, mixer, resnet, vit
from scalax.models.scan import stack_blocks, unstack_blocks
from scalax.models.weights import load

__all__ = ["build", "load", "stack_blocks", "unstack_blocks"]

# A family has NAMES (to suggest from), OPTIONS, parse(name) -> shape or None, and build(name, shape, ...).
FAMILIES = (vit, mixer, resnet, bit)
EXAMPLES = "vit-b/16, V192-12/8, mixer-b/16, M64-4/8, resnet50, R64-50, bit-r50x1"


def build(
    name: str,
    num_classes: int,
    *,
    image_size: int,
    base_patch: int | None = None,
    base_grid: int | None = None,
    dtype=jnp.float32,
    **options,
) -> nn.Module:
    """The module called `name`, for square images of `image_size` pixels.

    `module.init(key, images)` gives {'params': ...} and, with batch norm, 'batch_stats';
    `module.apply(variables, images, train=False)` takes normalised images [b, h, w, c] and returns logits
    [b, classes] float32 and a dict of intermediates, one per block, with 'pre_logits' [b, d] the last.
    Parameters are float32, computation is in `dtype`. `options` are the fields of the family's module.
    Raises UserError on an unknown name or option, and on a patch that does not divide the image.

    Flexible models ('V64-4/8', and 'vit-*' on request) keep their patch embedding at `base_patch` (the patch
    in the name, unless given) and positions at `base_grid` (image_size // base_patch), and resize both to
    the patch in the name: with these two given, the patch alone tells modules apart, not their parameters.
    Mixers take `base_patch` alone: their token MLPs live on the grid in use.

    >>> build("V64-4/4", 10, image_size=16, base_patch=8, base_grid=2).patch
    4
    """
    given = {"base_patch": base_patch, "base_grid": base_grid}
    options |= {key: value for key, value in given.items() if value is not None}
    for family in FAMILIES:
        if (variant := family.parse(name)) is not None:
            allowed = [key for key in family.OPTIONS if key != "dtype"]
            if unknown := sorted(set(options) - set(allowed)):
                raise UserError(f"model {name!r} has no option {unknown[0]!r}{suggest(unknown[0], allowed)}")
            return family.build(name, variant, num_classes, image_size, {**options, "dtype": dtype})
    names = [known for family in FAMILIES for known in family.NAMES]
    nearest, lower = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0], name.lower()
    nearest = lower if lower in names else nearest
    raise UserError(f"unknown model {name!r} (did you mean {nearest!r}? families: {EXAMPLES})")
