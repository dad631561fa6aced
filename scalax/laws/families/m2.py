"""M2: y = e_inf + b x^c, c < 0."""

import jax.numpy as jnp

from scalax.laws.families._power import REVISITING, limit_plus_power
from scalax.laws.family import Family, ShiftedPower, transforms, unpack
from scalax.laws.priors import PriorCoordinates, wide_prior


def _log_limit(p):
    log_e_inf, *_ = unpack(p)
    return log_e_inf


def _coordinates(p, top):
    log_e_inf, _, log_c = unpack(p)
    return jnp.stack([log_e_inf, log_c])


FAMILY = Family(
    name="m2",
    formula="e_inf + b x^c",
    source=f"{REVISITING}, M2",
    names=("e_inf", "b", "c"),
    **transforms("log", "log", "-log"),
    **limit_plus_power(-1.0),
    log_limit=_log_limit,
    floor="e_inf",
    prior=PriorCoordinates(_coordinates, wide_prior([-1, -1], [1, 0.8])),
    as_shifted_power=lambda params: ShiftedPower(params["b"], -params["c"], params["e_inf"]),
    labels={"e_inf": "e_inf (limit)", "b": "b", "c": "c"},
    decisive=("c",),
    colour="#E69F00",
)
