"""Figures of fitted and forecast learning curves, log-log, as PNG files."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from scalax.laws import Curve, Fit, Forecast

HELD_OUT, TO_FIT = "#d95f02", "#333333"


def draw_fits(curve: Curve, fits: dict[str, Fit], path: Path) -> None:
    """The curve's points, each law's line, and its limit as a dotted line of the same colour."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    _points(axes, curve)
    x = np.geomspace(curve.x.min(), curve.x.max() * 2, 300)
    low, _ = axes.get_ylim()
    for i, (name, fitted) in enumerate(fits.items()):
        error = fitted.rmsle_held_out if np.isfinite(fitted.rmsle_held_out) else fitted.rmsle
        axes.plot(x, fitted.predict(x), color=f"C{i}", lw=1.3, label=f"{name}, RMSLE {error:.4f}")
        if low / 4 < fitted.asymptote < np.inf:
            axes.axhline(fitted.asymptote, color=f"C{i}", ls=":", lw=0.9)
    _finish(figure, axes, curve.name, path)


def draw_parts(curve: Curve, fitted: Fit, path: Path) -> None:
    """A law and what it is made of: its limit and its terms, or the segments of a broken law."""
    spec = fitted.family_spec
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    _points(axes, curve)
    frame = axes.get_ylim()
    x = np.geomspace(curve.x.min(), curve.x.max() * 2, 300)
    axes.plot(x, fitted.predict(x), color="C0", lw=1.6, label=spec.name)
    for i, (name, log_y) in enumerate((spec.parts(fitted.p, np.log(x)) if spec.parts else {}).items()):
        with np.errstate(over="ignore"):
            axes.plot(x, np.exp(log_y), color=f"C{i + 1}", ls="--", lw=1, label=name)
    axes.set_ylim(frame[0] / 1.5, frame[1] * 1.2)
    _finish(figure, axes, f"{curve.name}: {spec.formula}", path)


def draw_forecast(curve: Curve, forecast: Forecast, path: Path, target: float | None = None) -> None:
    """The points, the median with its bands beyond the data, each law's median and limit."""
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    _points(axes, curve)
    low, _ = axes.get_ylim()
    right = max(forecast.x.max(), curve.x.max()) * 1.1
    x = np.geomspace(curve.x.min(), right, 300)
    beyond = x[x >= 0.8 * np.exp(forecast.data.points.center_x)]
    for level in sorted(forecast.intervals, reverse=True):
        axes.fill_between(beyond, *forecast.interval(beyond, level), color="C0", alpha=0.13, lw=0)
    axes.plot(x, forecast.predict(x), color="C0", lw=1.8, label="auto (bands 50, 80, 95%)")
    for i, (name, y) in enumerate(forecast.by_family(x).items(), start=1):
        axes.plot(x, y, color=f"C{i}", lw=0.9, ls="--", label=name)
        if low / 4 < forecast.limits[name] < np.inf:
            axes.axhline(forecast.limits[name], color=f"C{i}", ls=":", lw=0.9, label=f"limit of {name}")
    if target is not None:
        axes.axhline(target, color="k", lw=0.8, label=f"target {target:g}")
    _finish(figure, axes, curve.name, path)


def draw_bench(rows: list[dict], methods: tuple[str, ...], path: Path) -> None:
    """Each curve's held-out RMSLE by method, log scale; the bar is the mean."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0))
    rng = np.random.default_rng(0)
    for i, method in enumerate(methods):
        values = np.maximum([row[method] for row in rows], 1e-5)
        axes.scatter(i + 0.12 * rng.uniform(-1, 1, len(values)), values, s=9, alpha=0.6, color=f"C{i}")
        axes.hlines(np.mean(values), i - 0.3, i + 0.3, color=f"C{i}", lw=2)
        axes.annotate(
            f"{np.mean(values):.4f}", (i, np.mean(values)), (0, 4), textcoords="offset points", ha="center"
        )
    axes.set_xticks(range(len(methods)), methods)
    axes.set_yscale("log")
    axes.set_ylabel("held-out RMSLE")
    _finish(figure, axes, f"{len(rows)} curves; bars are means", path, legend=False)


def _points(axes, curve: Curve) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    if (~curve.fit).any():
        held = curve.x[~curve.fit], curve.y[~curve.fit]
        axes.scatter(*held, s=7, color=HELD_OUT, alpha=0.5, lw=0, label="held out", zorder=3)
    axes.scatter(curve.x[curve.fit], curve.y[curve.fit], s=9, color=TO_FIT, lw=0, label="to fit", zorder=3)


def _finish(figure, axes, title: str, path: Path, legend: bool = True) -> None:
    axes.set_title(title[:90], fontsize=9)
    axes.grid(alpha=0.2, which="both")
    if legend:
        axes.set_xlabel("x")
        axes.set_ylabel("y")
        axes.legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
