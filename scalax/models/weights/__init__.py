"""Published and converted weights."""

from scalax.models.weights.load import load

__all__ = ["load"]
