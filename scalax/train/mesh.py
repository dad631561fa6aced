"""All devices of all processes as one axis `data`: what is replicated over it, and what is split."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from scalax.errors import UserError

AXIS = "data"


def make_mesh() -> Mesh:
    """All devices in one axis, those of each process side by side: process p feeds part p of a batch."""
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))


def check_batch(mesh: Mesh, batch_size: int, name: str = "batch_size", parts: int = 1) -> None:
    """Raises UserError where the global batch does not split evenly over the devices and its parts.

    - mesh: of the devices.
    - batch_size: of the global batch.
    - name: of the batch size, for the message.
    - parts: of each device's part.
    """
    if batch_size % (mesh.size * parts):
        each = f" of {parts} micro-batches" if parts > 1 else ""
        raise UserError(
            f"{name} {batch_size} does not split over {mesh.size} devices{each};"
            f" use a multiple of {mesh.size * parts}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, P())


def batched(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Split along `axis`."""
    return NamedSharding(mesh, P(*[None] * axis, AXIS))


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Every device of every process holds all of it; all processes give the same host arrays."""
    sharding = replicated(mesh)

    def put(array):
        array = np.asarray(array)
        return jax.make_array_from_process_local_data(sharding, array, array.shape)

    return jax.tree.map(put, tree)


def split(mesh: Mesh, tree: Any, axis: int = 0) -> Any:
    """This process's part of host arrays to device arrays of the global batch.

    - mesh: of the devices.
    - tree: of host arrays.
    - axis: that is split over the devices.
    """
    sharding = batched(mesh, axis)

    def put(array: np.ndarray):
        shape = list(array.shape)
        shape[axis] *= jax.process_count()
        return jax.make_array_from_process_local_data(sharding, array, tuple(shape))

    return jax.tree.map(put, tree)


def state_shardings(mesh: Mesh, state: Any, split_moments: bool, members: int | None = None) -> Any:
    """Where each leaf of a TrainState lives.

    - mesh: of the devices.
    - state: a TrainState of arrays or shapes.
    - split_moments: split the optimiser's state along the largest dimension that the devices divide (ZeRO-1,
      Rajbhandari et al. 2020); all else is on every device.
    - members: of a population, which are never split apart; None for a run alone.
    """
    shardings = jax.tree.map(lambda _: replicated(mesh), state)
    if not split_moments:
        return shardings
    first = 0 if members is None else 1

    def moment(leaf) -> NamedSharding:
        fitting = [axis for axis in range(first, leaf.ndim) if leaf.shape[axis] % mesh.size == 0]
        return batched(mesh, max(fitting, key=lambda axis: leaf.shape[axis])) if fitting else replicated(mesh)

    return shardings._replace(opt_state=jax.tree.map(moment, state.opt_state))
