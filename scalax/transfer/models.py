"""The errors of models on one upstream task and any number of downstream tasks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scalax.errors import UserError
from scalax.records.remark import Remark

FEWEST = 5  # models for a law of three parameters
MOST = 20_000  # models; the analysis of so many takes about 20 s


class Column(NamedTuple):
    """How a column, or one task of a long table, was read.

    - name: of it.
    - holds: 'accuracy' or 'error'.
    - unit: 'share' (0..1) or 'percent' (0..100).
    - why: what says that it holds errors or accuracies: 'asked', 'name' (it speaks of errors) or 'default'.
    - least, most: of its cells, as they stand.
    - missing: cells without a number.
    """

    name: str
    holds: str
    unit: str
    why: str
    least: float
    most: float
    missing: int


class ModelTable(NamedTuple):
    """Models and their errors, as shares of test images.

    - upstream: name of the upstream task.
    - tasks: names of the downstream tasks [t].
    - models: names [n], each once.
    - e_us: [n], upstream error.
    - e_ds: [n, t], downstream errors; nan where one was not measured.
    - groups: [n], e.g. the family of each model; empty without.
    - sizes: name -> [n], e.g. parameters, data, FLOPs; nan where unknown.
    - images_us, images_ds: [n] and [n, t], how many test images an error is a share of; nan where unknown.
    - columns: how each was read, the upstream one first; empty if the table was not read from a file.
    - unread: other columns of the file.
    - left_out: models without an upstream error.
    - remarks: what was left out of the file, or taken for granted.
    """

    upstream: str
    tasks: list[str]
    models: list[str]
    e_us: np.ndarray
    e_ds: np.ndarray
    groups: list[str]
    sizes: dict[str, np.ndarray]
    images_us: np.ndarray
    images_ds: np.ndarray
    columns: list[Column]
    unread: list[str]
    left_out: int
    remarks: tuple[Remark, ...] = ()

    def pairs(self, task: int) -> np.ndarray:
        """Indices of the models that were measured on the downstream task [m]."""
        return np.flatnonzero(np.isfinite(self.e_ds[:, task]))


def model_table(
    upstream: str,
    e_us: np.ndarray,
    e_ds: dict[str, np.ndarray],
    models: list[str] | None = None,
    groups: list[str] | None = None,
    sizes: dict[str, np.ndarray] | None = None,
    images_us: np.ndarray | float | None = None,
    images_ds: dict[str, np.ndarray | float] | None = None,
    columns: list[Column] | None = None,
    unread: list[str] | None = None,
    remarks: Sequence[Remark] = (),
) -> ModelTable:
    """A table from arrays. Models without an upstream error are left out, and counted.

    - upstream: name of the upstream task.
    - e_us: [n], upstream errors as shares, 0..1.
    - e_ds: downstream task -> [n], errors as shares; nan where one was not measured.
    - models: names [n]; 'model 1', ... without.
    - groups: [n], the kind of each model.
    - sizes: name -> [n].
    - images_us: test images of the upstream task, of all models or of each [n]; None: unknown.
    - images_ds: the same by downstream task.
    - columns: how each was read from a file.
    - unread: other columns of the file.
    - remarks: on the file.

    Raises UserError for errors outside 0..1, fewer than five models or over 20,000, a model named twice, one
    upstream error alone, and no downstream task with five models.

    >>> table = model_table("up", np.linspace(0.2, 0.6, 5), {"down": np.linspace(0.3, 0.5, 5)})
    >>> table.tasks, table.e_ds.shape, table.models[0]
    (['down'], (5, 1), 'model 1')
    """
    e_us = np.asarray(e_us, float)
    n = len(e_us)
    names = models or [f"model {i + 1}" for i in range(n)]
    down = np.stack([np.asarray(e_ds[task], float) for task in e_ds], 1) if e_ds else np.zeros((n, 0))
    if not e_ds:
        raise UserError("`downstream`: no downstream task; name one or more")
    for task, values in zip([upstream, *e_ds], [e_us, *down.T], strict=True):
        bad = np.flatnonzero((values < 0) | (values > 1) | np.isinf(values))
        if len(bad):
            raise UserError(
                f"{task!r}, model {names[bad[0]]!r}: an error is a share, 0 to 1, got {values[bad[0]]:g}"
            )
    if upstream in e_ds:
        raise UserError(f"`downstream` names the upstream task, {upstream!r}; leave it out")
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        if seen.setdefault(name, i) != i:
            raise UserError(f"model {name!r} occurs twice; remove one, or tell them apart by `model`")
    kept = np.isfinite(e_us)
    if kept.sum() < FEWEST:
        raise UserError(
            f"{upstream!r}: a law needs {FEWEST} models or more with an upstream error, got {kept.sum()}"
        )
    if kept.sum() > MOST:
        raise UserError(
            f"{upstream!r}: {kept.sum():,} models, and the analysis takes {MOST:,} at most; draw some of them"
        )
    if np.ptp(e_us[kept]) == 0:
        raise UserError(
            f"`upstream` {upstream!r}: all models have the same upstream error, {e_us[kept][0]:g}; choose"
            " another upstream task"
        )
    most = max(np.isfinite(column[kept]).sum() for column in down.T)
    if most < FEWEST:
        raise UserError(
            f"`downstream`: no task has {FEWEST} models with an upstream error; the best has {most}"
        )

    def of_images(images: np.ndarray | float | None) -> np.ndarray:
        return np.broadcast_to(np.asarray(np.nan if images is None else images, float), (n,))[kept]

    counts = [of_images((images_ds or {}).get(task)) for task in e_ds]
    return ModelTable(
        upstream=upstream,
        tasks=list(e_ds),
        models=[name for name, keep in zip(names, kept, strict=True) if keep],
        e_us=e_us[kept],
        e_ds=down[kept],
        groups=[group for group, keep in zip(groups or [], kept, strict=bool(groups)) if keep],
        sizes={name: np.asarray(values, float)[kept] for name, values in (sizes or {}).items()},
        images_us=of_images(images_us),
        images_ds=np.stack(counts, 1),
        columns=columns or [],
        unread=unread or [],
        left_out=int((~kept).sum()),
        remarks=tuple(remarks),
    )


def resampled(
    table: ModelTable, own: np.ndarray, resamples: int, seed: int, whole_groups: bool
) -> np.ndarray:
    """Positions in `own` [1 + resamples, m]: all in order first, then drawn with replacement, in order.

    - table: whose groups count.
    - own: [m], indices of models.
    - resamples: how many.
    - seed: of the draws, which depend on the number of models besides.
    - whole_groups: draw groups with all their models, as many groups as there are; of the models so drawn, m
      are taken at random. For models that are no independent draws, as the checkpoints of one run are.
    """
    m = len(own)
    rng = np.random.default_rng([seed, m])
    drawn = rng.integers(m, size=(resamples, m))
    if whole_groups and table.groups:
        kinds, which = np.unique([table.groups[i] for i in own], return_inverse=True)
        members = [np.flatnonzero(which == g) for g in range(len(kinds))]
        for row in drawn:
            found = np.concatenate([members[g] for g in rng.integers(len(kinds), size=len(kinds))])
            row[:] = rng.permutation(found)[:m] if len(found) >= m else rng.choice(found, m)
    return np.concatenate([np.arange(m)[None], np.sort(drawn, 1)])
