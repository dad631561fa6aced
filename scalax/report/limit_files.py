"""What `scalax limit` leaves in a directory: JSON, CSV and a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from scalax.laws import Curve
from scalax.laws.limit import Extrapolations, Limit
from scalax.report.console import short_names
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import COLOURS, INK, grid, key_above, plain_ticks

COLUMNS = 4
NAME = 36  # characters
LEAST_DRAWN = 1e-5  # of errors; those of exact rows are rounding
LOOKS = (("rows", INK, "o-"), ("noiseless", COLOURS[0], "-"))  # names of Limit's, and looks


def write(out: Path, curves: Sequence[Curve], found: Sequence[Limit]) -> None:
    """limit.json; limit.csv, a row a curve; cuts.csv, a row a fit; limit.png.

    - out: directory to write to.
    - curves: of which the limits are.
    - found: the limit of each.
    """
    write_json(out / "limit.json", [each.to_json() for each in found])
    write_csv(out / "limit.csv", [_row(each) for each in found])
    cuts = [row for each in found for name, _, _ in LOOKS for row in _cuts(each, name)]
    write_csv(out / "cuts.csv", cuts)
    draw(out / "limit.png", curves, found)


def _row(limit: Limit) -> dict[str, Any]:
    breaks = {f"break {i}": x for i, x in enumerate(limit.breaks, 1)}
    thresholds = {
        name: "" if x is None else x
        for name, x in (
            ("threshold", limit.threshold),
            ("threshold_noiseless", limit.threshold_noiseless),
        )
    }
    named = {"curve": limit.curve, **limit.key, "law": limit.fit.family, "tolerance": limit.tolerance}
    return {**named, **thresholds, "rmsle": limit.fit.rmsle, **breaks}


def _cuts(limit: Limit, name: str) -> list[dict[str, Any]]:
    found: Extrapolations = getattr(limit, name)
    return [
        {"curve": limit.curve, "of": name, "x": float(x), "fitted": int(count), "error": float(error)}
        for x, count, error in zip(found.x, found.fitted, found.error, strict=True)
    ]


def draw(path: Path, curves: Sequence[Curve], found: Sequence[Limit]) -> None:
    """Extrapolation error against the largest x to fit, a panel a curve: of its rows, and without noise.

    - path: of the PNG file.
    - curves: of which the limits are.
    - found: the limit of each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    short = short_names([limit.curve for limit in found], NAME)
    size = (5.4, 3.4) if len(found) == 1 else (3.0, 2.2)
    with grid(epath.Path(path), len(found), min(COLUMNS, len(found)), size) as panels:
        for axes, curve, limit in zip(panels, curves, found, strict=True):
            _panel(axes, limit)
            axes.set_title(f"{short[limit.curve]}\n{_thresholds(limit)}")
            axes.set_xlabel(f"largest {curve.labels[0]} fitted")
        panels[0].set_ylabel(f"RMSLE of {found[0].fit.family} on rows to the right")
        key_above(panels)


def _thresholds(limit: Limit) -> str:
    """Both limits, in words."""
    words = []
    for name, _, _ in LOOKS:
        found: Extrapolations = getattr(limit, name)
        at = found.threshold(limit.tolerance)
        sign = "<= " if found.all_within(limit.tolerance) else ""
        words.append(f"{name} {'-' if at is None else f'{sign}{at:.3g}'}")
    return "limit: " + ", ".join(words)


def _panel(axes, limit: Limit) -> None:
    for name, colour, look in LOOKS:
        extrapolations: Extrapolations = getattr(limit, name)
        error = np.maximum(extrapolations.error, LEAST_DRAWN)
        axes.plot(extrapolations.x, error, look, color=colour, lw=1.2, ms=3, label=name)
        if (threshold := extrapolations.threshold(limit.tolerance)) is not None:
            label = f"limit of {name}"
            axes.axvline(threshold, color=colour, lw=0.9, ls="--", label=label)
    errors = np.concatenate([limit.rows.error, limit.noiseless.error])
    if (errors < LEAST_DRAWN).any():
        label = f"errors below {LEAST_DRAWN:g} are drawn here"
        axes.axhline(LEAST_DRAWN, color=COLOURS[2], lw=0.9, ls="-.", label=label, zorder=1)
    for x in limit.breaks:
        axes.axvline(x, color=COLOURS[5], lw=0.9, ls=":", label="break of the fit to all")
    axes.axhline(limit.tolerance, color=COLOURS[3], lw=0.9, label=f"tolerance {limit.tolerance:g}")
    ends = np.concatenate([limit.rows.x, limit.noiseless.x])
    axes.set(xscale="log", yscale="log", xlim=(ends.min() / 1.03, ends.max() * 1.03))
    if ends.max() < 100 * ends.min():
        plain_ticks(axes.xaxis, ends.min(), ends.max())
