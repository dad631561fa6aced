"""What a forecast by the law of learning rates leaves: JSON, CSV and a figure of each curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from scalax.files import replacing
from scalax.laws import Curve
from scalax.laws.annealing import AnnealedForecast
from scalax.names import file_names
from scalax.report.law_files import band_rows, write_csv, write_json

SIZE = (7.6, 5.2)  # inches


def write(out: Path, curves: Sequence[Curve], forecasts: Sequence[AnnealedForecast]) -> list[dict[str, Any]]:
    """forecast.json, forecast.csv and figures; returns the rows of the CSV. y is as the user writes it.

    - out: directory to write to.
    - curves: that were forecast, and the forecast of each.
    """
    rows, data = [], []
    for curve, f in zip(curves, forecasts, strict=True):
        own = band_rows(f, curve.scale)
        intervals = {
            f"{level:g}": [[row[f"{end}{level * 100:.0f}"] for row in own] for end in ("low", "high")]
            for level in f.intervals
        }
        data.append(f.to_json() | {"median": [row["median"] for row in own], "intervals": intervals})
        rows += own
    write_json(out / "forecast.json", data)
    write_csv(out / "forecast.csv", rows)
    for slug, curve, f in zip(file_names([c.name for c in curves]), curves, forecasts, strict=True):
        draw(curve, f, out / "figures" / f"{slug}.png")
    return rows


def draw(curve: Curve, forecast: AnnealedForecast, path: Path) -> None:
    """The rows and the law above, with the run that is forecast and its bands; the learning rates below.

    - curve: whose rows are drawn.
    - forecast: of the curve.
    - path: of the PNG file.
    """
    figure, (axes, below) = plt.subplots(
        2, sharex=True, figsize=SIZE, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.08}
    )
    shown, last = curve.scale.shown, curve.x[curve.fit].max()
    end = max(last, forecast.x.max())
    is_new = forecast.then is not forecast.rates
    axes.scatter(curve.x, shown(curve.y), s=8, color="k", lw=0, label="rows", zorder=3)
    own = np.linspace(curve.x.min(), last, 400)
    axes.plot(own, shown(forecast.fitted(own)), color="#0072B2", lw=1.3, label="law")
    ahead = np.linspace(curve.x.min() if is_new else last, end, 200)
    for level, alpha in ((0.95, 0.15), (0.8, 0.3)):
        low, high = forecast.interval(ahead, level)
        axes.fill_between(
            ahead, shown(low), shown(high), color="#D55E00", alpha=alpha, lw=0, label=f"{level:.0%} band"
        )
    label = f"a run of {forecast.then.words}" if is_new else "forecast"
    axes.plot(ahead, shown(forecast.predict(ahead)), color="#D55E00", lw=1.3, label=label)
    late = forecast.interval(ahead[-150:], 0.95)  # the steep begin may lie outside the frame, the end may not
    seen = shown(np.concatenate([*late, curve.y[len(curve.y) // 20 :]]))
    axes.set_ylim(seen.min() - 0.15 * np.ptp(seen), seen.max() + 0.05 * np.ptp(seen))
    whole = np.linspace(0, end, 800)
    below.plot(whole[whole <= last], forecast.rates.at(whole[whole <= last]), color="#0072B2", lw=1.3)
    beyond = whole if is_new else whole[whole >= last]
    below.plot(beyond, forecast.then.at(beyond), color="#D55E00", lw=1.3)
    below.set_ylim(0, None)
    below.set_xlabel(curve.labels[0])
    below.set_ylabel("learning rate" if np.isfinite(curve.lr).any() else "rate / peak")
    axes.set_ylabel(curve.labels[1])
    axes.set_title(curve.name[:90], fontsize=9)
    for each in (axes, below):
        each.grid(alpha=0.2)
    axes.legend(fontsize=7, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120, bbox_inches="tight")
    plt.close(figure)
