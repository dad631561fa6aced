"""Patch sizes and resolutions that go together."""

from collections.abc import Sequence

from scalax.config import divisors, positive
from scalax.errors import UserError


def grids(patches: Sequence[int], resolutions: Sequence[int], image_size: int) -> list[tuple[int, int]]:
    """(patch, resolution) of every patch size with every resolution that it divides, in pixels; 0 is the
    resolution of the data.

    - patches: in their order, which the pairs keep.
    - resolutions: none is the data's own alone, whether the patches divide it or not.
    - image_size: of the data.

    Raises UserError for a resolution that images cannot have, and where a patch or a resolution is in no
    pair.
    """
    if not resolutions:
        return [(patch, 0) for patch in patches]
    if len(set(resolutions)) < len(resolutions):
        raise UserError(f"resolutions must be different sizes, got {tuple(resolutions)}")
    for side in resolutions:
        positive("resolutions", side)
        if side > image_size:
            raise UserError(
                f"resolutions: {side} is larger than data.image_size {image_size}; choose that at most"
            )
        if all(side % patch for patch in patches):
            near = min((d for p in patches for d in _multiples(p, image_size)), key=lambda d: abs(d - side))
            raise UserError(
                f"resolutions: none of patches {tuple(patches)} divides {side}; choose {near} or leave it out"
            )
    for patch in patches:
        if all(side % patch for side in resolutions):
            known = sorted({d for side in resolutions for d in divisors(side)})
            raise UserError(
                f"patches: {patch} divides none of resolutions {tuple(resolutions)}; choose from {known}"
            )
    return [
        (patch, 0 if side == image_size else side)
        for patch in patches
        for side in resolutions
        if side % patch == 0
    ]


def _multiples(patch: int, image_size: int) -> list[int]:
    return list(range(patch, image_size + 1, patch)) or [image_size]
