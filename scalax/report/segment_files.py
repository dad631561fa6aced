"""What `scalax fit --segments` leaves: each broken law's power laws and breaks as JSON, CSV and figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from etils import epath
from matplotlib.axes import Axes

from scalax.laws import Curve, Fit, Law
from scalax.laws.segments import Segments, segments_of
from scalax.names import file_name, file_names
from scalax.report import law_panels
from scalax.report.joint_figures import few_decades
from scalax.report.law_figures import first_drawn
from scalax.report.law_files import write_csv, write_json
from scalax.report.style import COLOURS, INK, figure, plain_ticks

CLEAR = 0.02  # of the least y: a limit below it does not show
COLUMNS = ("segment", "first_x", "last_x", "exponent", "actual", "rows")


def write(
    out: Path, curves: Sequence[Curve], fits: Sequence[Mapping[str, Fit]], each: bool = False
) -> list[dict[str, str | float]]:
    """segments.json, segments.csv, and a figure of each broken law. Returns the rows of the CSV, one a
    segment, with the break that follows it.

    - out: directory to write to.
    - curves: that were fitted.
    - fits: of each curve, by law; laws without segments are passed over.
    - each: a figure of each curve however many there are; else of over nine none.
    """
    files = file_names([curve.name for curve in curves])
    data, rows = [], []
    for file, curve, own in zip(files, curves, fits, strict=True):
        for name, fit in own.items():
            if fit.family_spec.segments is None:
                continue
            made = segments_of(fit, curve)
            data.append({"curve": curve.name, "law": name, **made.to_json()})
            rows += _rows(curve.name, name, made)
            if each or len(curves) <= law_panels.MANY:
                path = out / "figures" / f"{file}-{file_name(name)}-segments.png"
                draw(epath.Path(path), curve, fit, made)
    write_json(out / "segments.json", data)
    write_csv(out / "segments.csv", rows)
    return rows


def _rows(curve: str, law: str, made: Segments) -> list[dict[str, str | float]]:
    rows = []
    for i, segment in enumerate(made.segments):
        row = {"curve": curve, "law": law, "segment": i + 1}
        row |= {name: getattr(segment, name) for name in COLUMNS[1:]}
        if i < len(made.breaks):
            row |= {f"break_{name}": value for name, value in made.breaks[i]._asdict().items()}
        rows.append(row)
    return rows


def draw(path: epath.Path, curve: Curve, law: Law, made: Segments) -> None:
    """The excess over the limit on log axes, where each segment is a straight line: the rows, the law, its
    segments as dashed lines, its breaks as dotted verticals within bands as wide as they are.

    - path: of the PNG file.
    - curve: whose rows are drawn.
    - law: of segments.
    - made: its segments.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    usable = (curve.x > 0) & (curve.y > 0)
    limit = made.limit if made.limit > CLEAR * curve.y[usable].min() else 0.0
    x, excess = curve.x[usable], curve.y[usable] - limit
    shown, held = excess > 0, ~curve.fit[usable]
    first, last = x.min() / 1.15, x.max() * 1.15
    with figure(path, (7.6, 4.6)) as axes:
        axes.plot(*_where(x, excess, shown & ~held), ".", color=INK, ms=5, label="rows to fit", zorder=4)
        if held.any():
            rows = _where(x, excess, shown & held)
            axes.plot(*rows, "o", color=INK, mfc="white", ms=4, mew=0.8, label="held out", zorder=4)
        begin = first_drawn(curve, law)
        fine = np.geomspace(begin if begin > x.min() else first, last, 600)
        line = law.predict(fine) - limit
        above = line > 0
        axes.plot(fine[above], line[above], color="#999999", lw=3, label=law.family, zorder=2)
        both = np.concatenate([excess[shown], line[above]])
        low, high = both.min() / 1.25, both.max() * 1.25
        axes.set(xscale="log", yscale="log", xlim=(first, last), ylim=(low, high))
        _segments(axes, made, fine[0], last)
        axes.set(xlabel=curve.labels[0], ylabel=_label(curve, limit))
        if high / low < 300:
            plain_ticks(axes.yaxis, low, high)
        few_decades(axes, x)
        hidden = int((~shown).sum())
        rest = f"; {hidden} row(s) at or below the limit are not drawn" if hidden else ""
        axes.set_title(f"{curve.name[-70:]}{rest}", fontsize=9)
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _segments(axes: Axes, made: Segments, first: float, last: float) -> None:
    """Each over its own range and half of the next on either side, to show where it is left; the key says
    which lie off the plot."""
    places = [first, *(b.x for b in made.breaks), last]
    for i, segment in enumerate(made.segments):
        colour = COLOURS[i % len(COLOURS)]
        label = f"segment {i + 1}: x^{-segment.exponent:.3g}"
        begin, end = max(segment.first_x, first), min(segment.last_x, last)
        if begin >= end:
            axes.plot([], [], color=colour, ls="--", lw=1.4, label=f"{label}, off the plot")
            continue
        before = np.sqrt(max(places[max(i - 1, 0)], first) * begin)
        after = np.sqrt(min(places[min(i + 2, len(places) - 1)], last) * end)
        x = np.geomspace(max(first, before), min(last, after), 200)
        y, (low, high) = segment.excess(x), axes.get_ylim()
        label += "" if ((low < y) & (y < high)).any() else ", off the plot"
        axes.plot(x, y, color=colour, ls="--", lw=1.4, label=label, zorder=3)
    label = "break, with its width"
    for each in made.breaks:
        if first < each.x < last:
            axes.axvline(each.x, color=INK, ls=":", lw=1, label=label, zorder=1)
            label = None
        begin, end = max(each.first_x, first), min(each.last_x, last)
        if begin < end:
            axes.axvspan(begin, end, color=INK, alpha=0.06, lw=0, zorder=0)


def _where(x: np.ndarray, y: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[kept], y[kept]


def _label(curve: Curve, limit: float) -> str:
    """What the vertical axis shows: a distance from the limit, as the curve's own y has it."""
    label, scale = curve.labels[1], curve.scale
    if scale.plain and not limit:
        return label
    at = f"{float(scale.shown(limit)):.4g}"
    return f"{at} - {label}" if scale.below else f"{label} - {at}"
