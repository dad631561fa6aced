"""Figures of laws of several variables."""

from pathlib import Path

import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter

from scalax.laws.joint import JointFit, Runs
from scalax.report.style import INK, log_axes, panels

LINES = 6  # values of the second variable that the law is drawn for


def draw_fit(path: Path, runs: Runs, fit: JointFit, title: str) -> None:
    """Left: of two variables y against the first, coloured by the second, with the law's lines; of others
    measured against fitted y. Right: relative errors of the rows.

    - path: of the PNG file.
    - runs: that were fitted.
    - fit: of them.
    - title: above the left panel.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fitted = fit.predict(runs.x)
    last = runs.x[:, -1]
    norm = LogNorm(last.min(), last.max())
    with panels(epath.Path(path), 2, (10.4, 4.2)) as (left, right):
        if runs.x.shape[1] == 2:
            dots = left.scatter(runs.x[:, 0], runs.y, c=last, norm=norm, s=12, cmap="viridis", lw=0)
            at = np.geomspace(runs.x[:, 0].min(), runs.x[:, 0].max(), 100)
            for value in np.quantile(last, np.linspace(0.05, 0.95, LINES)):
                line = fit.predict(np.stack([at, np.full(100, value)], 1))
                left.plot(at, line, color=dots.cmap(norm(value)), lw=1.2, zorder=1)
            log_axes(left, runs.variables[0], runs.label)
        else:
            dots = left.scatter(fitted, runs.y, c=last, norm=norm, s=12, cmap="viridis", lw=0)
            ends = [min(fitted.min(), runs.y.min()), max(fitted.max(), runs.y.max())]
            left.plot(ends, ends, color=INK, lw=0.9, zorder=0)
            left.set(xlabel=f"{runs.label} by the law", ylabel=runs.label)
        left.figure.colorbar(dots, ax=left, label=runs.variables[-1])
        left.set_title(f"{title}\n{fit.form.formula(runs.variables)}", fontsize=9)
        if not runs.scale.plain:
            left.yaxis.set_major_formatter(lambda y, _: f"{float(runs.scale.shown(y)):.4g}")
        errors = 100 * (runs.y / fitted - 1)
        right.scatter(runs.x[:, 0], errors, c=last, norm=norm, s=12, cmap="viridis", lw=0)
        right.axhline(0, color=INK, lw=0.9)
        right.set(xscale="log", xlabel=runs.variables[0], ylabel="measured over fitted, less 1 (%)")
        few_decades(right, runs.x[:, 0])
        right.set_title(f"RMSLE {fit.rmsle:.4f}, of runs left out {fit.rmsle_left_out:.4f}", fontsize=9)


def few_decades(axes: Axes, x: np.ndarray) -> None:
    """Plain numbers, 1, 2, 5 a decade, on a log x axis over fewer than two decades, where powers of ten are
    rare."""
    if x.max() < 100 * x.min():
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
