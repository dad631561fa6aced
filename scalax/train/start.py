"""Parameters that a run begins with: at random, from a file of weights, or from another run."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from etils import epath

from scalax import data, models, untrusted
from scalax.config import RunConfig, StartConfig
from scalax.errors import UserError
from scalax.records import read_info
from scalax.settings import config_of
from scalax.train.checkpoint import read_as_saved
from scalax.train.group import checkpoints_of
from scalax.train.state import TrainState


def apply(config: StartConfig, module: nn.Module, state: TrainState, population: bool) -> TrainState:
    """The state, with the parameters and running statistics that config.start names.

    - config: where they begin.
    - module: of the state.
    - state: which began at random.
    - population: its leaves have a leading axis [M], and all members start alike.

    Raises UserError where they cannot be read, or are those of another model.
    """
    if not (config.weights or config.run):
        return state
    own = {"params": state.params, **state.model_state}
    one = jax.tree.map(lambda x: x[0], own) if population else own
    if config.weights:
        found = models.load(config.weights, module, one, keep_head=config.keep_head)
    else:
        arrays = arrays_of_run(config.run, "start.run")
        found = models.fit_arrays(arrays, module, one, keep_head=config.keep_head, where=config.run)
    head = own["params"].get("head") if not config.keep_head else None

    def placed(old: jax.Array, new: Any) -> jax.Array:
        new = np.broadcast_to(np.asarray(new), old.shape) if population else np.asarray(new)
        return jax.make_array_from_callback(old.shape, old.sharding, lambda index: new[index])

    variables = jax.tree.map(placed, own, found)
    params = variables.pop("params")
    if head is not None:
        params = {**params, "head": head}  # of each member's own seed
    return state._replace(params=params, model_state=variables)


def with_normalization(config: RunConfig) -> RunConfig:
    """The config with data.normalize named, where it is auto and what the run begins with wants another range
    than symmetric: of what a run has recorded, auto is symmetric.

    Raises UserError where the weights or the run that it begins with cannot be read.
    """
    if config.data.normalize != "auto":
        return config
    name = "symmetric"
    if config.start.run:
        name = config_of(read_info(config.start.run).config, f"{config.start.run}/run.json").data.normalize
    elif config.start.weights and (found := models.input_range(config.start.weights)):
        try:
            name = data.range_of(*found)
        except ValueError as e:
            raise UserError(f"weights {config.start.weights}: {e}; set data.normalize") from None
    if name in ("auto", "symmetric"):
        return config
    return dataclasses.replace(config, data=dataclasses.replace(config.data, normalize=name))


def arrays_of_run(directory: str, setting: str) -> dict[str, np.ndarray]:
    """'params/...' and 'batch_stats/...' of the newest checkpoint of a run.

    - directory: of the run.
    - setting: what errors call it.

    Raises UserError where the run is not finished, or has no checkpoint that can be read.
    """
    info = read_info(directory)
    if not info.finished:  # else what a run begins with would depend on when it begins
        raise UserError(f"{setting} {directory}: the run is not finished; finish it, or name another")
    path, member = checkpoints_of(epath.Path(directory), info)
    try:
        state = read_as_saved(path)
        if state is None:
            raise UserError(f"{setting} {directory}: the run has no checkpoint; name one that has")
        leaves = jax.tree_util.tree_leaves_with_path({"params": state["params"], **state["model_state"]})
        return {
            "/".join(str(key.key) for key in path): np.asarray(x if member is None else np.asarray(x)[member])
            for path, x in leaves
        }
    except UserError:
        raise
    except Exception as e:  # a damaged file can fail in any layer of the reader
        reason = untrusted.shown(f"{type(e).__name__}: {e}".splitlines()[0], most=200)
        raise UserError(f"{setting} {directory}: its checkpoint cannot be read ({reason})") from e
