"""Scaling laws: fit, choose and forecast learning curves. JAX and NumPy only; serves any CSV."""

from scalax.laws.curves import Curve, resample_log
from scalax.laws.fitting import FAMILIES, Fit, fit
from scalax.laws.forecasting import Forecast, Reach, forecast
from scalax.laws.law import Law
from scalax.laws.readers import example_curves, read_curves
from scalax.laws.select import Choice, choose_breaks

__all__ = [
    "FAMILIES",
    "Choice",
    "Curve",
    "Fit",
    "Forecast",
    "Law",
    "Reach",
    "choose_breaks",
    "example_curves",
    "fit",
    "forecast",
    "read_curves",
    "resample_log",
]
