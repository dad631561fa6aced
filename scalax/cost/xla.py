"""XLA's own cost analysis of a function, before any compilation."""

from collections.abc import Callable
from typing import Any

import jax

from scalax.errors import UserError


def xla_analysis(fn: Callable, *args: Any) -> dict[str, float]:
    """XLA's analysis of the lowered `fn(*args)`: 'flops', 'bytes accessed' before fusion, and more.

    Lowered for the CPU whatever the devices are: accelerators' plugins analyse no lowered program, and the
    count should not depend on where it is made. Arguments may be abstract. Raises UserError where there is
    no CPU backend to do it.
    """
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError as e:
        raise UserError(
            f"FLOPs are counted on the CPU backend, which is not there ({e}); set JAX_PLATFORMS"
        ) from None
    with jax.default_device(cpu):
        return (fn if hasattr(fn, "lower") else jax.jit(fn)).lower(*args).cost_analysis() or {}


def xla_flops(fn: Callable, *args: Any) -> float:
    """FLOPs that XLA counts in `fn(*args)`; arguments may be abstract.

    From the lowered program: a loop's body counts once, padding does not, recomputation under remat does.
    """
    return float(xla_analysis(fn, *args).get("flops", 0.0))
