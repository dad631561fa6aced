"""Which shape is best at which compute: isoFLOP curves, and the frontier with and without changes."""

import math
from collections.abc import Sequence

from etils import epath
from matplotlib import ticker

from scalax.report.style import INK, figure, log_axes, looks, plain_ticks
from scalax.studies.adaptive.result import LadderResult
from scalax.units import flops_text


def isoflop(path: epath.Path, ladder: LadderResult, label: str) -> epath.Path:
    """The metric by the size of the shape, a line for each compute.

    - path: of the PNG file.
    - ladder: whose runs are drawn.
    - label: of the axis of the metric.
    """
    rows = ladder.isoflop
    with figure(path) as axes:
        for look, row in zip(looks(), rows, strict=False):
            known = [
                (x, y)
                for x, y in zip(row.example_flops, row.values.values(), strict=True)
                if math.isfinite(y)
            ]
            if not known:
                continue
            known.sort()
            axes.plot(
                *zip(*known, strict=True),
                color=look.colour,
                marker="o",
                ms=5,
                lw=1.4,
                label=flops_text(row.flops),
            )
            axes.plot(*min(known, key=lambda point: point[1]), "o", ms=11, mfc="none", mec=INK, mew=1.2)
        axes.plot([], [], "o", ms=11, mfc="none", mec=INK, mew=1.2, label="best shape")
        log_axes(axes, "training FLOPs for an example", label)
        sizes = rows[0].example_flops
        low, high = min(sizes), max(sizes)
        axes.set_xlim(low / (high / low) ** 0.12, high * (high / low) ** 0.12)
        axes.xaxis.set_major_locator(ticker.FixedLocator(sizes))
        names = [f"{name}\n{flops_text(size)}" for name, size in zip(rows[0].values, sizes, strict=True)]
        axes.xaxis.set_major_formatter(ticker.FixedFormatter(names))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.tick_params(axis="x", labelsize=8.5)
        axes.legend(title="training compute", fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return path


def frontier(path: epath.Path, ladder: LadderResult, label: str, seeds: Sequence[int]) -> epath.Path:
    """FLOPs of the static frontier over those of the scheduled one, by what they reach, of each seed.

    - path: of the PNG file.
    - ladder: whose runs are drawn.
    - label: of the axis of the metric.
    - seeds: of the runs, in order.
    """
    with figure(path) as axes:
        for seed, look, points in zip(seeds, looks(), ladder.frontier, strict=False):
            if not points:
                continue
            axes.plot(
                [point.value for point in points],
                [point.ratio for point in points],
                color=look.colour,
                ls=look.line,
                marker=look.marker,
                ms=3.5,
                lw=1.4,
                label=f"seed {seed}",
            )
        axes.axhline(1.0, color=INK, lw=1.0, label="no saving")
        log_axes(axes, label, "static frontier FLOPs / scheduled")
        plain_ticks(axes.xaxis, *axes.get_xlim())
        axes.invert_xaxis()
        axes.legend(fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return path
