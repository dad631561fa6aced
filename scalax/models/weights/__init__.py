"""Published and converted weights."""

from scalax.models.weights.load import fit_arrays, load

__all__ = ["fit_arrays", "load"]
