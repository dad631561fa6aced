"""Scaling laws: fit, choose and forecast learning curves. JAX and NumPy only; serves any CSV."""

from scalax.laws.curves import Curve, Scale, resample_log
from scalax.laws.family import Extent, Family, ShiftedPower, lerp, transforms, unpack
from scalax.laws.fit_result import Fit
from scalax.laws.fitting import fit
from scalax.laws.flags import Flag
from scalax.laws.forecast_result import Forecast, Reach
from scalax.laws.forecasting import forecast
from scalax.laws.law import Law
from scalax.laws.peak import Peak, before_peak, until_peak
from scalax.laws.priors import PriorCoordinates, wide_prior
from scalax.laws.readers import Curves, Remark, as_curves, example_curves, read_curves
from scalax.laws.registry import FAMILIES, lookup, register
from scalax.laws.segments import Segments, segments_of
from scalax.laws.select import Choice, choose_all, choose_breaks
from scalax.laws.watch import Outlook, Watch

__all__ = [
    "FAMILIES",
    "Choice",
    "Curve",
    "Curves",
    "Extent",
    "Family",
    "Fit",
    "Flag",
    "Forecast",
    "Law",
    "Outlook",
    "Peak",
    "PriorCoordinates",
    "Reach",
    "Remark",
    "Scale",
    "Segments",
    "ShiftedPower",
    "Watch",
    "as_curves",
    "before_peak",
    "choose_all",
    "choose_breaks",
    "example_curves",
    "fit",
    "forecast",
    "lerp",
    "lookup",
    "read_curves",
    "register",
    "resample_log",
    "segments_of",
    "transforms",
    "unpack",
    "until_peak",
    "wide_prior",
]
