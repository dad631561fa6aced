"""M2: y = e_inf + b x^c, c < 0."""

from scalax.laws.families._power import REVISITING, limit_plus_power
from scalax.laws.family import Family, ShiftedPower, transforms, unpack


def _log_limit(p):
    log_e_inf, *_ = unpack(p)
    return log_e_inf


FAMILY = Family(
    name="m2",
    formula="e_inf + b x^c",
    source=f"{REVISITING}, M2",
    names=("e_inf", "b", "c"),
    **transforms("log", "log", "-log"),
    **limit_plus_power(-1.0),
    log_limit=_log_limit,
    floor="e_inf",
    as_shifted_power=lambda params: ShiftedPower(params["b"], -params["c"], params["e_inf"]),
    labels={"e_inf": "e_inf (limit)", "b": "b", "c": "c"},
    decisive=("c",),
    colour="#E69F00",
)
