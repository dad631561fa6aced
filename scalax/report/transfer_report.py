"""The report of an analysis of transfer: findings in words and tables, beside its figures and numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax.records import write_atomically
from scalax.report import transfer_figures as figures
from scalax.report import transfer_words as words
from scalax.report.page import Page
from scalax.report.tables import DASH, Table, terminal_text
from scalax.report.transfer_axes import Scale
from scalax.report.transfer_files import write_numbers
from scalax.transfer import Column, FittedLaw, Interval, ModelTable, TransferResult

MOST_ROWS = 60  # of a table on a terminal


def write(table: ModelTable, result: TransferResult, out: Any, scale: Scale, laid: str | None = None) -> str:
    """report.html, figures/, transfer.json and a CSV of every part; returns what a terminal shows.

    - table: that was analysed.
    - result: of the analysis.
    - out: directory to write to.
    - scale: of the axes of accuracies.
    - laid: the task whose hull is laid over all others; without, the first.
    """
    where = epath.Path(out)
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    write_numbers(where, table, result)
    page = Page(f"Transfer: what accuracy on {result.upstream} buys downstream")
    for line in words.findings(result):
        page.text(line)
    page.table(*law_table(result))
    page.text(words.LAWS_NOTE)
    figures.draw_limits(plots / "limits.png", result.fits)
    page.figure(plots / "limits.png", "e_IR and its 95% interval over resampled models, by what was fitted.")
    for file in figures.draw_laws(plots, table, result.fits, scale):
        page.figure(
            file,
            "Models, hull and laws of each task; dotted beyond the best upstream accuracy that was measured."
            " Titles give the verdict of the frontier's law.",
        )
    _hulls(page, result)
    if result.predictions:
        page.heading("Prediction above an upstream accuracy")
        page.text(words.prediction_line(result))
        page.table(*prediction_table(result))
        page.text(words.PREDICTION_NOTE)
        for file in figures.draw_predictions(plots, result.predictions):
            page.figure(
                file, "Errors against the number of models sampled; bands are least and most of draws."
            )
    _between(page, plots, table, result, scale, laid or result.fits[0].task)
    if result.shots:
        page.heading("Shots")
        page.table(*shot_table(result))
        page.text(words.SHOTS_NOTE)
        figures.draw_shots(plots / "shots.png", result.shots, "frontier")
        page.figure(plots / "shots.png", "Parameters of the frontier's law against shots.")
    if result.sizes or result.groups:
        page.heading("What else matters, given upstream")
        _given(page, plots, result)
    page.heading("What was read")
    for line in words.read_lines(result):
        page.text(line)
    page.table(*column_table(result.columns))
    write_atomically(where / "report.html", page.render())
    lines = [*words.read_lines(result), "", *words.findings(result)]
    shown = law_table(result)
    cut = Table(shown.header, shown.rows[:MOST_ROWS])
    more = [f"{len(shown.rows) - MOST_ROWS} more tasks in laws.csv"] if len(shown.rows) > MOST_ROWS else []
    return terminal_text([*lines, cut, *more, f"report: {where / 'report.html'}"])


def law_table(result: TransferResult) -> Table:
    """A row a task, the three fits side by side."""
    predicted = {p.task: p for p in result.predictions}
    rows = []
    for fit in result.fits:
        front, hull, every = (fit.laws[kind] for kind in ("frontier", "hull", "all"))
        p = predicted.get(fit.task)
        errors = [f"{p.last(k).prediction.mean:.4f}" for k in ("hull", "all")] if p else [DASH, DASH]
        of_hull = [*_law_cells(hull)[2:], hull.verdict]
        of_all = [*_law_cells(every)[2:], *errors]
        rows.append([fit.task, str(fit.models), front.verdict, *_law_cells(front), *of_hull, *of_all])
    head = [
        "task",
        "models",
        "verdict",
        "k",
        "alpha",
        "e_IR",
        "e_IR of hull",
        "verdict of hull",
        "e_IR of all",
    ]
    return Table([*head, "prediction: hull", "all"], rows)


def _law_cells(law: FittedLaw) -> list[str]:
    return [_interval(law.k, 2), _interval(law.alpha, 2), _interval(law.e_ir, 3)]


def _interval(value: Interval, digits: int) -> str:
    if not np.isfinite(value.value):
        return DASH
    return f"{value.value:.{digits}f} ({value.low:.{digits}f}–{value.high:.{digits}f})"


def prediction_table(result: TransferResult) -> Table:
    rows = []
    for p in result.predictions:
        hull, every = p.last("hull"), p.last("all")
        cells = [hull.fitting, every.fitting, hull.on_hull, every.on_all, hull.on_all, every.on_hull]
        rows.append(
            [
                p.task,
                str(p.below),
                str(p.above),
                *(f"{e.mean:.4f}" for e in cells),
                f"{p.ratio:.2f}" if np.isfinite(p.ratio) else DASH,
            ]
        )
    head = ["task", "below", "above", "fitting: hull", "all", "prediction: hull on hull", "all on all"]
    return Table([*head, "hull on all", "all on hull", "ratio"], rows)


def shot_table(result: TransferResult) -> Table:
    rows = []
    for kind in dict.fromkeys(t.fit for t in result.shots):
        for parameter in dict.fromkeys(t.parameter for t in result.shots):
            own = [t for t in result.shots if (t.fit, t.parameter) == (kind, parameter)]
            pearson = [t.pearson for t in own if np.isfinite(t.pearson)]
            steps = sum(len(t.shots) - 1 for t in own)
            rises, falls = (sum(getattr(t, name) for t in own) for name in ("rises", "falls"))
            mean = f"{np.mean(pearson):.2f}" if pearson else DASH
            rows.append(
                [f"{parameter}, {kind}", str(len(own)), mean, f"{rises / steps:.0%}", f"{falls / steps:.0%}"]
            )
    return Table(["parameter", "tasks", "Pearson with shots", "rises", "falls"], rows)


def column_table(columns: Sequence[Column]) -> Table:
    rows = [[c.name, c.holds, c.unit, f"{c.least:g}", f"{c.most:g}", str(c.missing), c.why] for c in columns]
    return Table(["column", "holds", "unit", "least", "most", "missing", "because"], rows)


def _hulls(page: Page, result: TransferResult) -> None:
    page.heading("Models on the hull")
    page.text(words.HULL_NOTE)
    rows = [
        [fit.task, str(len(fit.hull)), "; ".join(" = ".join(c.models) for c in fit.hull)]
        for fit in result.fits
    ]
    page.table(["task", "corners", "models, from the worst upstream to the best"], rows)


def _between(
    page: Page, plots: epath.Path, table: ModelTable, result: TransferResult, scale: Scale, laid: str
) -> None:
    page.heading("Between tasks")
    rows = []
    for r, rho in zip(result.reversals, result.spearman[0][1:], strict=True):
        noise = DASH if r.beyond_noise is None else f"{r.beyond_noise:,}"
        share = f"{r.reversed / r.pairs:.1%}" if r.pairs else DASH
        stark = f"{r.better} over {r.worse}: +{100 * r.gain:.1f}, -{100 * r.loss:.1f}" if r.better else DASH
        number = f"{rho:.3f}" if np.isfinite(rho) else DASH
        rows.append([r.task, number, f"{r.pairs:,}", f"{r.reversed:,}", share, noise, stark])
    head = ["task", "Spearman with upstream", "pairs", "better upstream, worse downstream", "share"]
    page.table([*head, "beyond noise", "the starkest, in points"], rows)
    figures.draw_spearman(plots / "spearman.png", result.tasks, result.spearman)
    page.figure(plots / "spearman.png", "Spearman's correlation of accuracies between tasks.")
    if len(result.fits) > 1:
        i = result.overlay.tasks.index(laid)
        gaps = [g for j, g in enumerate(result.overlay.gap[i]) if j != i and np.isfinite(g)]
        if gaps:
            page.text(
                f"Models on the hull of {laid} lie {100 * float(np.median(gaps)):.1f} points of accuracy"
                " below the hulls of the other tasks (median;"
                f" {100 * min(gaps):.1f} to {100 * max(gaps):.1f})."
            )
        for file in figures.draw_overlay(plots, table, [fit.task for fit in result.fits], laid, scale):
            page.figure(file, f"The hull of {laid}, and the models on it, over the models of every task.")


def _given(page: Page, plots: epath.Path, result: TransferResult) -> None:
    if result.sizes:
        page.text(words.SIZES_NOTE)
        rows = []
        for e in result.sizes:
            size = f"log {e.size}" if e.log else e.size
            cells = [_interval(e.partial, 2), f"{e.left:.1%}", f"{e.left_with_size:.1%}"]
            rows.append([e.task, size, str(e.models), *cells])
        page.table(["task", "size", "models", "partial correlation", "left", "left with size"], rows)
        figures.draw_sizes(plots / "sizes.png", result.sizes)
        page.figure(plots / "sizes.png", "Partial correlations with 95% intervals over resampled models.")
    if result.groups:
        rows = [
            [g.task, str(g.groups), str(g.models), f"{g.left:.1%}", f"{g.between:.0%}"] for g in result.groups
        ]
        page.text("Between: share of what the law leaves that lies between groups, beyond chance.")
        page.table(["task", "groups", "models", "left", "between groups"], rows)
