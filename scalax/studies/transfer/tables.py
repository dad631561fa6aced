"""The rows of a study as tables: of models for scalax.transfer, and of layers."""

from typing import NamedTuple

import numpy as np

from scalax import transfer
from scalax.studies.transfer.result import UPSTREAM, StudyResult

HEAD = "pre_logits"  # the layer whose probes stand for a task in the table of models
SIZES = ("params", "images", "epochs", "flops")


def models(result: StudyResult) -> transfer.ModelTable:
    """Every run at every evaluation as a model, in groups by family; tasks are 'set@shots', probed at the
    pre-logits."""
    rows = result.models
    tasks = [(name, shots) for name in result.sets for shots in result.config.shots]
    return transfer.model_table(
        UPSTREAM,
        np.array([row.upstream for row in rows]),
        {
            f"{name}@{shots}": np.array([row.downstream[f"{name}/{HEAD}@{shots}"] for row in rows])
            for name, shots in tasks
        },
        models=[f"{row.run} {row.epochs:.3g} epochs" for row in rows],
        groups=[row.family for row in rows],
        sizes={name: np.array([getattr(row, name) for row in rows], float) for name in SIZES},
        images_us=float(result.upstream_test),
        images_ds={f"{name}@{shots}": float(result.sets[name].test) for name, shots in tasks},
    )


def analysis(result: StudyResult) -> transfer.TransferResult:
    """Of the models; intervals resample runs, with all their evaluations."""
    table = models(result)
    by_run = table._replace(groups=[row.run for row in result.models])
    found = transfer.analyse(by_run, whole_groups=True)
    return found._replace(groups=transfer.group_effects(table, found.fits))


class Layers(NamedTuple):
    """The best layer of each model and set.

    - sets: names [s].
    - runs: of each model [m]; upstream: its error [m].
    - downstream: error of the pre-logits [m, s].
    - depth: of the best layer [m, s], from 0, the first, to 1, the last; of equals their mean.
    """

    sets: list[str]
    runs: list[str]
    upstream: np.ndarray
    downstream: np.ndarray
    depth: np.ndarray


def best_layers(result: StudyResult) -> Layers:
    """By the error with `best_shots` shots, of all models."""
    shots, names = result.config.best_shots, list(result.sets)
    depth = np.zeros((len(result.models), len(names)))
    for i, row in enumerate(result.models):
        places = np.linspace(0, 1, len(row.layers))
        for j, name in enumerate(names):
            errors = np.array([row.downstream[f"{name}/{layer}@{shots}"] for layer in row.layers])
            depth[i, j] = places[errors == errors.min()].mean()
    downstream = np.array(
        [[row.downstream[f"{name}/{HEAD}@{shots}"] for name in names] for row in result.models]
    )
    return Layers(
        names,
        [row.run for row in result.models],
        np.array([row.upstream for row in result.models]),
        downstream,
        depth,
    )


class Heads(NamedTuple):
    """The sweep of the head as arrays over decays [d], learning rates [l] and seeds [s].

    - tasks: names [t]: UPSTREAM, then 'set@shots'.
    - errors: [t, d, l, s].
    - decays, lr_heads: as they were swept.
    - norms: 'head' and 'body' -> [d, l, s]; margins: 'head' and 'pre_logits' -> [d, l, s], medians of
      their absolute values upstream.
    """

    tasks: list[str]
    errors: np.ndarray
    decays: list[float]
    lr_heads: list[float]
    norms: dict[str, np.ndarray]
    margins: dict[str, np.ndarray]


def heads(result: StudyResult) -> Heads:
    """Of a study that has a sweep of the head."""
    rows = result.heads
    decays = sorted({row.decay for row in rows})
    lr_heads = sorted({row.lr_head for row in rows})
    seeds = sorted({row.seed for row in rows})
    by = {(row.decay, row.lr_head, row.seed): row for row in rows}

    def arranged(value) -> np.ndarray:
        return np.array([[[value(by[d, lr, s]) for s in seeds] for lr in lr_heads] for d in decays])

    def body(row) -> float:
        return float(np.sqrt(sum(norm**2 for layer, norm in row.norms.items() if layer != "head")))

    tasks = list(rows[0].downstream)
    errors = [arranged(lambda row: row.upstream)]
    errors += [arranged(lambda row, task=task: row.downstream[task]) for task in tasks]
    return Heads(
        [UPSTREAM, *tasks],
        np.stack(errors),
        decays,
        lr_heads,
        {"head": arranged(lambda row: row.norms["head"]), "body": arranged(body)},
        {
            layer: arranged(lambda row, layer=layer: row.margins[f"{UPSTREAM}/{layer}_margin_size"])
            for layer in ("head", "pre_logits")
        },
    )


def best_decay(errors: np.ndarray) -> np.ndarray:
    """Place of the best decay [t], as a number from 0, by the mean over the seeds at the best learning rate.

    errors: [t, d, l, s].
    """
    return errors.mean(-1).min(-1).argmin(-1).astype(float)
