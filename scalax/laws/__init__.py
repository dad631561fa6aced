"""Scaling laws: fit, choose and forecast learning curves. JAX and NumPy only; serves any CSV."""

from scalax.laws.curves import Curve, resample_log
from scalax.laws.fitting import FAMILIES, Fit, fit
from scalax.laws.law import Law

__all__ = ["FAMILIES", "Curve", "Fit", "Law", "fit", "resample_log"]
