"""What cannot fit into memory at all is refused before anything is made."""

import math
import os
from typing import Any

import jax

from scalax.errors import UserError


def available_bytes() -> int:
    """Of the first device: its own memory, or that of the machine where it has none."""
    try:
        own = (jax.devices()[0].memory_stats() or {}).get("bytes_limit")
    except jax.errors.JaxRuntimeError:  # a device that counts nothing
        own = None
    return int(own or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def tree_bytes(tree: Any) -> int:
    """Of all arrays, or of what has a shape and a type."""
    leaves = jax.tree.leaves(tree, is_leaf=lambda x: hasattr(x, "dtype"))
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves)


def check_fits(what: str, size: int, remedy: str) -> None:
    """Raises UserError where something takes more memory than there is.

    - what: begins the message.
    - size: in bytes on one device.
    - remedy: ends it.
    """
    most = available_bytes()
    if size > most:
        raise UserError(
            f"{what} takes {size / 2**30:,.1f} GiB, and a device has {most / 2**30:,.1f}; {remedy}"
        )
