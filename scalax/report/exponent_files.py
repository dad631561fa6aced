"""What `scalax exponents` leaves in a directory: JSON, CSV and a figure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from etils import epath
from matplotlib.ticker import NullFormatter

from scalax.laws import Curve
from scalax.laws.exponents import Contrast, Exponent
from scalax.laws.profile import Profile
from scalax.report.console import short_names
from scalax.report.joint_figures import few_decades
from scalax.report.law_figures import colours
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import COLOURS, INK, grid, key_above

COLUMNS = 3
NAME, LETTER = 30, 0.053  # characters, and inches of one
PANEL_NAME = 26  # characters


def write(
    out: Path, curves: Sequence[Curve], found: Sequence[Exponent], contrasts: Sequence[Contrast]
) -> None:
    """exponents.json, exponents.csv (a row a curve and law) and exponents.png.

    - out: directory to write to.
    - curves: that were fitted.
    - found: exponents of each curve and law.
    - contrasts: between laws.
    """
    rows = [{**e.key, **{k: v for k, v in e._asdict().items() if k not in ("key", "flags")}} for e in found]
    write_csv(out / "exponents.csv", rows)
    data = {"exponents": rows, "contrasts": [each._asdict() for each in contrasts]}
    write_json(out / "exponents.json", data)
    draw(out / "exponents.png", curves, found)


def draw(path: Path, curves: Sequence[Curve], found: Sequence[Exponent]) -> None:
    """Exponents with 80% intervals, a panel a group: curves alike in all but the last column that names them.

    - path: of the PNG file.
    - curves: that were fitted.
    - found: exponents of each curve and law.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    groups: dict[str, dict[str, str]] = {}
    for curve in curves:
        *first, last = list(curve.key.values()) or [curve.name]
        groups.setdefault("/".join(first), {})[curve.name] = last
    laws = list(dict.fromkeys(e.law for e in found))
    by = {(e.curve, e.law): e for e in found}
    groups = {group: dict(sorted(own.items(), key=_place)) for group, own in groups.items()}
    most = max(len(own) for own in groups.values())
    short = short_names(list(dict.fromkeys(name for own in groups.values() for name in own.values())), NAME)
    room = LETTER * max(len(short[name]) for own in groups.values() for name in own.values())
    columns, size = min(COLUMNS, len(groups)), (3.4, 0.8 + 0.3 * most)
    with grid(epath.Path(path), len(groups), columns, size, max(0.0, room - 0.5)) as panels:
        for axes, (group, own) in zip(panels, groups.items(), strict=True):
            for j, (law, colour) in enumerate(zip(laws, colours(laws), strict=True)):
                at = np.arange(len(own)) + 0.16 * (j - (len(laws) - 1) / 2)
                values = np.array([[by[c, law].c, by[c, law].low, by[c, law].high] for c in own])
                axes.hlines(at, values[:, 1], values[:, 2], color=colour, lw=1.4)
                axes.plot(values[:, 0], at, "o", color=colour, ms=3.5, label=law)
            axes.set_yticks(range(len(own)), [short[name] for name in own.values()], fontsize=6.5)
            axes.set_ylim(len(own) - 0.5, -0.5)
            middle = np.array([e.c for e in found if e.curve in own])
            axes.set(xscale="log", title=group, xlim=(middle.min() / 2, middle.max() * 2))
            axes.set_xlabel("exponent c, with its 80% interval", fontsize=6.5, labelpad=1)
            few_decades(axes, middle)
        key_above(panels)


def _place(named: tuple[str, str]) -> tuple[list[tuple[bool, float, str]], str]:
    """Where a curve stands in its panel: numbers by size, so that BiT/50 is before BiT/101, 2e8 before 1e9.

    named: the curve's name, and what it is called in the panel.
    """
    parts = re.split(r"[/ ,_-]+|(?<=[a-zA-Z])(?=[0-9])", named[1])
    return [(_number(part) is None, _number(part) or 0.0, part) for part in parts], named[1]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def write_profiles(out: Path, profiles: Mapping[str, Profile]) -> None:
    """profiles.csv (a row a curve and exponent) and profiles.png: fitted and held-out error over exponents.

    - out: directory to write to.
    - profiles: by curve.
    """
    rows = [
        {"curve": name, "c": float(c), "fitted": float(fitted), "held_out": float(held)}
        for name, p in profiles.items()
        for c, fitted, held in zip(p.c, p.fitted, p.held_out, strict=True)
    ]
    write_csv(out / "profiles.csv", rows)
    columns, short = min(6, len(profiles)), short_names(list(profiles), PANEL_NAME)
    with grid(epath.Path(out / "profiles.png"), len(profiles), columns, (1.9, 1.5)) as panels:
        for axes, (name, p) in zip(panels, profiles.items(), strict=True):
            for values, colour, label in ((p.fitted, INK, "to fit"), (p.held_out, COLOURS[5], "held out")):
                axes.plot(p.c, values, color=colour, lw=1.1, label=label)
                axes.axvline(p.c[values.argmin()], color=colour, lw=0.8, ls=":")
            axes.set(xscale="log", yscale="log")
            axes.set_title(short[name], fontsize=7)
            axes.set_xlabel("exponent c", fontsize=6.5, labelpad=1)
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_formatter(NullFormatter())
        key_above(panels)
        panels[0].set_ylabel("RMSLE of M2 by its exponent")
