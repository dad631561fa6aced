"""Published and converted weights."""

from scalax.models.weights.load import fit_arrays, input_range, load

__all__ = ["fit_arrays", "input_range", "load"]
