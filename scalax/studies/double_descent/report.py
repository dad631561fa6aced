"""The report of double descent: the answer first, then what it rests on."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from scalax.records import write_atomically
from scalax.studies.double_descent.result import (
    AFTER_PEAK,
    CHOSEN,
    OVER,
    STILL,
    Cut,
    DoubleDescentResult,
    Interval,
    Sweep,
)

if TYPE_CHECKING:
    from scalax.report.tables import Table

FOLLOWS = 0.1  # RMSLE below which a law is said to follow a curve
INTERVALS = (
    "In brackets 90% intervals over resampled seeds. Means of resampled seeds are noisier than that of all"
    " seeds, so an error may lie below its own interval."
)
UNITS = {"width": "features", "steps": "steps"}


def report(result: DoubleDescentResult, out: Any) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the result as text."""
    from scalax.report.page import Page
    from scalax.report.tables import terminal_text
    from scalax.studies.double_descent import figures

    where = epath.Path(out)
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    sweeps = {"width": result.width, "steps": result.steps}
    figures.draw_all(result, plots)
    figures.write_data(sweeps, plots)
    found = lines(sweeps)
    page = Page("Double descent: which laws follow it, and what foretells it")
    page.answer(found[0])
    for line in found[1:]:
        page.text(line)
    page.figure(
        plots / "double_descent.png",
        f"Test error, geometric mean of {result.config.seeds} seeds with the middle 80% of them; laws fitted"
        " to all rows",
    )
    for name, sweep in sweeps.items():
        page.heading(f"Over {OVER[name]}: fitted to a part")
        page.text(about(result, name))
        page.figure(
            plots / f"{name}_cuts.png",
            "Laws fitted to the rows up to a cut (filled), and the rows after it (hollow)",
        )
        page.text(
            "RMSLE: of all rows, fitted to all; then after each cut, fitted to the rows up to it."
            f" {CHOSEN}: breaks and first row chosen by the last fifth of the rows to fit. {AFTER_PEAK}: M4"
            " fitted from the peak on, where it has been seen. In the first column these two are scored only"
            " over the rows that they were fitted to."
        )
        page.table(*table(sweep, text))
        page.figure(
            plots / f"{name}_segments.png",
            f"{sweep.cuts[-1].most_broken().law}, fitted to all rows, as power laws with breaks between"
            " them. Where breaks are as wide as a segment, the curve never comes to its slope.",
        )
    page.heading("Settings")
    page.code(json.dumps(dataclasses.asdict(result.config), indent=1))
    write_atomically(where / "report.html", page.render())
    shown = []
    for name, sweep in sweeps.items():
        shown += [f"\nover {OVER[name]}, RMSLE after so many {UNITS[name]}:", table(sweep, brief)]
    return terminal_text([*found, *shown]) + f"report: {where / 'report.html'}"


def lines(sweeps: dict[str, Sweep]) -> list[str]:
    """What was found, the answer first."""
    ends = {OVER[name]: sweep.cuts[-1] for name, sweep in sweeps.items()}
    follow = [over for over, cut in ends.items() if cut.most_broken().fitted.value < FOLLOWS]
    cannot = [over for over, cut in ends.items() if cut.best_old().fitted.value >= FOLLOWS]
    if len(follow) == len(cannot) == len(ends):
        answer = "BNSL follows double descent, M1 to M4 cannot"
    else:
        answer = (
            f"BNSL follows double descent over {' and '.join(follow) or 'neither'}, M1 to M4 cannot over"
            f" {' and '.join(cannot) or 'neither'}"
        )
    new, others = (
        " and ".join(f"{_percent(pick(cut).fitted)} over {over}" for over, cut in ends.items())
        for pick in (Cut.most_broken, Cut.best_old)
    )
    errors = "; ".join(
        f"over {over} " + " and ".join(f"{text(law.fitted)} with {law.law}" for law in (new, old))
        for over, new, old in ((over, cut.most_broken(), cut.best_old()) for over, cut in ends.items())
    )
    made = [
        f"{answer}: fitted to all rows, BNSL misses a typical one by {new}, the best of M1 to M4 by"
        f" {others}.",
        *_past(sweeps),
        f"RMSLE of the rows fitted: {errors}.",
    ]
    for name, sweep in sweeps.items():
        if sweep.dip == sweep.peak:
            made.append(f"Over {OVER[name]} the error never rises: there is no double descent here.")
            continue
        made += _foretold(name, sweep)
    return [*made, INTERVALS]


def _past(sweeps: dict[str, Sweep]) -> Iterator[str]:
    """Which rows of the tables are best past a peak, and how often."""
    risen = [sweep for sweep in sweeps.values() if sweep.dip != sweep.peak]
    past = [cut for sweep in risen for cut in sweep.cuts[:-1] if cut.x >= sweep.peak]
    won = Counter(cut.best_later() for cut in past)
    if len(won) == 1:
        best, times = won.most_common()[0]
        yield f"Past a peak, {best} is the best row of the tables in all of {times} extrapolations."
    elif won:
        counts = ", ".join(f"{name} in {times}" for name, times in won.most_common())
        yield (
            f"Past a peak no row of the tables is best throughout. Of {len(past)} extrapolations, these have"
            f" the least error: {counts}."
        )


def _foretold(name: str, sweep: Sweep) -> Iterator[str]:
    """Whether the peak is foretold from rows before it."""
    early = [cut for cut in sweep.cuts[:-1] if cut.x < sweep.peak]
    if early:
        best = {cut.x: cut.best_later() for cut in early}
        errors = {cut.x: cut.later()[best[cut.x]] for cut in early}
        each = ", ".join(f"{text(errors[x])} from {x:,g} by {name}" for x, name in best.items())
        least = min(error.value for error in errors.values())
        said = "no law foretells" if least >= FOLLOWS else "a law foretells"
        yield (
            f"Over {OVER[name]}, {said} the peak (at {sweep.peak:,g} {UNITS[name]}) from rows before it."
            f" Least RMSLE of the rows after the cut: {each}."
        )


def about(result: DoubleDescentResult, name: str) -> str:
    """The model of a sweep."""
    if name == "width":
        w = result.config.width
        penalty = f"a ridge of {w.ridge:g}" if w.ridge else "least norm"
        return (
            f"Least squares with {penalty} on random ReLU features of {w.inputs} Gaussian inputs, with"
            f" {w.examples} training examples and label noise {w.label_noise:g}. The error is least at"
            f" {result.width.dip:g} features before it rises, and greatest at {result.width.peak:g}."
        )
    s = result.config.steps
    return (
        f"Linear regression by gradient descent with rate {s.rate:g} on {s.large} features of scale 1 and"
        f" {s.small} of scale {s.scale:g}, with {s.examples} training examples and label noise"
        f" {s.label_noise:g}. The error is least after {result.steps.dip:g} steps before it rises, and"
        f" greatest after {result.steps.peak:g}."
    )


def table(sweep: Sweep, show: Callable[[Interval | None], str]) -> "Table":
    """A row for each law, a column for all rows and for each cut.

    - sweep: whose laws.
    - show: the text of a cell.
    """
    from scalax.report.tables import DASH, Table

    *cuts, whole = sweep.cuts
    heads = [f"after {cut.x:,g}, {sweep.part(cut.x)}" for cut in cuts]
    laws = list(dict.fromkeys(law.name for cut in sweep.cuts for law in cut.laws))
    rows = [[STILL, DASH, *(show(cut.still) for cut in cuts)]]
    for law in laws:
        after = [show(cut.law(law).later) if law in cut.names() else DASH for cut in cuts]
        rows.append([law, show(whole.law(law).fitted) if law in whole.names() else DASH, *after])
    return Table(["law", "fitted to all", *heads], rows)


def text(value: Interval | None) -> str:
    if value is None:
        return "none"
    return "{} ({} to {})".format(*(_number(v) for v in value))


def brief(value: Interval | None) -> str:
    return "none" if value is None else _number(value.value)


def _number(value: float) -> str:
    return f"{value:.3g}" if value >= 0.1 else f"{value:.4f}"


def _percent(value: Interval) -> str:
    return f"{100 * np.expm1(value.value):.2g}%"
