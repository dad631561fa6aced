"""XLA's own cost analysis of a function, before any compilation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from scalax.cost.walk import Count, count_jaxpr
from scalax.errors import UserError
from scalax.untrusted import shown


class TwoCounts(NamedTuple):
    """Of one call: our own count; XLA's FLOPs; and the bytes that XLA has it move, before fusion.

    XLA's are of the lowered program: a loop's body counts once, padding does not, recomputation under remat
    does.
    """

    ours: Count
    xla_flops: float
    bytes_accessed: float


def count_both(fn: Callable, *args: Any) -> TwoCounts:
    """Our count of `fn(*args)` beside XLA's; the function is traced once, and arguments may be abstract.

    Lowered for the CPU whatever the devices are: accelerators' plugins analyse no lowered program, and the
    count should not depend on where it is made. Raises UserError where there is no CPU backend to do it.
    """
    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError as e:
        raise UserError(
            f"FLOPs are counted on the CPU backend, which is not there ({e}); set JAX_PLATFORMS"
        ) from None
    with jax.default_device(cpu):
        traced = (fn if hasattr(fn, "trace") else jax.jit(fn)).trace(*args)
        try:
            found = traced.lower().cost_analysis() or {}
        except RuntimeError as e:  # an array of more elements than a whole number of 64 bits counts
            what = shown(str(e), most=100)
            raise UserError(f"XLA cannot count it ({what}); choose fewer or smaller examples") from None
        flops, moved = (float(found.get(name, 0.0)) for name in ("flops", "bytes accessed"))
        return TwoCounts(count_jaxpr(traced.jaxpr), flops, moved)
