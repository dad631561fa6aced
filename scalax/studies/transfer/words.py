"""Sentences of the report of transfer: what was asked, and what the numbers answer."""

from collections.abc import Sequence

import numpy as np

from scalax.studies.transfer.result import StudyResult, Verdict

QUESTIONS = {
    "saturation": "Does downstream error saturate above 0 as upstream error goes to 0?",
    "one_curve": "Do size, data and epochs act through upstream accuracy alone?",
    "best_layer": "Is the best layer lower for tasks that follow upstream less?",
    "best_decay": "Is the head's best weight decay greater downstream than upstream?",
    "moves": "Do norms and margins move from the head to the layers below as its decay grows?",
}
HOW = {
    "saturation": "e_IR of the frontier's law of each set, freed of the noise of test images. Yes: its"
    " interval over resampled runs lies above what counts as none; no: below. Not determined, too, where the"
    " interval of alpha reaches an end of its search: e_IR is then no more than the best models' error.",
    "one_curve": "Partial correlation of the logarithm with downstream accuracy, given upstream accuracy;"
    " mean over the sets. Yes: the interval over resampled runs lies within 0.2 of 0; no: it leaves 0 out.",
    "best_layer": "Rank correlation, over the sets, of the best layer's depth (0 first, 1 last) with the rank"
    " correlation of their errors to upstream. The interval is over resampled runs and sets.",
    "best_decay": "By how many places of the sweep the best decay downstream lies above the best upstream;"
    " mean over sets and shots. The interval is over resampled seeds and sets.",
    "moves": "Rank correlation with the decay; mean over learning rates and seeds, which the interval"
    " resamples. Asked is whether it is below 0 at the head and above 0 below it.",
}


def answer_line(name: str, found: Sequence[Verdict]) -> str:
    """One line for the terminal: the question, and how many answers of each kind or the only one."""
    if len(found) == 1:
        [one] = found
        return f"{QUESTIONS[name]} {_capital(one.answer)}: {interval_text(one)}."
    counts = {
        answer: [v.of for v in found if v.answer == answer] for answer in ("yes", "no", "not determined")
    }
    parts = [f"{answer} for {_few(names)}" for answer, names in counts.items() if names]
    return f"{QUESTIONS[name]} {_capital('; '.join(parts))}."


def interval_text(verdict: Verdict, digits: int = 2) -> str:
    if not np.isfinite(verdict.value):
        return "too few sets, or nothing that varies"
    return f"{verdict.value:.{digits}f} ({verdict.low:.{digits}f} to {verdict.high:.{digits}f})"


def by_question(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """In the order of the questions; only those that were asked."""
    found = {name: [v for v in verdicts if v.name == name] for name in QUESTIONS}
    return {name: some for name, some in found.items() if some}


def what_was_done(result: StudyResult) -> str:
    parts = []
    if result.models:
        runs = {row.run: row.part for row in result.models}
        grid = sum(part == "grid" for part in runs.values())
        parts.append(
            f"{len(runs)} runs, {grid} of a grid and {len(runs) - grid} with settings drawn at random,"
            f" measured at {len(result.models)} evaluations"
        )
    if result.heads:
        parts.append(f"{len(result.heads)} runs of a sweep of the head")
    sets = f"{len(result.sets)} downstream sets"
    return f"{'; '.join(parts)}; {sets}; {result.device.count} x {result.device.kind}."


def _few(names: list[str], most: int = 8) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
