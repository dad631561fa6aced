"""The devices as one axis `data`: what is replicated over it, and what is split."""

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from scalax.errors import UserError

AXIS = "data"


def make_mesh() -> Mesh:
    """All devices of all hosts in one axis."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def check_batch(mesh: Mesh, batch_size: int) -> None:
    """Raises UserError where the global batch does not split evenly over the devices."""
    if batch_size % mesh.size:
        raise UserError(
            f"batch_size {batch_size} does not split over {mesh.size} devices; use a multiple of it"
        )


def replicate(mesh: Mesh, tree):
    """Every device holds all of it."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def split(mesh: Mesh, tree):
    """Host arrays of the global batch, [B, ...], to device arrays split along B."""

    def put(array: np.ndarray):
        sharding = NamedSharding(mesh, P(AXIS))
        return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)

    return jax.tree.map(put, tree)
