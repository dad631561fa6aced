"""What a function costs: XLA's cost analysis, and an independent count that must agree with it."""

from scalax.cost.walk import Count, count, reconcile
from scalax.cost.xla import count_both, xla_flops

__all__ = ["Count", "count", "count_both", "reconcile", "xla_flops"]
