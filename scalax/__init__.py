"""Train vision models along scaling laws, and fit the laws themselves."""

__version__ = "0.1.0"
