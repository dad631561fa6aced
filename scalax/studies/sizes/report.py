"""The report of a study of training-set sizes, from its result alone."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath

from scalax import metrics, typed
from scalax.records import write_atomically
from scalax.report.page import Page
from scalax.report.tables import DASH, Table, terminal_text, write_csv
from scalax.studies.sizes.result import FittedLaw, SizesResult
from scalax.units import flops_text, seconds_text

STEEPER = 2.0  # slopes after the break over those before it, from which on a fall is a sharp one
BETTER = 2.0  # errors of one power over that of BNSL, on all sizes, that show a break to be needed
ONE_POWER = ("m1", "m2", "m3")  # M4, with its plateau, has a bend of its own


def report(result: SizesResult, out: Any) -> str:
    """Write report.html, the figures (PNG) and their data (CSV) to `out`; returns the answers and tables as
    text."""
    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    said = [break_text(result), foretold_text(result)]
    page = Page(f"Training-set sizes: {config.name}")
    for line in said:
        page.answer(line)
    _draw(result, plots / "curve.png")
    page.figure(
        plots / "curve.png",
        f"{metrics.label(config.metric)}, the least along each run, mean and standard error of"
        f" {len(config.seeds)} seed(s). Left: laws fitted to the filled points, held against the hollow ones."
        " Right: laws fitted to all.",
    )
    batch = "a batch is the training set" if config.full_batch else f"batches of {config.run.batch_size}"
    page.text(
        f"{config.shape()} trained for {config.steps:,} steps on each of {len(result.sizes)} training sets"
        f" ({batch}), {len(config.seeds)} seed(s); {seconds_text(result.train_s)} of training on"
        f" {result.device.count} x {result.device.kind}. Each training set is the first examples of the next"
        " larger one, the same for all seeds. The least loss along a run is found on the validation examples"
        " themselves, as one who stops early would."
    )
    tables = [_laws(result), _sizes(result)]
    for table in tables:
        page.table(*table)
    with page.details("Config and versions"):
        settings = {name: typed.to_json(getattr(result, name)) for name in ("config", "device", "versions")}
        page.code(json.dumps(settings, indent=1))
    write_atomically(where / "report.html", page.render())
    _write(result, plots)
    return terminal_text([*said, *tables, f"report: {where / 'report.html'}"])


def curve(result: SizesResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes [n], and the mean and standard error of the metric over the seeds [n]; nan for one seed."""
    best = np.array([each.best for each in result.sizes])
    count = best.shape[1]
    spread = best.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(best), np.nan)
    return np.array(result.config.train_sizes, float), best.mean(1), spread


def is_sharp(result: SizesResult) -> bool:
    """Whether the curve falls sharply: by BNSL fitted to all sizes, whose break lies among them, is STEEPER
    after it, and whose error is BETTER than that of each law of one power."""
    bnsl = result.whole["bnsl"]
    before, after = slopes(bnsl)
    sizes = result.config.train_sizes
    inside = sizes[0] < bnsl.params["d1"] < sizes[-1]
    least = min(result.whole[name].rmsle for name in ONE_POWER)
    return bool(inside and after > STEEPER * max(before, 0) and least > BETTER * bnsl.rmsle)


def slopes(bnsl: FittedLaw) -> tuple[float, float]:
    """Exponents of BNSL before and after its break, positive where y falls."""
    before = bnsl.params["c0"]
    return before, before + bnsl.params["c1"]


def break_text(result: SizesResult) -> str:
    """Whether the curve has a sharp fall, and where."""
    bnsl, metric = result.whole["bnsl"], result.config.metric
    before, after = slopes(bnsl)
    others = [f"{name.upper()} {law.rmsle:.3g}" for name, law in result.whole.items() if name != "bnsl"]
    errors = f"Fitted to all sizes, BNSL misses them by {bnsl.rmsle:.3g} (RMSLE); {', '.join(others)}"
    if is_sharp(result):
        return (
            f"{metric} falls sharply from {bnsl.params['d1']:.0f} examples on: as n^-{before:.2f} before, as"
            f" n^-{after:.2f} after. {errors}."
        )
    return f"No sharp fall of {metric} is shown on these sizes. {errors}."


def foretold_text(result: SizesResult) -> str:
    """What laws fitted to the first sizes make of the others."""
    errors = {name: law.rmsle_held_out for name, law in result.first.items()}
    shown = ", ".join(f"{name.upper()} {_number(error)}" for name, error in errors.items() if name != "bnsl")
    return (
        f"Fitted to sizes up to {result.config.fit_until}, BNSL misses the larger ones by"
        f" {_number(errors['bnsl'])} (RMSLE); {shown}."
    )


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:.3g}"


def _laws(result: SizesResult) -> Table:
    heads = [
        "law",
        "RMSLE to fit",
        "held out",
        "RMSLE, fitted to all",
        "parameters, fitted to the first sizes",
    ]
    rows = []
    for name, first in result.first.items():
        params = ", ".join(f"{key}={value:.4g}" for key, value in first.params.items())
        errors = [first.rmsle, first.rmsle_held_out, result.whole[name].rmsle]
        rows.append([name.upper(), *map(_number, errors), params])
    return Table(heads, rows)


def _sizes(result: SizesResult) -> Table:
    _, mean, error = curve(result)
    heads = [
        "examples",
        result.config.metric,
        "standard error",
        "at step",
        "at the end",
        "FLOPs a run",
        "laws",
    ]
    rows = []
    for each, y, spread in zip(result.sizes, mean, error, strict=True):
        rows.append(
            [
                f"{each.size:,}",
                f"{y:.4g}",
                f"{spread:.2g}" if np.isfinite(spread) else DASH,
                f"{np.mean(each.best_step):,.0f}",
                f"{np.mean(each.last):.4g}",
                flops_text(each.flops),
                "fitted" if each.size <= result.config.fit_until else "held out",
            ]
        )
    return Table(heads, rows)


def _write(result: SizesResult, plots: epath.Path) -> None:
    """curve.csv, a row a size, for `scalax fit` and `scalax limit`; seeds.csv, a row a run."""
    config = result.config
    rows = [
        (each.size, y, spread, int(each.size <= config.fit_until), np.mean(each.last), each.flops)
        for each, y, spread in zip(result.sizes, *curve(result)[1:], strict=True)
    ]
    heads = ["examples", config.metric, "stderr", "fit", "at_the_end", "flops"]
    write_csv(plots / "curve.csv", heads, rows)
    runs = [
        (each.size, seed, *values)
        for each in result.sizes
        for seed, *values in zip(config.seeds, each.best, each.best_step, each.last, strict=True)
    ]
    write_csv(plots / "seeds.csv", ["examples", "seed", config.metric, "step", "at_the_end"], runs)


def _draw(result: SizesResult, path: epath.Path) -> None:
    """The curve with the laws of its first sizes, and with those of all."""
    from scalax.report.style import log_axes, panels, plain_ticks

    sizes, mean, error = curve(result)
    label = metrics.label(result.config.metric)
    with panels(path, 2, (11, 4.4)) as (first, whole):
        _panel(first, result, result.first, sizes <= result.config.fit_until)
        _panel(whole, result, result.whole, np.ones(len(sizes), bool))
        ends = np.nanmin(mean - np.nan_to_num(error)), mean.max()
        for axes, title in ((first, "fitted to the filled points"), (whole, "fitted to all")):
            axes.set_ylim(max(ends[0], mean.min() / 1.5) / 1.3, ends[1] * 1.15)
            log_axes(axes, "training examples", label)
            plain_ticks(axes.xaxis, sizes[0], sizes[-1])
            axes.set_title(title, fontsize=10)
        first.legend(fontsize=8)


def _panel(axes, result: SizesResult, fitted: Mapping[str, FittedLaw], filled: np.ndarray) -> None:
    from scalax import laws
    from scalax.report.law_figures import colours
    from scalax.report.style import INK

    sizes, mean, error = curve(result)
    grid = np.geomspace(sizes[0] / 1.1, sizes[-1] * 1.1, 300)
    for (name, own), colour in zip(fitted.items(), colours(fitted), strict=True):
        family = laws.FAMILIES[name]
        law = laws.Law(family, family.internal(own.params))
        lead = name == "bnsl"
        axes.plot(
            grid,
            law.predict(grid),
            color=colour,
            lw=2.0 if lead else 1.2,
            ls="-" if lead else "--",
            label=name.upper(),
        )
    bars = error if np.isfinite(error).all() else None
    axes.errorbar(sizes, mean, bars, fmt="none", ecolor=INK, lw=0.9)
    axes.plot(sizes[filled], mean[filled], "o", ms=4.5, color=INK, label="to fit", zorder=4)
    if not filled.all():
        held = sizes[~filled], mean[~filled]
        axes.plot(*held, "o", ms=5, mfc="white", mec=INK, label="held out", zorder=4)
