"""Figures of a study of return curves, of one architecture each, with their data as CSV beside them."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from etils import epath
from matplotlib import ticker
from matplotlib.axes import Axes

from scalax.names import file_name
from scalax.report.style import INK, Look, looks, panels
from scalax.report.tables import write_csv
from scalax.studies.returns.result import (
    ArchitectureResult,
    CellResult,
    Estimate,
    ReturnResult,
    ReturnsResult,
)
from scalax.studies.returns.scales import EQUAL, TITLES
from scalax.studies.returns.stages import LEARNING
from scalax.studies.returns.verdicts import DIFFICULTY, METHODS, is_ratio, widest
from scalax.units import flops_text

SCORES: dict[str, Callable[[CellResult], Estimate]] = {
    "top-1": lambda cell: cell.top1,
    "top-5": lambda cell: cell.top5,
    "loss (nats)": lambda cell: cell.loss,
}
PANEL = (4.3, 3.9)  # inches
ASIDE = 0.015  # of the range of difficulty, from one curve to the next


class Drawn:
    """What the figures of one architecture share.

    - result: of the study.
    - architecture: of the result.
    - plots: directory of the figures.
    """

    def __init__(self, result: ReturnsResult, architecture: ArchitectureResult, plots: epath.Path):
        self.result, self.architecture, self._plots = result, architecture, plots
        self.x = np.array([task.difficulty for task in result.tasks])

    def difficulty_axis(self, panel: Axes) -> None:
        """Label x; classes are spaced by the logs of their numbers and marked by the numbers themselves."""
        difficulty = self.result.config.difficulty
        panel.set_xlabel(DIFFICULTY[difficulty][0])
        if difficulty == "classes":
            classes = {task.difficulty: task.classes for task in self.result.tasks}
            panel.set_xticks(list(classes), [str(count) for count in classes.values()])

    def path(self, figure: str, suffix: str = "png") -> epath.Path:
        name = file_name(self.architecture.name.replace("/", "_patch"))
        return self._plots / f"{name}_{figure}.{suffix}"

    def csv(self, figure: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        write_csv(self.path(figure, "csv"), heads, rows)


def scores(drawn: Drawn) -> epath.Path:
    """Top-1, top-5 and loss of each budget against difficulty."""
    config, cells = drawn.result.config, drawn.architecture.cells
    path, count = drawn.path("scores"), len(config.ratios)
    with panels(path, len(SCORES), (len(SCORES) * PANEL[0], PANEL[1])) as axes:
        for panel, (title, of) in zip(axes, SCORES.items(), strict=True):
            for look, b in zip(looks(), range(count), strict=False):
                own = cells[b::count]
                learning = [cell.stage == LEARNING for cell in own]
                label = flops_text(
                    config.base_flops[drawn.result.architectures.index(drawn.architecture)] * config.ratios[b]
                )
                _curve(panel, drawn.x, [of(cell) for cell in own], learning, look, label, aside=ASIDE * b)
            if title == "top-1":
                order = np.argsort(drawn.x)
                chance = [1 / drawn.result.tasks[i].classes for i in order]
                panel.plot(drawn.x[order], chance, color=INK, ls=":", lw=1, label="chance")
            drawn.difficulty_axis(panel)
            panel.set_ylabel(title)
        axes[0].legend(fontsize=8)
    heads = ["task", "difficulty", "budget_flops", "steps", "stage"]
    heads += [f"{name}{end}" for name in ("top1", "top5", "loss") for end in ("", "_low", "_high")]
    difficulty = {task.name: task.difficulty for task in drawn.result.tasks}
    drawn.csv(
        "scores",
        heads,
        [
            (c.task, difficulty[c.task], c.budget_flops, c.steps, c.stage, *c.top1, *c.top5, *c.loss)
            for c in cells
        ],
    )
    return path


def ratios(drawn: Drawn) -> epath.Path:
    """The return curves of each pair of budgets: of top-1, top-5 and loss, and the differences of top-1."""
    shown = ("top1", "top5", "loss", "difference")
    path = drawn.path("ratios")
    with panels(path, len(shown), (len(shown) * PANEL[0] * 0.9, PANEL[1])) as axes:
        for panel, scale in zip(axes, shown, strict=True):
            found = [each for each in drawn.architecture.returns if each.scale == scale]
            for i, (look, each) in enumerate(zip(looks(), found, strict=False)):
                _curve(panel, drawn.x, each.values, each.learning, look, each.pair, aside=ASIDE * i)
            panel.axhline(1 if is_ratio(scale) else 0, color=INK, lw=0.8, ls=":")
            drawn.difficulty_axis(panel)
            panel.set_ylabel("difference" if scale == "difference" else "ratio")
            panel.set_title(TITLES[scale], fontsize=10)
        _explain_hollow(axes[0])
        axes[0].legend(fontsize=8, title="budgets")
    _returns_csv(drawn, "ratios", drawn.architecture.returns)
    return path


def scales(drawn: Drawn) -> epath.Path:
    """The widest pair on each scale that answers the claim, with its line."""
    shown = ("top1", "corrected", "odds", "equal")
    found = {each.scale: each for each in widest(drawn.result.config, drawn.architecture)}
    path = drawn.path("scales")
    with panels(path, len(shown), (len(shown) * PANEL[0] * 0.9, PANEL[1])) as axes:
        for panel, scale, look in zip(axes, shown, looks(), strict=False):
            each = found[scale]
            _curve(panel, drawn.x, each.values, each.learning, look, "", line=False)
            slope = each.slope
            if math.isfinite(slope.value):
                x = np.linspace(drawn.x[each.learning].min(), drawn.x[each.learning].max(), 50)
                panel.plot(x, np.exp(slope.level + slope.value * x), color=look.colour, lw=1.4)
            if scale != EQUAL:
                panel.axhline(1, color=INK, lw=0.8, ls=":")
            label = "share of FLOPs" if scale == EQUAL else f"{each.pair} ratio"
            drawn.difficulty_axis(panel)
            panel.set(yscale="log", ylabel=label)
            _plain(panel)
            panel.set_title(TITLES[scale], fontsize=10)
        _explain_hollow(axes[0])
        axes[0].legend(fontsize=8)
    _returns_csv(drawn, "scales", [found[scale] for scale in shown])
    return path


def curves(drawn: Drawn) -> epath.Path:
    """Chance-corrected accuracy of each task along its runs, and the two levels."""
    path, levels = drawn.path("curves"), drawn.architecture.levels
    with panels(path, 1, (6.4, 4.4)) as (axes,):
        for look, curve in zip(looks(), drawn.architecture.curves, strict=False):
            _curve(axes, np.array(curve.flops), curve.accuracy, [True] * len(curve.flops), look, curve.task)
        for name, level in (("A", levels.low), ("B", levels.high)):
            if not levels.reason:
                axes.axhline(level, color=INK, lw=0.8, ls="--")
                axes.annotate(name, (1.0, level), xycoords=("axes fraction", "data"), va="bottom", ha="right")
        axes.set(xscale="log", xlabel="training compute (FLOPs)", ylabel="chance-corrected top-1")
        axes.legend(fontsize=8, title="task")
    drawn.csv(
        "curves",
        ["task", "flops", "chance_corrected_top1", "low", "high"],
        [
            (curve.task, flops, *accuracy)
            for curve in drawn.architecture.curves
            for flops, accuracy in zip(curve.flops, curve.accuracy, strict=True)
        ],
    )
    return path


def predictions(drawn: Drawn) -> epath.Path | None:
    """FLOPs from A to B as predicted from another task, against those measured; None without predictions."""
    found = drawn.architecture.predictions
    if not found:
        return None
    path = drawn.path("predictions")
    with panels(path, 1, (5.4, 4.8)) as (axes,):
        values = [each.measured for each in found]
        for look, (name, of) in zip(looks(), METHODS.items(), strict=False):
            points = [(each.measured, of(each)) for each in found if math.isfinite(of(each))]
            if points:
                values += [predicted for _, predicted in points]
                axes.plot(
                    *zip(*points, strict=True), look.marker, color=look.colour, ms=5, alpha=0.75, label=name
                )
        ends = (min(values), max(values))
        axes.plot(ends, ends, color=INK, lw=0.9, ls=":")
        axes.set(xscale="log", yscale="log", xlabel="FLOPs from A to B, measured", ylabel="predicted")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(ticker.LogLocator(subs=(1, 3)))
            axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: flops_text(value)))
            axis.set_minor_formatter(ticker.NullFormatter())
        axes.legend(fontsize=8)
    drawn.csv("predictions", type(found[0])._fields, found)
    return path


def _curve(
    axes: Axes,
    x: np.ndarray,
    values: Sequence[Estimate | None],
    solid: Sequence[bool],
    look: Look,
    label: str,
    line: bool = True,
    aside: float = 0.0,
) -> None:
    """Estimates with their intervals, in the order of x; hollow where they are not `solid`.

    aside: share of the range of x by which all are moved, so that intervals do not hide one another.
    """
    x = x + aside * np.ptp(x)
    order = [i for i in np.argsort(x, kind="stable") if values[i] is not None]
    points = [(x[i], value, solid[i]) for i in order if (value := values[i]) is not None]
    if not points:
        return
    xs = [at for at, _, _ in points]
    if line:
        axes.plot(xs, [value.value for _, value, _ in points], color=look.colour, lw=1.1, alpha=0.6)
    for at, value, whole in points:
        if math.isfinite(value.low):
            axes.plot([at, at], [value.low, value.high], color=look.colour, lw=1.1)
        face = look.colour if whole else "white"
        axes.plot(at, value.value, look.marker, color=look.colour, mfc=face, ms=5.5)
    if label:
        axes.plot([], [], look.marker, color=look.colour, ms=5.5, label=label)


def _plain(axes: Axes) -> None:
    """Plain numbers on a log axis of a short range."""
    low, high = axes.get_ylim()
    steps = (1, 2, 5) if high / low > 20 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _returns_csv(drawn: Drawn, figure: str, found: Sequence[ReturnResult]) -> None:
    rows = [
        (
            each.pair,
            each.scale,
            task.name,
            task.difficulty,
            *(each.values[i] or ("", "", "")),
            each.learning[i],
        )
        for each in found
        for i, task in enumerate(drawn.result.tasks)
    ]
    drawn.csv(figure, ["budgets", "scale", "task", "difficulty", "value", "low", "high", "learning"], rows)


def _explain_hollow(axes: Axes) -> None:
    axes.plot([], [], "o", mfc="none", color=INK, label="not learning at both: not in the line")
