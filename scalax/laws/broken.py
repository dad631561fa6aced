"""BNSL: smoothly broken power laws, which may rise, and may drop sharply after a delay."""

import jax
import jax.numpy as jnp
import numpy as np

from scalax.laws.family import TINY, Family, Span, between

BROKEN = "Caballero et al. 2023, 'Broken Neural Scaling Laws', eq. 1"


def bnsl(breaks: int) -> Family:
    r"""$y = a + b x^{-c_0} \prod_i (1 + (x/d_i)^{1/f_i})^{-c_i f_i}$ with `breaks` factors.

    p: log a, log b, c_0, then c_i, log d_i, log f_i of each break in turn. Each segment's exponent has
    either sign; a small f_i makes break i sharp.
    """
    order = [3 + 3 * i + j for j in range(3) for i in range(breaks)]  # natural order: c_i, d_i, f_i
    back = np.argsort(order)

    def log_power(p, log_x):
        total = p[1] - p[2] * log_x
        for i in range(breaks):
            c, log_d, f = p[3 + 3 * i], p[4 + 3 * i], jnp.exp(p[5 + 3 * i])
            total = total - c * f * jax.nn.softplus((log_x - log_d) / f)
        return total

    def log_y(p, log_x):
        return jnp.logaddexp(p[0], log_power(p, log_x))

    def to_natural(p):
        logs = jnp.array([1, 1, 0] + [0] * breaks + [1] * 2 * breaks, bool)
        q = jnp.concatenate([jnp.asarray(p)[:3], jnp.asarray(p)[np.array(order, int)]])
        return jnp.where(logs, jnp.exp(jnp.where(logs, q, 0.0)), q)

    def from_natural(values):
        with np.errstate(divide="ignore"):
            values = np.array(values, float)
            values[:2] = np.log(values[:2])
            values[3 + breaks :] = np.log(values[3 + breaks :])
        return np.concatenate([values[:3], values[3:][back]])

    def log_limit(p):
        slope = p[2] + sum(p[3::3])
        return p[0] if slope > 0 else np.inf if slope < 0 else np.nan

    def shift(p, du, dv):
        p = np.array(p, float)
        p[..., 4::3] += du
        p[..., 1] += dv + p[..., 2] * du
        p[..., 0] += dv
        return p

    def box(span: Span):
        steep, w = 200 * span.steepness, span.width
        low = [span.low + TINY, -np.inf, -steep] + [-steep, span.left - w, np.log(w / 500)] * breaks
        high = [span.high, np.inf, steep] + [steep, span.right + w, np.log(2 * w)] * breaks
        return np.array(low), np.array(high)

    def starts(span: Span, unit):
        def slope(t):  # mostly falling, a few rising; a few far steeper than the curve is overall
            return span.steepness * np.sinh(between(-2, 4, t)) / 2

        floor = span.low + np.log(between(0.01, 0.99, unit[:, 0]) ** 2)
        before = slope(unit[:, 2])
        columns = [floor, span.first + before * span.left, before]
        edges = np.sort(unit[:, 4::3], 1) if breaks else unit[:, :0]
        for i in range(breaks):
            after = slope(unit[:, 3 + 3 * i])
            log_d = between(span.left - 0.1 * span.width, span.right + 0.1 * span.width, edges[:, i])
            columns += [after - before, log_d, np.log(span.width) + between(-4.5, -0.5, unit[:, 5 + 3 * i])]
            before = after
        return np.stack(columns, -1)

    def parts(p, log_x):
        """The limit, and each segment as the power law it follows away from its breaks (eq. 2 ff.)."""
        level, slope = p[1], p[2]
        segments = {"limit": np.full(np.shape(log_x), p[0]), "segment 1": level - slope * log_x}
        for i in sorted(range(breaks), key=lambda i: p[4 + 3 * i]):
            level, slope = level + p[3 + 3 * i] * p[4 + 3 * i], slope + p[3 + 3 * i]
            segments[f"segment {len(segments)}"] = level - slope * log_x
        return segments

    index = [str(i + 1) for i in range(breaks)]
    return Family(
        name=f"bnsl{breaks}" if breaks != 1 else "bnsl",
        formula=f"a + b x^-c0 prod_(i<={breaks}) (1 + (x/d_i)^(1/f_i))^(-c_i f_i)",
        source=BROKEN,
        names=("a", "b", "c0", *(letter + i for letter in "cdf" for i in index)),
        to_natural=to_natural,
        from_natural=from_natural,
        log_y=log_y,
        log_limit=log_limit,
        inverse=None,
        shift=shift,
        box=box,
        starts=starts,
        parts=parts,
        floor=0,
    )


BNSL = tuple(bnsl(n) for n in range(5))
