"""The numbers of an analysis of transfer as files: transfer.json, and a CSV of every part."""

from collections.abc import Iterable, Sequence
from typing import Any

from etils import epath

from scalax.records import dumps, write_atomically
from scalax.report.tables import write_csv
from scalax.transfer import Mixture, ModelTable, TransferResult
from scalax.typed import to_json


def write_numbers(out: epath.Path, table: ModelTable, result: TransferResult) -> None:
    """All of them, to the directory `out`."""
    write_atomically(out / "transfer.json", dumps(to_json(result), indent=1) + "\n")
    kinds = [table.groups] if table.groups else []
    write_csv(
        out / "models.csv",
        ["model", *(["group"] if kinds else []), *table.sizes, f"{table.upstream} (error)"]
        + [f"{task} (error)" for task in table.tasks],
        zip(table.models, *kinds, *table.sizes.values(), table.e_us, *table.e_ds.T, strict=True),
    )
    _write_records(out / "columns.csv", result.columns)
    parameters = [f"{name}{end}" for name in ("k", "alpha", "e_ir") for end in ("", "_low", "_high")]
    of_task = ["best_e_us", "best_e_ds", "explained", "misfit", "noise_share", "lift"]
    write_csv(
        out / "laws.csv",
        ["task", "fit", *parameters, "rms", "models", "counts_as_none", "verdict", *of_task],
        (
            [fit.task, kind, *law.k, *law.alpha, *law.e_ir, law.rms, law.models, law.noise, law.verdict]
            + [getattr(fit, name) for name in of_task]
            for fit in result.fits
            for kind, law in fit.laws.items()
        ),
    )
    write_csv(
        out / "hull.csv",
        ["task", "corner", "upstream_accuracy", "downstream_accuracy", "models"],
        (
            (fit.task, i, 1 - corner.e_us, 1 - corner.e_ds, "; ".join(corner.models))
            for fit in result.fits
            for i, corner in enumerate(fit.hull, start=1)
        ),
    )
    errors = ("fitting", "on_hull", "on_all")
    write_csv(
        out / "prediction.csv",
        [
            "task",
            "fit",
            "sampled",
            "draws",
            *(f"{e}_{end}" for e in errors for end in ("mean", "least", "most")),
        ],
        (
            (p.task, row.fit, row.sampled, row.draws, *row.fitting, *row.on_hull, *row.on_all)
            for p in result.predictions
            for row in p.rows
        ),
    )
    write_csv(
        out / "spearman.csv",
        ["task", *result.tasks],
        ([t, *row] for t, row in zip(result.tasks, result.spearman, strict=True)),
    )
    over = result.overlay
    write_csv(
        out / "overlay.csv",
        ["hull_of", "on", "corners", "shared", "mean_gap"],
        (
            (a, b, over.corners[i], over.shared[i][j], over.gap[i][j])
            for i, a in enumerate(over.tasks)
            for j, b in enumerate(over.tasks)
        ),
    )
    _write_records(out / "reversals.csv", result.reversals)
    if result.shots:
        write_csv(
            out / "shots.csv",
            ["task", "fit", "parameter", "shots", "value", "pearson", "rises", "falls"],
            (
                (t.name, t.fit, t.parameter, s, v, t.pearson, t.rises, t.falls)
                for t in result.shots
                for s, v in zip(t.shots, t.values, strict=True)
            ),
        )
    if result.sizes:
        write_csv(
            out / "sizes.csv",
            ["task", "size", "models", "log", "partial", "low", "high", "left", "left_with_size"],
            ((e.task, e.size, e.models, e.log, *e.partial, e.left, e.left_with_size) for e in result.sizes),
        )
    if result.groups:
        _write_records(out / "groups.csv", result.groups)


def write_mixtures(path: epath.Path, table: ModelTable, mixtures: Iterable[tuple[str, Mixture]]) -> None:
    """A row for each task and mixture.

    - path: of the CSV file.
    - table: whose models are mixed.
    - mixtures: with their tasks.
    """
    write_csv(
        path,
        ["task", "upstream_accuracy", "downstream_accuracy", "first", "second", "share_of_second"],
        (
            (task, 1 - m.e_us, 1 - m.e_ds, table.models[m.first], table.models[m.second], m.share)
            for task, m in mixtures
        ),
    )


def _write_records(path: epath.Path, records: Sequence[Any]) -> None:
    """NamedTuples of one class, a row each."""
    if records:
        write_csv(path, records[0]._fields, records)
