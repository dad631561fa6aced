"""BNSL: smoothly broken power laws, which may rise, and may drop sharply after a delay."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.family import TINY, Broken, Extent, Family, lerp, unpack
from scalax.laws.flags import Flag
from scalax.laws.priors import PriorCoordinates, wide_prior

MOST_BREAKS = 4


def _split(p):
    """log a, log b, c_0, and (c_i, log d_i, log f_i) of each break, of p or of points in the unit cube."""
    a, b, c0, *rest = unpack(p)
    return a, b, c0, list(zip(rest[::3], rest[1::3], rest[2::3], strict=True))


def _log_y(p, log_x):
    log_a, log_b, c0, breaks = _split(p)
    log_power = log_b - c0 * log_x
    for c, log_d, log_f in breaks:
        f = jnp.exp(log_f)
        log_power = log_power - c * f * jax.nn.softplus((log_x - log_d) / f)
    return jnp.logaddexp(log_a, log_power)


def _log_limit(p):
    log_a, _, c0, breaks = _split(p)
    slope = c0 + sum(c for c, _, _ in breaks)
    return log_a if slope > 0 else np.inf if slope < 0 else np.nan


def _to_natural(p):
    log_a, log_b, c0, breaks = _split(p)
    c, log_d, log_f = zip(*breaks, strict=True) if breaks else ((), (), ())
    logs = [jnp.exp(value) for value in (log_a, log_b, *log_d, *log_f)]
    return jnp.stack([*logs[:2], jnp.asarray(c0), *map(jnp.asarray, c), *logs[2:]])


def _from_natural(values):
    a, b, c0, *rest = values
    c, d, f = np.array(rest, float).reshape(3, -1)
    with np.errstate(divide="ignore"):
        breaks = np.stack([c, np.log(d), np.log(f)], -1)
        return np.concatenate([[np.log(a), np.log(b), c0], breaks.ravel()])


def _shift(p, du, dv):
    log_a, log_b, c0, breaks = _split(p)
    moved = [log_a + dv, log_b + (dv + c0 * du), c0]
    for c, log_d, log_f in breaks:
        moved += [c, log_d + du, log_f]
    return np.stack(moved, -1)


def _box(extent: Extent, breaks: int):
    steep, w = 200 * extent.steepness, extent.width
    low = [extent.low + TINY, -np.inf, -steep] + [-steep, extent.left - w, np.log(w / 500)] * breaks
    high = [extent.high, np.inf, steep] + [steep, extent.right + w, np.log(2 * w)] * breaks
    return np.array(low), np.array(high)


def _starts(extent: Extent, unit):
    def slope(t):  # mostly falling, a few rising; a few far steeper than the curve is overall
        return extent.steepness * np.sinh(lerp(-2, 4, t)) / 2

    of_a, _, of_c0, of_breaks = _split(unit)
    before = slope(of_c0)
    log_a = extent.low + np.log(lerp(0.01, 0.99, of_a) ** 2)
    columns = [log_a, extent.first + before * extent.left, before]
    edges = np.sort(np.stack([of_d for _, of_d, _ in of_breaks], 1), 1).T if of_breaks else ()
    for (of_c, _, of_f), edge in zip(of_breaks, edges, strict=True):
        after = slope(of_c)
        log_d = lerp(extent.left - 0.1 * extent.width, extent.right + 0.1 * extent.width, edge)
        columns += [after - before, log_d, np.log(extent.width) + lerp(-4.5, -0.5, of_f)]
        before = after
    return np.stack(columns, -1)


def _segments(p) -> Broken:
    """Each segment is the power law that the law follows away from its breaks (eq. 2 ff.)."""
    log_a, level, slope, breaks = _split(p)
    c, log_d, log_f = np.array(sorted(breaks, key=lambda each: each[1])).reshape(-1, 3).T
    levels, exponents = (start + np.append(0, np.cumsum(v)) for start, v in ((level, c * log_d), (slope, c)))
    return Broken(float(log_a), levels, exponents, log_d, log_f)


def _diagnose(params: dict[str, float], around: tuple[float, float]) -> Iterator[Flag]:
    left, right = around
    for name, d in params.items():
        if name.startswith("d") and not left <= np.log(d) <= right:
            yield Flag("outside_data", name)


def _coordinates(p, top):
    log_a, _, c0, [(c1, log_d1, log_f1)] = _split(p)
    return jnp.stack([log_a, c0, c0 + c1, log_d1, log_f1])


def bnsl(breaks: int) -> Family:
    r"""$y = a + b x^{-c_0} \prod_i (1 + (x/d_i)^{1/f_i})^{-c_i f_i}$ with `breaks` factors.

    p: log a, log b, c_0, then c_i, log d_i, log f_i of each break in turn. Each segment's exponent has
    either sign; a small f_i makes break i sharp.
    """
    wide = wide_prior([-1.5, 0.1, 0.4, -3, -0.5], [1.5, 0.3, 0.3, 2, 0.8])
    names = ("a", "b", "c0", *(f"{letter}{i + 1}" for letter in "cdf" for i in range(breaks)))
    return Family(
        name=f"bnsl{breaks}" if breaks != 1 else "bnsl",
        formula=f"a + b x^-c0 prod_(i<={breaks}) (1 + (x/d_i)^(1/f_i))^(-c_i f_i)",
        source="Caballero et al. 2023, 'Broken Neural Scaling Laws', eq. 1",
        names=names,
        to_natural=_to_natural,
        from_natural=_from_natural,
        log_y=_log_y,
        log_limit=_log_limit,
        shift=_shift,
        box=lambda extent: _box(extent, breaks),
        starts=_starts,
        floor="a",
        prior=PriorCoordinates(_coordinates, wide) if breaks == 1 else None,
        diagnose=_diagnose,
        segments=_segments,
        labels={name: "a (limit)" if name == "a" else name for name in names},
        colour="#CC79A7" if breaks == 1 else "",
    )


FAMILY = tuple(bnsl(breaks) for breaks in range(MOST_BREAKS + 1))
