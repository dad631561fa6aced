"""What a study of repeated examples says, made from its result where it is shown."""

import math

from scalax import metrics
from scalax.report.tables import DASH, Table
from scalax.studies.bootstrapped.result import BootstrappedResult, Gap, PartResult, PeakResult

ANSWERS = {
    "yes": "Yes: until the error begins to rise, images that are seen again teach as much as new ones",
    "partly": "Partly: until the error begins to rise, repeated images teach as much as new ones on some"
    " parts of the set",
    "no": "Not quite: repeated images teach less than new ones before the error begins to rise",
    "not determined": "Not determined: the seeds differ by more than what is asked",
    "no repeats": "Not asked: no part of the images was seen twice before the error began to rise",
}


def answer(result: BootstrappedResult) -> str:
    """The key of ANSWERS by the verdicts of the parts."""
    found = {part.verdict for part in result.parts[:-1]} - {"no repeats"}
    if not found:
        return "no repeats"
    if found == {"coincide"}:
        return "yes"
    if found == {"apart"}:
        return "no"
    return "partly" if "coincide" in found else "not determined"


def lines(result: BootstrappedResult) -> list[str]:
    """The answer with its size, then a line for each part that is seen again, and one for those that have no
    peak."""
    whole = _images(result.parts[-1])
    first = ANSWERS[answer(result)]
    if before := _range([part.before for part in result.parts]):
        at_peak = _range([part.peak_gap for part in result.parts])
        first += f"; until then errors differ in the mean by {before}"
        first += f", and at the peak by {at_peak}," if at_peak else ""
        first += f" from those with all {whole} images"
    found = [f"{first}."]
    for part in result.parts:
        if part.peak.found:
            found.append(f"With {_images(part)} images the error is least after {_least(part)}.")
    flat = [_images(part) for part in result.parts if not part.peak.found]
    if flat:
        found.append(f"With {_listed(flat)} images the error does not rise beyond noise.")
    left = [
        f"{part.leaves / part.images:.3g} passes over {_images(part)}"
        for part in result.parts
        if math.isfinite(part.leaves)
    ]
    if left:
        found.append(
            f"More than {result.config.tolerance:.0%} of what was learned is lost, beyond the noise of seeds,"
            f" from {_listed(left)} on."
        )
    return found


def what_was_done(result: BootstrappedResult) -> str:
    config = result.config
    return (
        f"{result.shape} ({result.params:,} parameters) was trained on {len(result.parts)} parts of"
        f" {_images(result.parts[-1])} upstream images with {len(config.seeds)} seeds, each time until it had"
        f" seen {result.examples[-1]:,} images, repeats counted. Compared is the"
        f" {metrics.get(config.metric).title}, as {config.metric}."
    )


HOW = (
    "A gap is the mean ratio (in logs) of a part's error to that of the largest part with the same seed; its"
    " interval ({confidence:.0%}) is Student's over seeds. Before the peak it runs from the first repeated"
    " image to the peak, or to the end without one. Curves coincide where the whole interval lies within"
    " {tolerance:.0%} of what the largest part's log error has fallen; they are apart where it leaves out 0"
    " and reaches further. All seeds see the same part of the images, so intervals leave out what another"
    " draw of it would give."
)


def table(result: BootstrappedResult) -> Table:
    """A row a part."""
    rows = [
        [
            _images(part),
            f"{result.examples[-1] / part.images:.3g}",
            _peak(part.peak),
            f"{part.peak.rise:+.1%}" if part.peak.found else DASH,
            _gap(part.before),
            f"{part.before.value / part.before.fall:+.0%}" if part.before and part.before.fall > 0 else DASH,
            part.verdict if part is not result.parts[-1] else DASH,
            _gap(part.peak_gap),
            _gap(part.after),
        ]
        for part in result.parts
    ]
    heads = ["images", "passes", "rises after (80%)", "rise", "gap before", "of what was learned"]
    return Table([*heads, "curves", "gap at the peak", "gap after"], rows)


def _range(gaps: list[Gap | None]) -> str:
    """The least and the most of the gaps, in per cent; empty where there are none."""
    values = [gap.value for gap in gaps if gap is not None]
    ends = [f"{math.expm1(end):+.1%}" for end in (min(values), max(values))] if values else []
    return " to ".join(dict.fromkeys(ends))


def _listed(texts: list[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def _images(part: PartResult) -> str:
    return f"{part.images:,}"


def _least(part: PartResult) -> str:
    peak = part.peak
    return (
        f"{_round(peak.x)} seen ({peak.x / part.images:.3g} passes; 80%: {_round(peak.low)} to"
        f" {_round(peak.high)}), and rises by {peak.rise:.1%} to the end"
    )


def _peak(peak: PeakResult) -> str:
    if not peak.found:
        return "no rise"
    return f"{_round(peak.x)} ({_round(peak.low)} to {_round(peak.high)})"


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return DASH
    value, low, high = (100 * math.expm1(each) for each in gap[:3])
    return f"{value:+.1f}% ({low:+.1f} to {high:+.1f})"


def _round(x: float) -> str:
    """Three digits, with thousands apart."""
    digits = 2 - math.floor(math.log10(x))
    return f"{round(x, digits):,.0f}"
