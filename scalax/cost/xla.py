"""XLA's own cost analysis of a function, before any compilation."""

from collections.abc import Callable
from typing import Any

import jax

from scalax.cost.walk import Count, count_jaxpr
from scalax.errors import UserError


def count_both(fn: Callable, *args: Any) -> tuple[Count, dict[str, float]]:
    """Our count of `fn(*args)`, and XLA's analysis of the same lowered: 'flops', 'bytes accessed' before
    fusion, and more. The function is traced once.

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
        traced = (fn if hasattr(fn, "trace") else jax.jit(fn)).trace(*args)
        return count_jaxpr(traced.jaxpr), traced.lower().cost_analysis() or {}


def xla_flops(fn: Callable, *args: Any) -> float:
    """FLOPs that XLA counts in `fn(*args)`; arguments may be abstract.

    From the lowered program: a loop's body counts once, padding does not, recomputation under remat does.
    """
    return float(count_both(fn, *args)[1].get("flops", 0.0))
