"""One model's training state as another's: patch size and resolution first, then width, then depth."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from scalax import models
from scalax.config import MorphConfig
from scalax.errors import UserError
from scalax.models import Family, Growth
from scalax.models.scan import is_scanned, looped
from scalax.morph import depth, patch, trees, width
from scalax.morph.moments import map_moments
from scalax.morph.trees import Flat


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
    example: jax.ShapeDtypeStruct,
    after_example: jax.ShapeDtypeStruct | None = None,
) -> tuple[Any, Any, Any]:
    """(params, model_state, opt_state) of `before` as those of `after`.

    - before, after: of one family; they differ in patch, width or depth (models.build).
    - params, opt_state: as before.init and an optimiser of optax give them.
    - model_state: the collections that are not trained, {'batch_stats': ...} or {}.
    - key: all that is random comes from it.
    - example: one example of the models' input, without the batch axis.
    - after_example: that of `after`, where its resolution is another.

    Structure, shapes and dtypes are those of a new state of `after`. Pure: jit it with the modules, config
    and examples closed over, and with out_shardings, to place the result. Where a ViT's patch or resolution,
    or a ResNet's resolution, alone changes, all comes back as it is.

    Raises UserError where the models differ in more than that, or shrink in width or depth.
    """
    if type(before) is not type(after):
        raise UserError(f"cannot turn a {type(before).__name__} into a {type(after).__name__}")
    after_example = example if after_example is None else after_example
    _check_examples(models.family_of(before), example, after_example)
    steps = _steps(before, after, config, example, after_example)
    scans = [is_scanned(module) for module in (before, after)]
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
    chex.assert_trees_all_equal_shapes(flat, trees.shapes(looped(before), example))
    for index, step in enumerate(steps):
        flat = step.variables(flat, jax.random.fold_in(key, index))
    chex.assert_trees_all_equal_shapes(flat, trees.shapes(looped(after), after_example))
    variables = trees.unflatten(flat, scans[1])
    return variables.pop("params"), variables, opt_state


def _steps(
    before: nn.Module,
    after: nn.Module,
    config: MorphConfig,
    example: jax.ShapeDtypeStruct,
    after_example: jax.ShapeDtypeStruct,
) -> list[Step]:
    """Those changes of patch and resolution, of width and of depth, in this order, that do something."""
    family = models.family_of(before)
    _check_fields(family, before, after)
    growth = family.growth
    before, after = looped(before), looped(after)
    patched = _with_axis(before, after, growth, "patch")
    old = trees.shapes(before, example)
    at_patch, at_width, new = (
        trees.shapes(module, after_example)
        for module in (patched, _with_axis(after, before, growth, "depth"), after)
    )
    steps = []
    if at_patch != old:
        scaled = config.moments == "scaled"
        steps.append(
            Step(
                lambda flat, key: patch.resize_tokens(flat, at_patch, growth),
                lambda flat, second: patch.resize_token_moments(flat, at_patch, growth, second, scaled),
            )
        )
    if at_width != at_patch:
        width.check_width(at_patch, at_width, before, after, growth, config.width)
        steps.append(
            Step(
                lambda flat, key: width.widen(flat, at_width, growth, config, key),
                lambda flat, second: width.widen_moments(flat, at_width, growth, config, second),
            )
        )
    if new != at_width:
        order = depth.block_order(growth.stages(before), growth.stages(after), growth.first_copied, config)
        ends = growth.branch_ends(after)
        steps.append(
            Step(
                lambda flat, key: depth.add_blocks(flat, order, ends, after, after_example, key, config),
                lambda flat, second: depth.add_block_moments(flat, order, ends, new, second, config),
            )
        )
    return steps


def _with_axis(module: nn.Module, source: nn.Module, growth: Growth, axis: str) -> nn.Module:
    """`module` with the fields of `axis` as those of `source`."""
    return module.clone(**{name: getattr(source, name) for name in growth.axes.get(axis, ())})


def _check_examples(family: Family, before: jax.ShapeDtypeStruct, after: jax.ShapeDtypeStruct) -> None:
    """Raises UserError where the inputs change and the family's models cannot follow."""
    if before != after and "resolution" not in family.axes:
        raise _refusal(family, "its input", before.shape, after.shape)


def _check_fields(family: Family, before: nn.Module, after: nn.Module) -> None:
    """Raises UserError where the models differ in what no change of shape can turn into another."""
    growth = family.growth
    may_differ = {"parent", "name", *growth.free, *itertools.chain(*growth.axes.values())}
    for name in sorted({field.name for field in dataclasses.fields(before)} - may_differ):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            raise _refusal(family, name, old, new)


def _refusal(family: Family, what: str, old: Any, new: Any) -> UserError:
    """Of a change that no model of the family can make: of `what`, from `old` to `new`."""
    only = f"only {', '.join(family.axes)} may" if family.axes else "its shape cannot change"
    return UserError(f"change of shape of a {family.title}: {what} would go from {old} to {new}; {only}")
