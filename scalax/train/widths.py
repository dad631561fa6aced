"""Rates and initial values that keep their meaning at another width: the maximal-update parametrisation.

'Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer' (Yang et al. 2022),
table 8, for Adam. Kernels that sum over the width learn at base_width / width times the rate. All that is a
vector over the width, and kernels that read the data alone, learn at the rate itself; their initial variance
does not depend on the width. Heads begin at zero, which is within the rule. A model as wide as base_width
trains as without.
"""

import math
from typing import Any

import flax.linen as nn
import jax

from scalax import models
from scalax.train.optimizer import Optimizer

Path = tuple[Any, ...]


def scaled(
    optimizer: Optimizer, module: nn.Module, example: jax.ShapeDtypeStruct, base_width: int
) -> Optimizer:
    """The optimiser with the rates of this width.

    - optimizer: whose rates are those of base_width.
    - module: that is trained.
    - example: one input, without the batch axis.
    - base_width: 0 leaves the optimiser as it is.
    """
    if not base_width:
        return optimizer
    ratio, grown = _width(module) / base_width, _grown(module, example)
    factors = {path: 1 / ratio if _sums(path, axes) else 1.0 for path, axes in grown.items()}
    return optimizer._replace(rate_factor=lambda path: factors[path])


def scale_initial(params: Any, module: nn.Module, base_width: int) -> Any:
    """Parameters as they begin at this width.

    - params: as module.init gives them, or such as have a leading axis.
    - module: that is trained.
    - base_width: 0 leaves them as they are.

    Those of the embedding that are no kernel (positions, tokens) are drawn with variance 1 / width; they get
    1 / base_width.
    """
    if not base_width:
        return params
    own, factor = models.family_of(module).embedding, math.sqrt(_width(module) / base_width)

    def begun(path: Path, leaf: jax.Array) -> jax.Array:
        drawn = path[0].key in own and path[-1].key not in ("kernel", "bias", "scale")
        return leaf * factor if drawn else leaf

    return jax.tree_util.tree_map_with_path(begun, params)


def _width(module: nn.Module) -> int:
    return getattr(module, models.family_of(module).growth.axes["width"][0])


def _grown(module: nn.Module, example: jax.ShapeDtypeStruct) -> dict[Path, tuple[bool, ...]]:
    """Of each parameter, by path: which of its axes are longer in a model twice as wide."""
    fields = models.family_of(module).growth.axes["width"]
    wide = module.clone(**{name: 2 * getattr(module, name) for name in fields})
    own, others = (
        jax.tree_util.tree_leaves_with_path(models.abstract_variables(each, example)["params"])
        for each in (module, wide)
    )
    return {
        path: tuple(m != n for m, n in zip(leaf.shape, other.shape, strict=True))
        for (path, leaf), (_, other) in zip(own, others, strict=True)
    }


def _sums(path: Path, axes: tuple[bool, ...]) -> bool:
    """Whether this is a kernel that sums over the width: one of its axes grows that is not all it writes."""
    return path[-1].key == "kernel" and (sum(axes) > 1 or (any(axes) and not axes[-1]))
