"""Put the arrays of a file into a model, resized to it, and say all that does not fit at once."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from scalax.errors import UserError
from scalax.models.resize import resize_patch_kernel, resize_positions
from scalax.models.scan import is_scanned, stack_blocks, unstack_blocks
from scalax.models.weights.files import read_arrays
from scalax.models.weights.published import from_published

STATISTICS = "batch_stats/"
INPUT = ("input/mean", "input/std")  # that pixels in 0..1 are normalised by, [3]; without them by 0.5 and 0.5
NAMED = 8  # parameters that a message names


def load(
    path: str | PathLike[str], module: nn.Module, variables: Mapping[str, Any], *, keep_head: bool = True
) -> dict[str, Any]:
    """`variables` of `module` with the parameters of a published .npz file, or of one `scalax convert` wrote.

    - path: of the file.
    - module: of the model.
    - variables: of the module, which say what is wanted.
    - keep_head: take the head too.

    Otherwise as `fit_arrays`. Positions on another grid are resized as FlexiViT's own code does, antialiased
    where they become fewer.
    """
    arrays = from_published(read_arrays(path), str(path))
    for name in INPUT:
        arrays.pop(name, None)
    named = {key if key.startswith(STATISTICS) else f"params/{key}": x for key, x in arrays.items()}
    return fit_arrays(named, module, variables, keep_head=keep_head, where=f"weights {path}", antialias=True)


def input_range(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and standard deviation [3] of the pixels, from 0 to 1, that a file of weights expects; None where
    it does not say, as published JAX files do not: they expect 0.5 and 0.5.

    Raises UserError where the file cannot be read.
    """
    arrays = read_arrays(path)
    return (arrays[INPUT[0]], arrays[INPUT[1]]) if set(INPUT) <= arrays.keys() else None


def fit_arrays(
    arrays: Mapping[str, np.ndarray],
    module: nn.Module,
    variables: Mapping[str, Any],
    *,
    keep_head: bool = True,
    where: str,
    antialias: bool = False,
) -> dict[str, Any]:
    """`variables` of `module` with `arrays` in their places.

    - arrays: by name, 'params/block00/attn/query/kernel' or 'batch_stats/...'. Position embeddings and patch
      kernels are resized to those of `variables`, blocks stacked or unstacked for a scanned or looped module.
    - variables: each value takes the type it has here; abstract ones do where all come from `arrays`.
    - keep_head: without it the head stays that of `variables` (a dense layer before the head, 'pre_logits',
      is taken only where the module has it).
    - where: names the arrays in errors.
    - antialias: resize positions to fewer with antialiasing; by default as the models do in training.

    Raises UserError with the parameters that are missing, unexpected or of another shape.
    """
    try:
        got: dict[str, Any] = _stacked_like(dict(arrays), is_scanned(module))
    except (ValueError, IndexError, KeyError, TypeError) as e:
        raise UserError(f"{where}: its blocks differ in names or shapes ({e}); fetch it again") from None
    want: dict[str, Any] = flatten_dict(dict(variables), sep="/")
    if not keep_head:
        spare = [key for key in got if key.startswith("params/representation/") and key not in want]
        got = {key: x for key, x in got.items() if key not in spare and not key.startswith("params/head/")}
        got |= {key: x for key, x in want.items() if key.startswith("params/head/")}
    got = {key: _fitted(key, x, want[key].shape, antialias) if key in want else x for key, x in got.items()}
    _check(where, want, got)
    loaded = {key: x if x is want[key] else jnp.asarray(x, want[key].dtype) for key, x in got.items()}
    return unflatten_dict(loaded, sep="/")


def _stacked_like(arrays: dict[str, Any], scan: bool) -> dict[str, Any]:
    stacked = any(key.startswith("params/blocks/") for key in arrays)
    looped = any(key.startswith("params/block00/") for key in arrays)
    if stacked == scan or not (stacked or looped):
        return arrays
    tree = unflatten_dict(arrays, sep="/")
    params = stack_blocks(tree["params"], np.stack) if scan else unstack_blocks(tree["params"])
    return flatten_dict({**tree, "params": params}, sep="/")


def _fitted(key: str, x: np.ndarray, shape: tuple[int, ...], antialias: bool) -> np.ndarray:
    """x resized to `shape` where it is a patch kernel or a grid of positions that differs in size alone."""
    if x.shape == shape or x.ndim != len(shape) or x.shape[2:] != shape[2:] or not x.size:
        return x
    if key == "params/embedding/kernel" and x.ndim == 4 and x.shape[0] == x.shape[1]:
        return np.asarray(resize_patch_kernel(jnp.asarray(x, jnp.float32), shape[0]))
    if key == "params/pos_embedding" and x.ndim == 3:
        return np.asarray(resize_positions(jnp.asarray(x, jnp.float32), (shape[0], shape[1]), antialias))
    return x


def _check(where: str, want: Mapping, got: Mapping) -> None:
    problems = [f"missing {key} {want[key].shape}" for key in sorted(set(want) - set(got))]
    problems += [f"unexpected {key} {got[key].shape}" for key in sorted(set(got) - set(want))]
    problems += [
        f"{key} is {tuple(got[key].shape)}, the model's {tuple(want[key].shape)}"
        for key in sorted(set(want) & set(got))
        if tuple(got[key].shape) != tuple(want[key].shape)
    ]
    if problems:
        more = len(problems) - NAMED
        shown = problems[:NAMED] + ([f"and {more} more"] if more > 0 else [])
        remedy = "choose the model that the file was made for"
        if all("params/head/" in problem for problem in problems):
            remedy = "keep_head=False leaves the head out"
        raise UserError(f"{where} do not fit: {'; '.join(shown)}; {remedy}")
