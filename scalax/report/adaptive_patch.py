"""The report of an adaptive-patch study, from what the study left in its directory."""

import csv
import json
import math

from etils import epath
from rich.console import Console
from rich.table import Table

from scalax.errors import UserError
from scalax.report import adaptive_figures as figures
from scalax.report.page import Page
from scalax.report.units import flops_text, scaled

METRICS = {
    "val_error": "validation error (share of images)",
    "val_loss": "validation loss (cross-entropy, nats)",
    "fewshot_error": "few-shot error (share of images)",
}


def write(out) -> str:
    """Write report.html, figures (PNG) and their data (CSV) to `out`; returns the result as text.

    Raises UserError where `out` holds no finished study.
    """
    study = read_study(out)
    try:
        return _write(study, epath.Path(out))
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise UserError(
            f"{epath.Path(out) / 'study.json'}: not as this version writes it ({type(e).__name__}: {e});"
            " run the study's launch command again"
        ) from e


def _write(study: dict, where: epath.Path) -> str:
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    label = METRICS[study["metric"]]
    page = Page(f"Adaptive patch size: {study['name']}")
    page.text(
        f"{len(study['models'])} model(s), {len(study['config']['seeds'])} seed(s), trained on"
        f" {study['images']['train']:,} images and validated on {study['images']['validation']:,};"
        f" each run spends {flops_text(study['config']['budget_flops'])} of training compute"
        f" (XLA's count) on {study['device']['count']} x {study['device']['kind']}."
    )
    for name, model in study["models"].items():
        _model_part(page, plots, name, model, study["metric"], label, study["images"]["validation"])
    page.heading("Cost per shape")
    page.text(
        "FLOPs of one training step at the global batch (forward, backward, Adam); MACs are of one image."
    )
    page.table(*cost_table(study["costs"]))
    page.heading("Config and versions")
    page.code(json.dumps({k: study[k] for k in ("config", "device", "versions")}, indent=1))
    target = where / "report.html"
    target.write_text(page.render())
    console = Console(width=110)
    with console.capture() as capture:
        for name, model in study["models"].items():
            console.print(
                _as_rich(f"{name}: FLOPs to target, {label}", *target_table(model, study["metric"]))
            )
            for line in remarks(model, study["metric"], study["images"]["validation"]):
                console.print(line, soft_wrap=True, highlight=False)
        console.print(f"\nreport: {target}", soft_wrap=True, highlight=False)
    return capture.get()


def read_study(out) -> dict:
    path = epath.Path(out) / "study.json"
    try:
        study = json.loads(path.read_text())
    except OSError:
        raise UserError(
            f"{path}: no such file; finish the study with python -m scalax.launch first"
        ) from None
    except ValueError:
        raise UserError(f"{path}: not JSON; run the study's launch command again to rewrite it") from None
    if not isinstance(study, dict) or study.get("study") != "adaptive_patch":
        raise UserError(f"{path}: not an adaptive-patch study; give the directory of one")
    return study


def remarks(model: dict, metric: str, validation_images: int) -> list[str]:
    """The plan, what it ended at, and what to mistrust, a line each."""
    plan = model["plan"]
    lines = [
        f"plan: {t['before']} -> {t['after']} at {metric} {t['error']:.4g}, {flops_text(t['flops'])}"
        for t in plan["transitions"]
    ] or [plan["message"]]
    if model["adaptive"]:
        ends = {shape: _mean([run["values"][-1] for run in runs]) for shape, runs in model["static"].items()}
        best = min(ends, key=ends.__getitem__)
        ours = _mean([run["values"][-1] for run in model["adaptive"]])
        lines.append(f"{metric} at the end: adaptive {ours:.4g}, best static ({best}) {ends[best]:.4g}")
    loose = [shape for shape, law in model["laws"].items() if not _determined(law, "b")]
    if loose:
        lines.append(f"not determined by its data: the law of {', '.join(loose)}; take the plan as a guess")
    if metric != "val_loss":
        lines.append(
            f"one of the {validation_images} validation images is {1 / validation_images:.2g} of error"
        )
    return lines


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _determined(law: dict, name: str) -> bool:
    """Whether a parameter's standard error is known and smaller than the parameter."""
    error = law["stderr"][name]
    return error is not None and error < abs(law["params"][name])


def _model_part(
    page: Page, plots: epath.Path, name: str, model: dict, metric: str, label: str, validation_images: int
) -> None:
    page.heading(f"{name}: static runs and their laws")
    page.figure(
        figures.static_laws(plots / f"{name}_static.png", model, label),
        "Every static run (points) and the law E = a (C + d)^-b + c fitted to its patch size (lines).",
    )
    page.table(*law_table(model["laws"]))
    page.heading(f"{name}: schedule")
    for line in remarks(model, metric, validation_images):
        page.text(line)
    page.figure(
        figures.schedule(plots / f"{name}_schedule.png", model, label),
        "The laws, the curve that follows the steepest of them at each error, and where it changes shape.",
    )
    if model["adaptive"]:
        page.heading(f"{name}: adaptive against static")
        page.figure(
            figures.adaptive(plots / f"{name}_adaptive.png", model, label),
            "The adaptive run and every static run, as measured; dotted, what the laws had promised.",
        )
    page.heading(f"{name}: FLOPs to target")
    page.text(
        "Savings: training FLOPs of the static run that reaches the target first over those of the adaptive"
        " run (above 1, adaptive is cheaper). The static runs that the laws were fitted to are not charged."
    )
    page.table(*target_table(model, metric))
    _save_curves(plots / f"{name}_curves.csv", model)


def target_table(model: dict, metric: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows: target, best static shape, its FLOPs, the adaptive run's, savings (and by seed)."""
    rows = []
    for row in model["targets"]:
        ratios = [math.nan if r is None else r for r in row["savings_by_seed"]]
        savings = "–" if row["savings"] is None else f"{row['savings']:.2f}x"
        if len(ratios) > 1:
            savings += " (" + ", ".join("–" if math.isnan(r) else f"{r:.2f}" for r in ratios) + ")"
        rows.append(
            [
                f"{row['target']:.4g}",
                ", ".join(row["best_static"]) or "none",
                _mean_text(row["static_flops"]),
                _mean_text(row["adaptive_flops"]) if model["adaptive"] else "not run",
                savings,
            ]
        )
    return [metric, "best static", "its FLOPs", "adaptive FLOPs", "savings"], rows


def _mean_text(values: list[float | None]) -> str:
    if any(value is None for value in values):
        return "not reached"
    return flops_text(math.exp(sum(math.log(v) for v in values if v) / len(values)))


def law_table(laws: dict) -> tuple[list[str], list[list[str]]]:
    def cell(law: dict, name: str) -> str:
        value = f"{law['params'][name]:.4g}"
        return f"{value} ± {law['stderr'][name]:.2g}" if _determined(law, name) else f"{value} (undetermined)"

    rows = [[shape, *(cell(law, p) for p in "abcd"), f"{law['rmsle']:.3g}"] for shape, law in laws.items()]
    return ["shape", "a", "b", "c (limit)", "d (FLOPs)", "RMSLE of the fit"], rows


def cost_table(costs: dict) -> tuple[list[str], list[list[str]]]:
    rows = []
    for shape, cost in costs.items():
        xla, matmul = cost["step"]["flops"], cost["step"]["flops_matmul"]
        rows.append(
            [
                shape,
                f"{cost['params']:,}",
                scaled(cost["forward_macs"], "MAC"),
                flops_text(xla),
                flops_text(matmul),
                f"{(xla - matmul) / xla:.1%}",
                cost["reason"] or "–",
            ]
        )
    return [
        "shape",
        "params",
        "forward",
        "step, XLA",
        "step, products only",
        "difference",
        "reason, over 10%",
    ], rows


def _as_rich(title: str, header: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for i, cell in enumerate(header):
        table.add_column(cell, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _save_curves(path: epath.Path, model: dict) -> None:
    """The data of the figures: one row per point of each measured run, law and planned curve."""
    with path.open("w") as file:
        table = csv.writer(file)
        table.writerow(["kind", "name", "patch", "flops", "value"])
        for runs in [*model["static"].values(), model["adaptive"]]:
            for run in runs:
                for patch, flops, value in zip(run["patch"], run["flops"], run["values"], strict=True):
                    table.writerow(["measured", run["run"], patch, flops, value])
        for shape, law in model["laws"].items():
            for flops, value in zip(law["flops"], law["values"], strict=True):
                table.writerow(["law", shape, "", flops, value])
        for flops, value in zip(model["plan"]["flops"], model["plan"]["errors"], strict=True):
            table.writerow(["planned", "", "", flops, value])
