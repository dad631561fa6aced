"""How many times less compute (steps, tokens, hours) one recipe needs for what another reaches."""

from scalax.laws.speedup.compare import Speedup, pairs_of, speedup

__all__ = ["Speedup", "pairs_of", "speedup"]
