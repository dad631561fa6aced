"""What a function costs: XLA's cost analysis, and an independent count that must agree with it."""

from scalax.cost.walk import Count, count, reconcile
from scalax.cost.xla import TwoCounts, count_both

__all__ = ["Count", "TwoCounts", "count", "count_both", "reconcile"]
