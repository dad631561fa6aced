"""What `scalax watch`, and the measure of it, leave in a directory."""

from collections.abc import Sequence
from pathlib import Path

from scalax.laws import Curve
from scalax.laws.pruning import CutScore
from scalax.laws.watch import Outlook
from scalax.names import file_names
from scalax.report import law_figures
from scalax.report.law_files import write_csv, write_json


def write(out: Path, curves: Sequence[Curve], latest: Sequence[Outlook], history: Sequence[Outlook]) -> None:
    """watch.json (the latest outlook of each run), watch.csv (all of them) and a figure of each run.

    - out: directory to write to.
    - curves: rows so far.
    - latest: outlook of each curve.
    - history: all outlooks, in order.
    """
    write_json(out / "watch.json", [outlook.to_json() for outlook in latest])
    write_csv(out / "watch.csv", [outlook.to_json() for outlook in history])
    made = {outlook.name: outlook for outlook in latest}
    for slug, curve in zip(file_names([c.name or "run" for c in curves]), curves, strict=True):
        outlook = made.get(curve.name)
        if outlook and outlook.forecast:
            path = out / "figures" / f"{slug}.png"
            law_figures.draw_forecast(curve, outlook.forecast, path, outlook.target, outlook.end)


def write_cuts(out: Path, scores: Sequence[CutScore]) -> None:
    """cuts.csv and cuts.json."""
    rows = [score._asdict() for score in scores]
    write_csv(out / "cuts.csv", rows)
    write_json(out / "cuts.json", rows)
