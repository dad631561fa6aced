"""The report of a study of transfer: its questions answered, then figures, tables and the files of both."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax import typed
from scalax.records import write_atomically
from scalax.report import transfer_report
from scalax.report.page import Page
from scalax.report.tables import DASH, Table, terminal_text, write_csv
from scalax.report.transfer_axes import scale_of
from scalax.studies.transfer import figures, tables, verdicts, words
from scalax.studies.transfer.result import StudyResult, Verdict

ANALYSIS = "analysis"  # directory of the whole analysis of the table of models


def report(result: StudyResult, out: Any) -> str:
    """Write report.html, figures/ and CSV to `out`, the analysis of its models to `out`/analysis; returns the
    answers as text."""
    where = epath.Path(out)
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    asked = words.by_question(result.verdicts)
    lines = [words.answer_line(name, found) for name, found in asked.items()]
    page = Page(f"Transfer: {result.config.name}")
    page.text(words.what_was_done(result))
    for line in lines:
        page.text(line)
    for name, found in asked.items():
        page.heading(words.QUESTIONS[name])
        page.text(words.HOW[name])
        page.table(*verdict_table(found))
    if result.models:
        _models(page, where, result)
    if result.heads:
        _heads(page, plots, result)
    page.heading("Config and versions")
    settings = {"config": typed.to_json(result.config), "device": result.device._asdict()}
    page.code(json.dumps({**settings, "versions": result.versions}, indent=1))
    write_atomically(where / "report.html", page.render())
    _write_files(plots, result)
    return terminal_text([words.what_was_done(result), *lines, f"report: {where / 'report.html'}"])


def verdict_table(found: Sequence[Verdict]) -> Table:
    def cell(x: float) -> str:
        return f"{x:.3f}" if np.isfinite(x) else DASH

    rows = [[v.of or "all", v.answer, *map(cell, (v.value, v.low, v.high))] for v in found]
    return Table(["of", "answer", "value", "low", "high"], rows)


def _models(page: Page, where: epath.Path, result: StudyResult) -> None:
    assert result.analysis is not None
    table = tables.models(result)
    transfer_report.write(table, result.analysis, where / ANALYSIS, scale_of("plain"))
    page.heading("Laws of every set and number of shots")
    page.text(
        "Probes of the pre-logits. The whole analysis, with hulls, predictions and shots, is in"
        f" {ANALYSIS}/report.html."
    )
    page.table(*transfer_report.law_table(result.analysis))
    for path in sorted((where / ANALYSIS / "figures").glob("laws*.png")):
        page.figure(path, "Models, hull and laws of each set.")
    page.heading("Layers")
    figures.draw_layers(where / "figures" / "layers.png", result)
    page.figure(
        where / "figures" / "layers.png",
        f"Best layer with {result.config.best_shots} shots, all models (left); errors by layer at the end of"
        " the runs, of the sets that follow upstream least and most (right).",
    )
    page.table(*layer_table(result))


def layer_table(result: StudyResult) -> Table:
    """A row a set, from the one that follows upstream least."""
    layers = tables.best_layers(result)
    ranks = [verdicts.spearman(layers.upstream, errors) for errors in layers.downstream.T]
    rows = []
    for j in np.argsort(ranks):
        depth = layers.depth[:, j]
        info = result.sets[layers.sets[j]]
        below = np.mean(depth < 1)
        rows.append(
            [
                layers.sets[j],
                str(info.classes),
                str(info.test),
                f"{layers.downstream[:, j].min():.3f}",
                f"{ranks[j]:.2f}",
                f"{depth.mean():.2f}",
                f"{below:.0%}",
            ]
        )
    heads = ["set", "classes", "test images", "best error", "rank correlation with upstream"]
    return Table([*heads, "depth of best layer", "models whose best is not the last"], rows)


def _heads(page: Page, plots: epath.Path, result: StudyResult) -> None:
    page.heading("The head's decay and learning rate")
    figures.draw_head(plots / "head.png", result)
    page.figure(
        plots / "head.png",
        "Errors by the head's decay, at the best of its learning rates, mean over seeds (left). Best decay of"
        " each set and number of shots against its rank correlation with upstream over the sweep (right).",
    )
    page.table(*head_table(result))
    figures.draw_moves(plots / "moves.png", result)
    page.figure(
        plots / "moves.png",
        "Norms of the head and of all else; median absolute margins upstream. Thin: each run.",
    )
    if result.finetuned:
        page.heading("Fine-tuning at the least and the greatest decay")
        page.table(*finetune_table(result))


def head_table(result: StudyResult) -> Table:
    """Best decay and learning rate by task, and the errors there and at no decay."""
    heads = tables.heads(result)
    rows = []
    for task, errors in zip(heads.tasks, heads.errors.mean(-1), strict=True):
        d, lr = np.unravel_index(errors.argmin(), errors.shape)
        values = [f"{heads.decays[d]:g}", f"{heads.lr_heads[lr]:g}"]
        rows.append(
            [task, *values, f"{errors.min():.3f}", f"{errors[0].min():.3f}", f"{errors[-1].min():.3f}"]
        )
    heads_ = ["task", "best decay", "best lr of head", "error there", "at the least decay"]
    return Table([*heads_, "at the greatest decay"], rows)


def finetune_table(result: StudyResult) -> Table:
    rows = []
    decays = sorted({row.decay for row in result.finetuned})
    for name in dict.fromkeys(row.set for row in result.finetuned):
        cells = []
        for decay in decays:
            errors = [row.error for row in result.finetuned if (row.set, row.decay) == (name, decay)]
            cells.append(f"{np.mean(errors):.3f} ({min(errors):.3f}–{max(errors):.3f})")
        rows.append([name, *cells])
    return Table(["set", *(f"error, pre-trained with decay {decay:g}" for decay in decays)], rows)


def _write_files(plots: epath.Path, result: StudyResult) -> None:
    write_csv(plots / "verdicts.csv", Verdict._fields, result.verdicts)
    if result.models:
        table = tables.models(result)
        head = ["model", "run", "part", "shape", "family", *tables.SIZES, table.upstream, *table.tasks]
        rows = [
            [
                *(name, row.run, row.part, row.shape, row.family),
                *(getattr(row, size) for size in tables.SIZES),
                *(1 - row.upstream, *(1 - errors)),
            ]
            for name, row, errors in zip(table.models, result.models, table.e_ds, strict=True)
        ]
        write_csv(plots / "models.csv", head, rows)  # accuracies, which scalax transfer reads
        long = [
            (name, *_split(key), error)
            for name, row in zip(table.models, result.models, strict=True)
            for key, error in row.downstream.items()
        ]
        write_csv(plots / "layers.csv", ["model", "set", "layer", "shots", "error"], long)
    for name, rows in (("heads", result.heads), ("finetuned", result.finetuned)):
        if rows:
            flat = [_flat(row._asdict()) for row in rows]
            write_csv(plots / f"{name}.csv", list(flat[0]), [list(row.values()) for row in flat])


def _split(key: str) -> tuple[str, str, str]:
    """Set, layer and shots of 'set/layer@shots'."""
    name, _, rest = key.partition("/")
    layer, _, shots = rest.rpartition("@")
    return name, layer, shots


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in row.items():
        found |= (
            {f"{name}/{key}": x for key, x in value.items()} if isinstance(value, dict) else {name: value}
        )
    return found
