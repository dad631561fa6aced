"""One model's training state as another's: patch size first, then width, then depth."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax.config import MorphConfig
from scalax.errors import UserError
from scalax.morph import depth, patch, trees, width
from scalax.morph.moments import map_moments
from scalax.morph.trees import Flat

# The shape, and what parameters do not depend on.
MAY_DIFFER = {"patch", "width", "depth", "stages", "heads", "mlp_dim", "channel_dim", "token_dim"} | {
    *("scan", "remat", "dropout", "drop_path", "dtype", "axis_name", "parent", "name")
}


class Step(NamedTuple):
    """One aspect of a change: variables(flat, key), and moments(flat, is second) that follow them."""

    variables: Callable[[Flat, jax.Array], Flat]
    moments: Callable[[Flat, bool], Flat]


def change(
    before: nn.Module,
    after: nn.Module,
    params: Any,
    model_state: Any,
    opt_state: Any,
    key: jax.Array,
    config: MorphConfig,
    image_shape: tuple[int, ...],
) -> tuple[Any, Any, Any]:
    """(params, model_state, opt_state) of `before` as those of `after`; image_shape: (H, W, C).

    The modules are of one family and differ in patch, width or depth (models.build). model_state holds the
    collections that are not trained ({'batch_stats': ...} or {}). Structure, shapes and dtypes are those of a
    new state of `after`. All that is random comes from `key`. Pure: jit it with the modules, config and
    image_shape closed over, and with out_shardings, to place the result. Where a ViT's patch alone changes,
    all comes back as it is.

    Raises UserError where the models differ in more than that, or shrink in width or depth.
    """
    if type(before) is not type(after):
        raise UserError(f"cannot turn a {type(before).__name__} into a {type(after).__name__}")
    steps = _steps(before, after, config, image_shape)
    scans = [bool(getattr(module, "scan", False)) for module in (before, after)]
    if not steps and scans[0] == scans[1]:
        return params, model_state, opt_state

    def moments(tree, second: bool):
        flat = trees.flatten({"params": tree}, scans[0])
        for step in steps:
            flat = step.moments(flat, second)
        if steps and config.moments == "zeros":
            flat = {k: x if trees.is_masked(x) else jnp.zeros_like(x) for k, x in flat.items()}
        return trees.unflatten(flat, scans[1])["params"]

    opt_state = map_moments(opt_state, params, moments, restart=bool(steps) and config.moments == "zeros")
    flat = trees.flatten({"params": params, **model_state}, scans[0])
    for index, step in enumerate(steps):
        flat = step.variables(flat, jax.random.fold_in(key, index))
    variables = trees.unflatten(flat, scans[1])
    return variables.pop("params"), variables, opt_state


def _steps(before: Any, after: Any, config: MorphConfig, image_shape) -> list[Step]:
    """Those changes of patch, width and depth, in this order, that do something."""
    _check_fields(before, after)
    loop = {"scan": False} if hasattr(after, "scan") else {}
    before, after = before.clone(**loop), after.clone(**loop)
    patched = before.clone(patch=after.patch) if hasattr(after, "patch") else before
    blocks = {name: getattr(before, name) for name in ("depth", "stages") if hasattr(before, name)}
    old, at_patch, at_width, new = (
        trees.shapes(module, image_shape) for module in (before, patched, after.clone(**blocks), after)
    )
    steps = []
    if at_patch != old:
        scaled = config.moments == "scaled"
        steps.append(
            Step(
                lambda flat, key: patch.resize_tokens(flat, at_patch),
                lambda flat, second: patch.resize_token_moments(flat, at_patch, second, scaled),
            )
        )
    if at_width != at_patch:
        width.check_width(at_patch, at_width, before, after, config.width)
        steps.append(
            Step(
                lambda flat, key: width.widen(flat, at_width, before, config, key),
                lambda flat, second: width.widen_moments(flat, at_width, before, config, second),
            )
        )
    if new != at_width:
        order = depth.block_order(before, after, config)
        steps.append(
            Step(
                lambda flat, key: depth.add_blocks(flat, order, after, image_shape, key, config),
                lambda flat, second: depth.add_block_moments(flat, order, after, new, second, config),
            )
        )
    return steps


def _check_fields(before: nn.Module, after: nn.Module) -> None:
    """Raises UserError where the models differ in what no change of shape can turn into another."""
    names = {field.name for field in dataclasses.fields(before)} - MAY_DIFFER
    for name in sorted(names):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            raise UserError(
                f"change of shape: {name} would go from {old} to {new}; only patch, width and depth may"
            )
