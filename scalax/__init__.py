"""Train vision models along scaling laws, and fit the laws themselves."""

from scalax.distribution import VERSION as __version__

__all__ = ["__version__"]
