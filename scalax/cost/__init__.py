"""What a function costs: XLA's cost analysis, and an independent count that must agree with it."""

from scalax.cost.walk import Count, count, reconcile
from scalax.cost.xla import xla_flops

__all__ = ["Count", "count", "reconcile", "xla_flops"]
