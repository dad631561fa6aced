"""XLA's own cost analysis of a function, before any compilation."""

import jax


def xla_flops(fn, *args) -> float:
    """FLOPs that XLA counts in `fn(*args)`; arguments may be abstract.

    From the lowered program: a loop's body counts once, padding does not, recomputation under remat does.
    """
    lowered = (fn if hasattr(fn, "lower") else jax.jit(fn)).lower(*args)
    return float((lowered.cost_analysis() or {}).get("flops", 0.0))
