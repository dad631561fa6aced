"""Figures of a table of models: a small plot a task, and one of all tasks together."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from scalax.report.style import COLOURS, INK, Look, figure, grid, looks, panels
from scalax.report.transfer_axes import Scale, set_ticks
from scalax.transfer import Hull, ModelTable, Prediction, ShotTrend, SizeEffect, TaskFit, hull_of

FIT_COLOURS = {"hull": COLOURS[5], "all": COLOURS[0], "frontier": COLOURS[2]}
GROUP_COLOURS = [COLOURS[1], COLOURS[3], COLOURS[4], COLOURS[6], "#6A3D9A", "#8C564B"]  # no colour of a law
GREY = "#8a8a8a"
PANEL = (2.0, 1.75)  # inches
ON_A_PAGE = 48  # small plots
LONGEST_TITLE = 30  # letters
SHORT = {"saturates": "saturates", "does not": "does not saturate", "not determined": "not determined"}


def draw_laws(
    directory: epath.Path, table: ModelTable, fits: Sequence[TaskFit], scale: Scale
) -> list[epath.Path]:
    """Each task's models, hull and laws; the files, of at most 48 tasks each.

    - directory: to write to.
    - table: the models.
    - fits: the laws.
    - scale: of both axes.
    """
    colours, shown = _group_colours(table)

    def draw(axes: Axes, fit: TaskFit) -> None:
        t = table.tasks.index(fit.task)
        own = table.pairs(t)
        _points(axes, scale, table, own, t, [colours[i] for i in own])
        _hull(axes, scale, hull_of(table.e_us, table.e_ds[:, t]), INK)
        frame = axes.get_ylim()
        worst = float(table.e_us[own].max())
        for kind, colour in FIT_COLOURS.items():
            for low, high, line in ((fit.best_e_us, worst, "-"), (0.0, fit.best_e_us, ":")):
                x = np.linspace(low, high, 120)
                y = fit.laws[kind].laws.predict(x)
                axes.plot(scale(1 - x), scale(1 - y), color=colour, ls=line, lw=1.0)
        top = 1.0 if scale.name == "plain" else float(scale(1 - fit.best_e_us / 2))
        axes.set_xlim(float(scale(1 - worst)) - 0.02, top)
        if scale.name == "plain":
            level = max(1 - fit.laws[kind].e_ir.value for kind in FIT_COLOURS)
            axes.set_ylim(frame[0], min(1.02, max(frame[1], level + 0.03)))
        else:
            axes.set_ylim(frame[0], frame[1] + 0.15 * (frame[1] - frame[0]))
        law = fit.laws["frontier"]
        axes.set_title(f"{_short(fit.task)}\n{SHORT[law.verdict]}{_level(fit)}", pad=2)

    handles = [Line2D([], [], color=INK, lw=0.8, marker="o", ms=2.5, label="hull")]
    handles += [Line2D([], [], color=c, lw=1.2, label=_law_label(kind)) for kind, c in FIT_COLOURS.items()]
    handles += [
        Line2D([], [], color=c, ls="", marker="o", ms=3, label=_short(name)) for name, c in shown.items()
    ]
    return _pages(directory, "laws", fits, draw, scale, table.upstream, handles)


def draw_overlay(
    directory: epath.Path, table: ModelTable, tasks: Sequence[str], laid: str, scale: Scale
) -> list[epath.Path]:
    """The models on the hull of one task, seen on all tasks.

    - directory: to write to.
    - table: the models.
    - tasks: to draw.
    - laid: the task whose hull it is.
    - scale: of both axes.
    """
    over = hull_of(table.e_us, table.e_ds[:, table.tasks.index(laid)])

    def draw(axes: Axes, task: str) -> None:
        t = table.tasks.index(task)
        own = table.pairs(t)
        _points(axes, scale, table, own, t, GREY)
        _hull(axes, scale, hull_of(table.e_us, table.e_ds[:, t]), INK)
        frame = axes.get_ylim()
        x, y = scale(1 - over.e_us), scale(1 - table.e_ds[over.models, t])
        look = {"color": FIT_COLOURS["hull"], "lw": 0.8, "ms": 3, "mfc": "white", "mew": 0.9}
        axes.plot(x, y, marker="D", zorder=5, **look)
        axes.set_ylim(frame)
        axes.set_title(_short(task), pad=2)

    label = f"models on the hull of {_short(laid)}"
    look: dict[str, Any] = {"color": FIT_COLOURS["hull"], "lw": 0.8, "marker": "D", "ms": 3, "mfc": "white"}
    handles = [
        Line2D([], [], color=INK, lw=0.8, marker="o", ms=2.5, label="the task's own hull"),
        Line2D([], [], label=label, **look),
    ]
    return _pages(directory, "overlay", tasks, draw, scale, table.upstream, handles)


def draw_predictions(directory: epath.Path, found: Sequence[Prediction]) -> list[epath.Path]:
    """Prediction and fitting errors against the number of sampled models, hull and all; bands are draws."""

    def draw(axes: Axes, prediction: Prediction) -> None:
        for kind in ("hull", "all"):
            rows = [row for row in prediction.rows if row.fit == kind]
            x = [row.sampled for row in rows]
            colour = FIT_COLOURS[kind]
            for values, line in (([r.prediction for r in rows], "-"), ([r.fitting for r in rows], "--")):
                axes.plot(x, [max(v.mean, 1e-5) for v in values], color=colour, ls=line, lw=1.1)
                if line == "-":
                    low, high = ([max(v[i], 1e-5) for v in values] for i in (1, 2))
                    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        axes.set(xscale="log", yscale="log")
        shown = sorted({row.sampled for row in prediction.rows})
        shown = shown[:: max(1, len(shown) // 3)]
        axes.set_xticks(shown, [str(x) for x in shown])
        axes.xaxis.set_minor_locator(NullLocator())
        low, high = axes.get_ylim()
        steps = (1,) if high > 100 * low else (1, 2, 5)
        axes.yaxis.set_major_locator(LogLocator(subs=steps) if high > 3 * low else MaxNLocator(4))
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:.3g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(_short(prediction.task), pad=2)

    handles = [
        Line2D([], [], color=FIT_COLOURS[kind], ls=line, lw=1.1, label=f"{what} error, {kind}")
        for kind in ("hull", "all")
        for what, line in (("prediction", "-"), ("fitting", "--"))
    ]
    return _pages(
        directory, "prediction", found, draw, None, "models sampled", handles, "root mean square error"
    )


def draw_limits(path: epath.Path, fits: Sequence[TaskFit]) -> None:
    """e_IR of each task with its interval, by fit; tasks in the order of the frontier's."""
    ordered = sorted(fits, key=lambda fit: fit.laws["frontier"].e_ir.value)
    with figure(path, (7.2, 1.2 + 0.2 * len(fits))) as axes:
        for offset, (kind, colour) in zip((0.25, 0.0, -0.25), FIT_COLOURS.items(), strict=True):
            values = [fit.laws[kind].e_ir for fit in ordered]
            at = np.arange(len(ordered)) + offset
            axes.hlines(at, [v.low for v in values], [v.high for v in values], color=colour, lw=1.2)
            axes.plot([v.value for v in values], at, "o", ms=3, color=colour, label=_law_label(kind))
        best = [fit.best_e_ds for fit in ordered]
        axes.plot(best, np.arange(len(ordered)), "|", ms=7, color=INK, label="least error measured")
        axes.set_yticks(range(len(ordered)), [_short(fit.task) for fit in ordered], fontsize=7.5)
        axes.set(xlabel="e_IR, downstream error at upstream error 0", ylim=(-0.7, len(ordered) - 0.3))
        axes.legend(fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)


def draw_spearman(path: epath.Path, tasks: Sequence[str], correlations: Sequence[Sequence[float]]) -> None:
    """Rank correlations of all pairs of tasks as colours, with numbers where there is room."""
    count = len(tasks)
    side = min(14.0, max(4.5, 2.2 + 0.26 * count))
    size = 8 if count <= 40 else max(3.0, 320 / count)
    with figure(path, (side + 0.8, side)) as axes:
        image = axes.imshow(np.array(correlations, float), cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_xticks(range(count), [_short(t) for t in tasks], rotation=90, fontsize=size)
        axes.set_yticks(range(count), [_short(t) for t in tasks], fontsize=size)
        axes.grid(False)
        if count <= 15:
            for i, row in enumerate(correlations):
                for j, value in enumerate(row):
                    colour = "white" if abs(value) > 0.6 else INK
                    axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
        axes.figure.colorbar(image, ax=axes, shrink=0.7, label="Spearman correlation")


def draw_shots(path: epath.Path, trends: Sequence[ShotTrend], fit: str) -> None:
    """k, alpha and e_IR of the laws of each few-shot task against its shots."""
    names = list(dict.fromkeys(trend.name for trend in trends))
    with panels(path, 3, (11, 3.6)) as drawn:
        for axes, parameter, label in zip(drawn, ("k", "alpha", "e_ir"), ("k", "alpha", "e_IR"), strict=True):
            for look, name in zip(_many_looks(), names, strict=False):
                own = [t for t in trends if (t.name, t.fit, t.parameter) == (name, fit, parameter)]
                for trend in own:
                    axes.plot(
                        trend.shots,
                        trend.values,
                        color=look.colour,
                        ls=look.line,
                        marker=".",
                        lw=1.1,
                        label=_short(name),
                    )
            axes.set(xscale="log", xlabel="shots", ylabel=label)
            shots = sorted({s for trend in trends for s in trend.shots})
            axes.set_xticks(shots, [str(s) for s in shots])
            axes.minorticks_off()
        if len(names) <= 12:
            drawn[-1].legend(fontsize=7, loc="best")


def draw_sizes(path: epath.Path, effects: Sequence[SizeEffect]) -> None:
    """Partial correlation of each size with each task given upstream, with its interval."""
    tasks = list(dict.fromkeys(effect.task for effect in effects))
    names = list(dict.fromkeys(effect.size for effect in effects))
    with figure(path, (7.2, 1.3 + 0.2 * len(tasks))) as axes:
        for i, (look, name) in enumerate(zip(_many_looks(), names, strict=False)):
            own = [effect for effect in effects if effect.size == name]
            at = [tasks.index(e.task) + 0.5 * (0.5 - (i + 0.5) / len(names)) for e in own]
            axes.hlines(
                at, [e.partial.low for e in own], [e.partial.high for e in own], color=look.colour, lw=1.2
            )
            axes.plot(
                [e.partial.value for e in own], at, look.marker, ms=3, color=look.colour, label=_short(name)
            )
        axes.axvline(0, color=INK, lw=0.8)
        axes.set_yticks(range(len(tasks)), [_short(task) for task in tasks], fontsize=7.5)
        axes.set(xlabel="partial correlation with downstream accuracy, given upstream", xlim=(-1, 1))
        axes.set_ylim(len(tasks) - 0.3, -0.7)
        axes.legend(fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)


def _pages(
    directory: epath.Path,
    name: str,
    parts: Sequence[Any],
    draw: Callable[[Axes, Any], None],
    scale: Scale | None,
    x_label: str,
    handles: list[Line2D],
    y_label: str = "downstream accuracy",
) -> list[epath.Path]:
    """Grids of small plots; the files."""
    files = []
    for first in range(0, len(parts), ON_A_PAGE):
        own = parts[first : first + ON_A_PAGE]
        columns = min(len(own), 8 if len(own) > 15 else 5 if len(own) > 4 else 4)
        size = PANEL if len(own) > 15 else (2.7, 2.3) if len(own) > 4 else (3.4, 2.9)
        number = f"-{first // ON_A_PAGE + 1}" if len(parts) > ON_A_PAGE else ""
        files.append(directory / f"{name}{number}.png")
        with grid(files[-1], len(own), columns, size) as drawn:
            for axes, part in zip(drawn, own, strict=True):
                draw(axes, part)
                axes.tick_params(labelsize=6.5, pad=1.5, length=2)
                if scale:
                    set_ticks(axes, scale)
            whole: Any = drawn[0].figure
            stretched = f" ({scale.name})" if scale and scale.name != "plain" else ""
            at = f"upstream accuracy: {_short(x_label)}" if scale else x_label
            whole.supxlabel(at + stretched, fontsize=8.5, y=0.12 / whole.get_figheight())
            whole.supylabel(y_label + stretched, fontsize=8.5, x=0.1 / whole.get_figwidth())
            columns = max(1, min(len(handles), int(whole.get_size_inches()[0] / 1.9)))
            whole.legend(handles=handles, loc="upper center", ncols=columns, fontsize=7.5)
    return files


def _points(
    axes: Axes, scale: Scale, table: ModelTable, own: np.ndarray, task: int, colours: str | list[str]
) -> None:
    """The models `own` [m] on one task."""
    size = float(np.clip(1000 / len(own), 2, 8))
    x, y = scale(1 - table.e_us[own]), scale(1 - table.e_ds[own, task])
    axes.scatter(x, y, s=size, c=colours, alpha=0.45, lw=0)


def _hull(axes: Axes, scale: Scale, hull: Hull, colour: str) -> None:
    """Its chain, curved where the scale is: mixtures are straight in accuracies alone."""
    x = np.unique(np.concatenate([hull.e_us, np.linspace(hull.e_us[-1], hull.e_us[0], 100)]))
    axes.plot(scale(1 - x), scale(1 - hull.height(x)), color=colour, lw=0.8, zorder=3)
    axes.plot(scale(1 - hull.e_us), scale(1 - hull.e_ds), "o", ms=2.2, color=colour, zorder=4)


def _group_colours(table: ModelTable) -> tuple[list[str], dict[str, str]]:
    """A colour for each model, and those that the legend names."""
    if not table.groups:
        return [GREY] * len(table.models), {}
    largest = [name for name, _ in Counter(table.groups).most_common(len(GROUP_COLOURS))]
    named = dict(zip(largest, GROUP_COLOURS, strict=False))
    shown = {_short(name): colour for name, colour in named.items()}
    others = len(set(table.groups)) - len(named)
    return [named.get(g, GREY) for g in table.groups], shown | ({f"{others} others": GREY} if others else {})


def _many_looks() -> Iterator[Look]:
    """Looks for any number of series; after 21 they come again."""
    while True:
        yield from islice(looks(), 21)


def _law_label(kind: str) -> str:
    return {"hull": "law of the hull", "all": "law of all models", "frontier": "law of the frontier"}[kind]


def _level(fit: TaskFit) -> str:
    law = fit.laws["frontier"]
    return f" at {1 - law.e_ir.value:.3g}" if law.verdict == "saturates" else ""


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_TITLE else f"{name[: LONGEST_TITLE - 1]}…"
