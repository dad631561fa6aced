"""What `scalax allocate` leaves in a directory: JSON, CSV and a figure."""

from pathlib import Path
from typing import Any

import numpy as np
from etils import epath
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm

from scalax.laws.joint import Allocation, Choice
from scalax.laws.joint.allocation import LAW, PARABOLAS
from scalax.laws.joint.isoflop import best_of_law
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import COLOURS, INK, log_axes, panels
from scalax.units import flops_text

COLOURS_OF_LEVELS = colormaps["viridis"]
LOOKS = {LAW: (COLOURS[0], "D"), PARABOLAS: (COLOURS[5], "s")}


def write(out: Path, made: Allocation) -> None:
    """allocation.json, allocation.csv (a row a budget and method), levels.csv and allocation.png.

    - out: directory to write to.
    - made: the allocation.
    """
    data = made.to_json()
    write_json(out / "allocation.json", data)
    write_csv(out / "allocation.csv", [_row(choice) for choice in made.choices])
    write_csv(out / "levels.csv", data["levels"])
    draw(out / "allocation.png", made)


def _row(choice: Choice) -> dict[str, Any]:
    row: dict[str, Any] = {"flops": choice.flops, "by": choice.method}
    for name in ("size", "data", "y"):
        low, high = getattr(choice, f"{name}_ends")
        row |= {name: getattr(choice, name), f"{name}_low80": low, f"{name}_high80": high}
    return row


def draw(path: Path, made: Allocation) -> None:
    """Left: rows at levels of compute with their parabolas, and the minima of both methods. Right: the best
    size against compute by both, and at the budgets with 80% intervals.

    - path: of the PNG file.
    - made: the allocation.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with panels(epath.Path(path), 2, (10.8, 4.4)) as (left, right):
        _levels(left, made)
        _frontier(right, made)


def _levels(axes: Axes, made: Allocation) -> None:
    size, _ = made.fit.variables
    if not made.levels:
        axes.text(0.5, 0.5, "no level of compute has enough rows", ha="center", transform=axes.transAxes)
        return
    flops = np.array([level.flops for level in made.levels])
    norm = LogNorm(flops.min() / 1.01, flops.max() * 1.01)
    for level in made.levels:
        shade = np.full(len(level.log_size), level.flops)
        look = {"norm": norm, "cmap": COLOURS_OF_LEVELS, "s": 12, "lw": 0}
        axes.scatter(np.exp(level.log_size), np.exp(level.log_y), c=shade, **look)
        u = np.linspace(level.log_size.min(), level.log_size.max(), 80)
        curve = np.polyval(level.parabola[:3], u - level.log_size.mean())
        axes.plot(np.exp(u), np.exp(curve), color=COLOURS_OF_LEVELS(norm(level.flops)), lw=1.1)
    kept = [level for level in made.levels if level.inside]
    points = [(v.best_log_size, v.best_log_y) for v in kept]
    if points:
        colour, marker = LOOKS[PARABOLAS]
        x, y = np.exp(np.array(points).T)
        axes.plot(x, y, marker, color=colour, mfc="white", ms=5, label="least by parabolas")
    best = best_of_law(made.fit, np.log(flops), np.log(made.factor))
    product = np.log(flops / made.factor)
    colour, marker = LOOKS[LAW]
    least = np.exp(made.fit.log_y(np.stack([best, product - best], 1)))
    axes.plot(np.exp(best), least, marker, color=colour, mfc="white", ms=4.5, label="least by the law")
    log_axes(axes, size, made.runs.label)
    if not made.runs.scale.plain:
        axes.yaxis.set_major_formatter(lambda y, _: f"{float(made.runs.scale.shown(y)):.4g}")
    axes.legend(fontsize=8)
    axes.figure.colorbar(ScalarMappable(norm, COLOURS_OF_LEVELS), ax=axes, label="FLOPs")


def _frontier(axes: Axes, made: Allocation) -> None:
    size, _ = made.fit.variables
    product = made.factor * made.runs.x.prod(1)
    low, high = product.min(), max(product.max(), *(choice.flops for choice in made.choices))
    axes.scatter(product, made.runs.x[:, 0], s=8, color="0.8", lw=0, label="runs", zorder=1)
    at = np.log(np.geomspace(low, high, 60))
    lines = {LAW: best_of_law(made.fit, at, np.log(made.factor))}
    if np.isfinite(made.power).all():
        lines[PARABOLAS] = np.polyval(made.power, at)
    for method, line in lines.items():
        colour, marker = LOOKS[method]
        slope = made.exponents[method][0]
        axes.plot(np.exp(at), np.exp(line), color=colour, lw=1.4, label=f"by {method}, FLOPs^{slope:.3f}")
        own = [choice for choice in made.choices if choice.method == method]
        for choice in own:
            shift = 0.97 if method == LAW else 1.03
            axes.vlines(choice.flops * shift, *choice.size_ends, color=colour, lw=2.2)
            axes.plot(choice.flops * shift, choice.size, marker, color=colour, mfc="white", ms=6)
    kept = [level for level in made.levels if level.inside]
    x, y = [level.flops for level in kept], [np.exp(level.best_log_size) for level in kept]
    axes.plot(x, y, "x", color=LOOKS[PARABOLAS][0], ms=5, label="minima of parabolas")
    most = product.max()
    if high > 1.01 * most:
        axes.axvline(most, color=INK, ls=":", lw=1, label=f"runs end at {flops_text(most)}")
    axes.set(xscale="log", yscale="log", xlabel="training compute (FLOPs)", ylabel=f"best {size}")
    axes.legend(fontsize=8)
