"""What a study of repeated examples says, made from its result where it is shown."""

import math

from scalax import metrics
from scalax.report.tables import DASH, Table
from scalax.studies.bootstrapped.result import BootstrappedResult, Gap, PartResult, PeakResult

ANSWERS = {
    "yes": (
        "Yes: until the error begins to rise, a model learns as much from images that it sees again as from"
        " new ones"
    ),
    "partly": (
        "Partly: until the error begins to rise, repeated images count as new ones on some parts of the set,"
        " not on others"
    ),
    "no": "No: repeated images teach less than new ones even before the error begins to rise",
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
    return "not determined" if found == {"not determined"} else "partly"


def lines(result: BootstrappedResult) -> list[str]:
    """The answer with its counts, and a line for each part that has a peak, or for all that have none."""
    asked = [part for part in result.parts[:-1] if part.verdict != "no repeats"]
    coincide = sum(part.verdict == "coincide" for part in asked)
    apart = sum(part.verdict == "apart" for part in asked)
    found = [f"{ANSWERS[answer(result)]}."]
    if asked:
        found.append(
            f"Of {len(asked)} parts that were seen again before that, {coincide} have the error of all"
            f" {_images(result.parts[-1])} images to within {result.config.tolerance:.0%} of what was"
            f" learned, {apart} are apart, {len(asked) - coincide - apart} cannot be told."
        )
    for part in result.parts:
        if part.peak.found:
            found.append(f"With {_images(part)} images the error is least after {_least(part)}.")
    rest = [_images(part) for part in result.parts if not part.peak.found]
    if rest:
        found.append(f"With {' and '.join(rest)} images the error does not rise beyond noise.")
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
    "A gap is the mean log ratio of a part's error to that of the largest part with the same seed; its"
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
            f"{part.images:,}",
            f"{part.share:.3g}",
            f"{result.examples[-1] / part.images:.3g}",
            f"{least_error(part):.4f}",
            _peak(part.peak),
            f"{part.peak.x / part.images:.3g}" if part.peak.found else DASH,
            f"{part.peak.rise:+.1%}" if part.peak.found else DASH,
            _gap(part.before),
            f"{part.before.value / part.before.fall:+.0%}" if part.before and part.before.fall > 0 else DASH,
            _gap(part.peak_gap),
            _gap(part.after),
            part.verdict if part is not result.parts[-1] else DASH,
        ]
        for part in result.parts
    ]
    heads = ["images", "share", "passes", "least error", "error rises after (80%)", "passes then"]
    heads += ["rise", "gap before", "of what was learned", "gap at the peak", "gap after", "before the peak"]
    return Table(heads, rows)


def least_error(part: PartResult) -> float:
    """The least over the evaluations of the mean over seeds."""
    return min(sum(column) / len(column) for column in zip(*part.errors, strict=True))


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
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def _round(x: float) -> str:
    """Three digits, with thousands apart."""
    digits = 2 - math.floor(math.log10(x))
    return f"{round(x, digits):,.0f}"
