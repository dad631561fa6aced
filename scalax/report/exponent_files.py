"""What `scalax exponents` leaves in a directory: JSON, CSV and a figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from etils import epath

from scalax.laws import Curve
from scalax.laws.exponents import Contrast, Exponent
from scalax.report.joint_figures import few_decades
from scalax.report.law_figures import colours
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import grid

COLUMNS = 3


def write(
    out: Path, curves: Sequence[Curve], found: Sequence[Exponent], contrasts: Sequence[Contrast]
) -> None:
    """exponents.json, exponents.csv (a row a curve and law) and exponents.png.

    - out: directory to write to.
    - curves: that were fitted.
    - found: exponents of each curve and law.
    - contrasts: between laws.
    """
    rows = [{**e.key, **{k: v for k, v in e._asdict().items() if k != "key"}} for e in found]
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
    most = max(len(own) for own in groups.values())
    with grid(epath.Path(path), len(groups), min(COLUMNS, len(groups)), (3.4, 0.8 + 0.3 * most)) as panels:
        for axes, (group, own) in zip(panels, groups.items(), strict=True):
            for j, (law, colour) in enumerate(zip(laws, colours(laws), strict=True)):
                at = np.arange(len(own)) + 0.16 * (j - (len(laws) - 1) / 2)
                values = np.array([[by[c, law].c, by[c, law].low, by[c, law].high] for c in own])
                axes.hlines(at, values[:, 1], values[:, 2], color=colour, lw=1.4)
                axes.plot(values[:, 0], at, "o", color=colour, ms=3.5, label=law)
            axes.set_yticks(range(len(own)), [name[-11:] for name in own.values()])
            axes.invert_yaxis()
            middle = np.array([e.c for e in found if e.curve in own])
            axes.set(xscale="log", title=group, xlim=(middle.min() / 2, middle.max() * 2))
            few_decades(axes, middle)
            axes.legend(fontsize=6)
