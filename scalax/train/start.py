"""Parameters that a run begins with: at random, from a file of weights, or from another run."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from etils import epath

from scalax import data, models
from scalax.config import RunConfig, StartConfig
from scalax.errors import UserError
from scalax.records import METRICS_FILE, RunInfo, read_info, read_run
from scalax.settings import config_of
from scalax.train.checkpoint import newest_in, read_path
from scalax.train.group import checkpoints_of
from scalax.train.saved import saved_of
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
        if isinstance(new, jax.ShapeDtypeStruct):  # a new head, where only shapes are asked for
            return old
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
    """'params/...' and 'batch_stats/...' of a run as it ended.

    - directory: of the run.
    - setting: what errors call it.

    Raises UserError where the run is not finished, or the newest checkpoint is not of its end, is of another
    run, or cannot be read.
    """
    info, where = read_info(directory), epath.Path(directory)
    if not info.finished:  # else what a run begins with would depend on when it begins
        raise UserError(f"{setting} {directory}: the run is not finished; finish it, or name another")
    checkpoints, member = checkpoints_of(where, info)
    path = newest_in(checkpoints)
    if path is None:
        raise UserError(f"{setting} {directory}: the run has no checkpoint; name one that has")
    if (end := _end(where, info)) not in (None, int(path.name)):
        raise UserError(
            f"{setting} {directory}: the run ended at step {end}, and its newest checkpoint is {path};"
            " restore that of its end, or name another run"
        )
    try:
        state, progress, members = read_path(path)
        if progress or info.name is not None:
            saved_of(path, progress, info.name, member, members)
    except UserError as e:
        raise UserError(f"{setting} {directory}: {e}; restore it, or name another run") from e
    leaves = jax.tree_util.tree_leaves_with_path({"params": state["params"], **state["model_state"]})
    return {
        "/".join(str(key.key) for key in at): np.asarray(x if member is None else np.asarray(x)[member])
        for at, x in leaves
    }


def _end(directory: epath.Path, info: RunInfo) -> int | None:
    """Step at which a finished run ended; None where its directory does not say. run.json has that which the
    run began with a plan for, and its records where it ended."""
    if (directory / METRICS_FILE).exists():
        return read_run(directory, info).records[-1].step
    return info.steps or None
