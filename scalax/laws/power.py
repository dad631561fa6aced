"""Laws made of power terms: M1, M2, M3, the shifted power, downstream against upstream, two variables."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from scalax.laws.family import TINY, Family, Span, between, coordinates, log_excess

REVISITING = "Alabdulmohsin et al. 2022, 'Revisiting Neural Scaling Laws in Language and Vision'"
ADAPTIVE = (
    "Anagnostidis et al. 2024, 'Navigating Scaling Laws: Compute Optimality in Adaptive Model Training'"
)
LIMITS = "Abnar et al. 2021, 'Exploring the Limits of Large Scale Pre-training'"
CHINCHILLA = "Hoffmann et al. 2022, 'Training Compute-Optimal Large Language Models'"


def _exponents(span: Span, unit):
    """Log exponents around the curve's own slope, from a fifth of it to twelve times it."""
    return np.log(span.steepness) + between(-1.6, 2.5, unit)


def _exponent_box(span: Span):
    return np.log(span.steepness) - 12, np.log(span.steepness) + 7


# --- M1: y = b x^c ---


def _m1(p, log_x):
    return p[0] + p[1] * log_x


def _m1_box(span: Span):
    steep = 60 * span.steepness
    return np.array([-np.inf, -steep]), np.array([np.inf, steep])


def _m1_starts(span: Span, unit):
    c = span.steepness * between(-2, 1, unit[:, 1])
    return np.stack([span.first - c * span.left, c], -1)


M1 = Family(
    name="m1",
    formula="b x^c",
    source=f"{REVISITING}, M1",
    names=("b", "c"),
    **coordinates("log", "id"),
    log_y=_m1,
    log_limit=lambda p: np.where(p[1] < 0, -np.inf, np.where(p[1] > 0, np.inf, p[0])),
    inverse=lambda p, log_y: (log_y - p[0]) / p[1] if p[1] else np.full(np.shape(log_y), np.nan),
    shift=lambda p, du, dv: np.stack([p[..., 0] + dv - p[..., 1] * du, p[..., 1]], -1),
    box=_m1_box,
    starts=_m1_starts,
)


# --- M2: y = e_inf + b x^c, c < 0; downstream against upstream is the same with a rising power ---


def _plus_power(sign) -> dict[str, Any]:
    def log_y(p, log_x):
        return jnp.logaddexp(p[0], p[1] + sign * jnp.exp(p[2]) * log_x)

    def inverse(p, log_y):
        return sign * (log_excess(log_y, p[0]) - p[1]) / np.exp(p[2])

    def shift(p, du, dv):
        return np.stack([p[..., 0] + dv, p[..., 1] + dv - sign * np.exp(p[..., 2]) * du, p[..., 2]], -1)

    def box(span: Span):
        slow, fast = _exponent_box(span)
        return (
            np.array([span.low + TINY, -np.inf, slow]),
            np.array([span.high, np.inf, fast]),
        )

    def starts(span: Span, unit):
        exponent = _exponents(span, unit[:, 2])
        end = span.left if sign < 0 else span.right
        floor = span.low + np.log(between(0.02, 0.999, unit[:, 0]))
        return np.stack([floor, span.high - sign * np.exp(exponent) * end, exponent], -1)

    def parts(p, log_x):
        return {"limit": np.full(np.shape(log_x), p[0]), "power": p[1] + sign * np.exp(p[2]) * log_x}

    return dict(log_y=log_y, inverse=inverse, shift=shift, box=box, starts=starts, parts=parts)


M2 = Family(
    name="m2",
    formula="e_inf + b x^c",
    source=f"{REVISITING}, M2",
    names=("e_inf", "b", "c"),
    **coordinates("log", "log", "-log"),
    log_limit=lambda p: p[0],
    floor=0,
    **_plus_power(-1.0),
)

DOWNSTREAM = Family(
    name="downstream",
    formula="k x^alpha + e_ir, x the upstream error",
    source=f"{LIMITS}, eq. 1",
    names=("e_ir", "k", "alpha"),
    **coordinates("log", "log", "log"),
    log_limit=lambda p: np.inf,
    floor=0,
    **_plus_power(1.0),
)


# --- M3: y = b (1/x + g)^-c, c < 0 ---


def _m3(p, log_x):
    return p[0] + jnp.exp(p[2]) * jnp.logaddexp(-log_x, p[1])


def _m3_inverse(p, log_y):
    return -log_excess((log_y - p[0]) / np.exp(p[2]), p[1])


def _m3_shift(p, du, dv):
    slope = np.exp(p[..., 2])
    return np.stack([p[..., 0] + dv + slope * du, p[..., 1] - du, p[..., 2]], -1)


def _m3_box(span: Span):
    slow, fast = _exponent_box(span)
    return (
        np.array([-np.inf, -span.right + TINY, slow]),
        np.array([np.inf, -span.left + 5, fast]),
    )


def _m3_starts(span: Span, unit):
    exponent = _exponents(span, unit[:, 2])
    bend = -span.right + between(-4, span.width, unit[:, 1])
    scale = span.first - np.exp(exponent) * np.logaddexp(-span.left, bend)
    return np.stack([scale, bend, exponent], -1)


M3 = Family(
    name="m3",
    formula="b (1/x + g)^-c",
    source=f"{REVISITING}, M3",
    names=("b", "g", "c"),
    **coordinates("log", "log", "-log"),
    log_y=_m3,
    log_limit=lambda p: p[0] + np.exp(p[2]) * p[1],
    inverse=_m3_inverse,
    shift=_m3_shift,
    box=_m3_box,
    starts=_m3_starts,
)


# --- shifted power: y = a (x + d)^-b + c ---


def _shifted(p, log_x):
    return jnp.logaddexp(p[3], p[0] - jnp.exp(p[1]) * jnp.logaddexp(log_x, p[2]))


def _shifted_inverse(p, log_y):
    return log_excess((p[0] - log_excess(log_y, p[3])) / np.exp(p[1]), p[2])


def _shifted_shift(p, du, dv):
    slope = np.exp(p[..., 1])
    return np.stack([p[..., 0] + dv + slope * du, p[..., 1], p[..., 2] + du, p[..., 3] + dv], -1)


def _shifted_box(span: Span):
    slow, fast = _exponent_box(span)
    return (
        np.array([-np.inf, slow, span.left + TINY, span.low + TINY]),
        np.array([np.inf, fast, span.right + 3, span.high]),
    )


def _shifted_starts(span: Span, unit):
    exponent = _exponents(span, unit[:, 1])
    delay = span.left + between(-4, span.width, unit[:, 2])
    scale = span.first + np.exp(exponent) * np.logaddexp(span.left, delay)
    floor = span.low + np.log(between(0.02, 0.999, unit[:, 3]))
    return np.stack([scale, exponent, delay, floor], -1)


SHIFTED_POWER = Family(
    name="shifted_power",
    formula="a (x + d)^-b + c",
    source=f"{ADAPTIVE}, eq. 1",
    names=("a", "b", "d", "c"),
    **coordinates("log", "log", "log", "log"),
    log_y=_shifted,
    log_limit=lambda p: p[3],
    floor=3,
    inverse=_shifted_inverse,
    shift=_shifted_shift,
    box=_shifted_box,
    starts=_shifted_starts,
)


# --- two variables: y = E + A/N^alpha + B/D^beta ---


def _two(p, log_x):
    size = p[1] - jnp.exp(p[2]) * log_x[..., 0]
    data = p[3] - jnp.exp(p[4]) * log_x[..., 1]
    return jnp.logaddexp(p[0], jnp.logaddexp(size, data))


def _two_shift(p, du, dv):
    return np.stack(
        [
            p[..., 0] + dv,
            p[..., 1] + dv + np.exp(p[..., 2]) * du[0],
            p[..., 2],
            p[..., 3] + dv + np.exp(p[..., 4]) * du[1],
            p[..., 4],
        ],
        -1,
    )


def _two_box(span: Span):
    steep = np.log(span.steepness)
    low = [span.low + TINY, -np.inf, steep[0] - 12, -np.inf, steep[1] - 12]
    return np.array(low), np.array([span.high, np.inf, steep[0] + 7, np.inf, steep[1] + 7])


def _two_starts(span: Span, unit):
    alpha, beta = (np.log(span.steepness[i]) + between(-1.6, 2.5, unit[:, 2 + 2 * i]) for i in range(2))
    floor = span.low + np.log(between(0.02, 0.999, unit[:, 0]))
    top = span.high + np.log(between(0.1, 1, unit[:, [1, 3]]))
    return np.stack(
        [
            floor,
            top[:, 0] + np.exp(alpha) * span.left[0],
            alpha,
            top[:, 1] + np.exp(beta) * span.left[1],
            beta,
        ],
        -1,
    )


TWO_VARIABLES = Family(
    name="two_variables",
    formula="E + A/N^alpha + B/D^beta",
    source=f"{CHINCHILLA}, eq. 2",
    names=("E", "A", "alpha", "B", "beta"),
    **coordinates("log", "log", "log", "log", "log"),
    log_y=_two,
    log_limit=lambda p: p[0],
    inverse=None,
    shift=_two_shift,
    box=_two_box,
    starts=_two_starts,
    variables=2,
    floor=0,
)
