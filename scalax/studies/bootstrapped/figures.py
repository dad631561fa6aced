"""The figure of a study of repeated examples, with its data as CSV."""

from collections.abc import Sequence

import numpy as np
from etils import epath

from scalax import metrics
from scalax.report.style import INK, looks, panels, plain_ticks
from scalax.report.tables import write_csv
from scalax.studies.bootstrapped.result import BootstrappedResult
from scalax.studies.bootstrapped.seeds import reach

UPSTREAM = "val_error"


def draw(result: BootstrappedResult, path: epath.Path) -> None:
    """The downstream error, its ratio to that of the largest part, and the upstream error, by images seen.

    Dots mark the end of the first pass; diamonds the peaks, with their 80% intervals.
    """
    x, whole = np.array(result.examples, float), np.log(result.parts[-1].errors)
    with panels(path, 3, (14, 4.2)) as (error, ratio, upstream):
        for look, part in zip(looks(), reversed(result.parts), strict=False):
            label = f"{part.images:,} images"
            for axes, values in ((error, np.array(part.errors)), (upstream, np.array(part.upstream))):
                axes.plot(x, values.mean(0), color=look.colour, ls=look.line, lw=1.5, label=label)
                axes.fill_between(x, values.min(0), values.max(0), color=look.colour, alpha=0.12, lw=0)
            logs = np.log(part.errors) - whole
            middle, half = logs.mean(0), reach(logs, result.config.confidence)
            ratio.plot(x, np.exp(middle), color=look.colour, ls=look.line, lw=1.5)
            ratio.fill_between(
                x, np.exp(middle - half), np.exp(middle + half), color=look.colour, alpha=0.12, lw=0
            )
            if x[0] < part.images < x[-1]:
                for axes, y in ((error, np.mean(part.errors, 0)), (ratio, np.exp(middle))):
                    at = np.interp(np.log(part.images), np.log(x), y)
                    axes.plot(part.images, at, "o", ms=4, color=look.colour)
            if part.peak.found:
                at = np.interp(np.log(part.peak.x), np.log(x), np.mean(part.errors, 0))
                error.hlines(at, part.peak.low, part.peak.high, color=INK, lw=1)
                error.plot(part.peak.x, at, "D", ms=6, color=look.colour, mec=INK, mew=0.8, zorder=5)
        ratio.set_ylabel(f"error over that of {result.parts[-1].images:,} images")
        error.set_ylabel(metrics.label(result.config.metric))
        upstream.set_ylabel(f"upstream {metrics.label(UPSTREAM)}")
        for axes in (error, ratio, upstream):
            axes.set(xscale="log", xlabel="images seen, repeats counted")
        for axes in (error, upstream):
            axes.set_yscale("log")
            plain_ticks(axes.yaxis, *axes.get_ylim())
        error.legend(fontsize=8)


def write_data(result: BootstrappedResult, path: epath.Path) -> None:
    """A row an evaluation of a run, as `scalax fit --until-peak` reads it."""
    heads = ["images", "seed", "examples", result.config.metric.replace("/", "_"), UPSTREAM]
    rows: list[Sequence[object]] = [
        (part.images, seed, examples, error, upstream)
        for part in result.parts
        for seed, errors, above in zip(result.config.seeds, part.errors, part.upstream, strict=True)
        for examples, error, upstream in zip(result.examples, errors, above, strict=True)
    ]
    write_csv(path, heads, rows)
