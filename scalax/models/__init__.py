"""Models as linen modules with pure `init` and `apply`: a file a family, each with its table of variants."""

from scalax.models.family import FAMILIES, Family, Inputs, build, family_of, find, register
from scalax.models.growth import Growth
from scalax.models.scan import stack_blocks, unstack_blocks
from scalax.models.shapes import abstract_variables
from scalax.models.weights import fit_arrays, input_range, load

__all__ = [
    "FAMILIES",
    "Family",
    "Growth",
    "Inputs",
    "abstract_variables",
    "build",
    "family_of",
    "find",
    "fit_arrays",
    "input_range",
    "load",
    "register",
    "stack_blocks",
    "unstack_blocks",
]
