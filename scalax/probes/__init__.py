"""What frozen features are worth: small problems solved on top of them."""

from scalax.probes.fewshot import draw_shots as draw_shots
from scalax.probes.fewshot import fewshot_errors as fewshot_errors
