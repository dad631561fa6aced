"""Figures of a study of transfer: depth of the best layer, error by layer, and the sweep of the head."""

from collections.abc import Iterable

import numpy as np
from etils import epath

from scalax.report.style import COLOURS, INK, looks, panels
from scalax.studies.transfer import tables, verdicts
from scalax.studies.transfer.result import StudyResult

TASKS = 8  # that a figure of the head's sweep names


def draw_layers(path: epath.Path, result: StudyResult) -> None:
    """Left: depth of the best layer of each set against its rank correlation with upstream. Right: error by
    depth of the runs' ends, relative to the best layer, of the nearest and the farthest sets."""
    layers = tables.best_layers(result)
    depth = layers.depth.mean(0)
    ranks = np.array([verdicts.spearman(layers.upstream, e) for e in layers.downstream.T])
    with panels(path, 2, (12, 4.6)) as (left, right):
        left.plot(ranks, depth, "o", color=COLOURS[0])
        for x, y, name in zip(ranks, depth, layers.sets, strict=True):
            left.annotate(name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
        left.set(
            xlabel="rank correlation of error with upstream error",
            ylabel="depth of the best layer (0 first, 1 last)",
        )
        order = np.argsort(ranks)
        chosen = [*order[:3], *order[max(3, len(order) - 3) :]]
        for look, j in zip(looks(), chosen, strict=False):
            places, errors = _by_depth(result, layers.sets[j])
            right.plot(
                places, errors, color=look.colour, ls=look.line, label=f"{layers.sets[j]} ({ranks[j]:.2f})"
            )
        right.set(xlabel="depth of the layer (0 first, 1 last)", ylabel="error above that of the best layer")
        right.legend(fontsize=7, title="set (rank correlation)", title_fontsize=7)


def _by_depth(result: StudyResult, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Places on a grid of depths, and the mean over the runs' ends of the error above the best layer's."""
    shots, grid = result.config.best_shots, np.linspace(0, 1, 9)
    curves = []
    for row in result.models:
        if row.last:
            errors = np.array([row.downstream[f"{name}/{layer}@{shots}"] for layer in row.layers])
            curves.append(np.interp(grid, np.linspace(0, 1, len(errors)), errors - errors.min()))
    return grid, np.mean(curves, 0)


def draw_head(path: epath.Path, result: StudyResult) -> None:
    """Error against the head's decay, upstream and downstream, relative to the best; and against each other
    the best decay and the rank correlation with upstream."""
    heads = tables.heads(result)
    shots = f"@{result.config.best_shots}"
    named = [0, *(i for i, task in enumerate(heads.tasks) if task.endswith(shots))][: TASKS + 1]
    with panels(path, 2, (12, 4.6)) as (left, right):
        places = np.arange(len(heads.decays))
        for look, i in zip(looks(), named, strict=False):
            errors = heads.errors[i].mean(-1).min(-1)
            look = look._replace(colour=INK) if i == 0 else look
            left.plot(
                places, errors - errors.min(), color=look.colour, ls=look.line, marker=look.marker, ms=4
            )
            left.plot([], [], color=look.colour, ls=look.line, marker=look.marker, ms=4, label=heads.tasks[i])
        left.set_xticks(places, [f"{decay:g}" for decay in heads.decays])
        left.set(xlabel="weight decay of the head", ylabel="error above that of the best decay")
        left.legend(fontsize=7)
        _, best, ranks = verdicts.decay_against_upstream(result)
        jitter = np.random.default_rng(0).uniform(-0.12, 0.12, len(best))
        right.plot(ranks, best + jitter, "o", color=COLOURS[0], ms=4)
        right.set_yticks(places, [f"{decay:g}" for decay in heads.decays])
        right.set(
            xlabel="rank correlation of error with upstream error", ylabel="best decay of the head (jittered)"
        )


def draw_moves(path: epath.Path, result: StudyResult) -> None:
    """Norms and margins against the head's decay, as multiples of those at the least."""
    heads = tables.heads(result)
    places = np.arange(len(heads.decays))
    with panels(path, 2, (12, 4.2)) as axes:
        for one, values, label in zip(
            axes, (heads.norms, heads.margins), ("L2 norm", "absolute margin"), strict=True
        ):
            for look, (name, value) in zip(looks(), values.items(), strict=False):
                for line in _relative(value):
                    one.plot(places, line, color=look.colour, lw=0.8, alpha=0.4)
                mean = np.mean(list(_relative(value)), 0)
                one.plot(places, mean, color=look.colour, marker=look.marker, ms=4, label=name)
            one.set_xticks(places, [f"{decay:g}" for decay in heads.decays])
            one.set(xlabel="weight decay of the head", ylabel=f"{label} / that at the least decay")
            one.legend(fontsize=8)


def _relative(values: np.ndarray) -> Iterable[np.ndarray]:
    """Of values [d, l, s], a line [d] for each learning rate and seed."""
    for line in values.reshape(len(values), -1).T:
        yield line / (line[0] if line[0] else np.nan)
