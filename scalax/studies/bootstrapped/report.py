"""The report of a study of repeated examples, from its result alone."""

import json
from typing import Any

from etils import epath

from scalax import typed
from scalax.records import write_atomically
from scalax.report.page import Page
from scalax.report.tables import terminal_text
from scalax.studies.bootstrapped import figures, words
from scalax.studies.bootstrapped.result import BootstrappedResult
from scalax.units import seconds_text

CAPTION = (
    "Means over seeds, with the least and the most (left, right) or their interval (middle). Dots: the end of"
    " the first pass, left of which every image is new. Diamonds: where the error begins to rise, with 80%."
)


def report(result: BootstrappedResult, out: Any) -> str:
    """Write report.html, the figure (PNG) and its data (CSV) to `out`; returns the answer and the table as
    text."""
    where, config = epath.Path(out), result.config
    plots = where / "figures"
    plots.mkdir(parents=True, exist_ok=True)
    figures.draw(result, plots / "bootstrapped.png")
    figures.write_data(result, plots / "bootstrapped.csv")
    said, table = words.lines(result), words.table(result)
    page = Page("Are repeated images as good as new ones?")
    page.answer(said[0])
    for line in said[1:]:
        page.text(line)
    page.figure(plots / "bootstrapped.png", CAPTION)
    page.text(words.what_was_done(result))
    page.table(*table)
    page.text(words.HOW.format(confidence=config.confidence, tolerance=config.tolerance))
    with page.details("Config and versions"):
        page.text(
            f"Trained for {seconds_text(result.train_s)} on {result.device.count} x {result.device.kind}."
        )
        settings = {name: typed.to_json(getattr(result, name)) for name in ("config", "device", "versions")}
        page.code(json.dumps(settings, indent=1))
    write_atomically(where / "report.html", page.render())
    return terminal_text([*said, table, f"report: {where / 'report.html'}"])
