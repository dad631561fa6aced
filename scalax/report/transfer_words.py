"""What an analysis of transfer found, in sentences."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from scalax.transfer import EXPLAINED, MISFIT, TransferResult

LAWS_NOTE = (
    "e_DS = k e_US^alpha + e_IR, in errors; e_IR is the downstream error at upstream error 0,"
    " extrapolated from the best upstream error that was measured. Hull: fitted to the corners of the"
    " convex hull. All: to all models. Frontier: a tenth of the models lie below it; where the number of"
    " test images is known, after their noise is taken out of the scatter. The hull's e_IR is too high"
    " more often than not: its ends have no competition, a corner is a lucky model, and a hull cannot bend"
    " the way of an alpha below 1 (scalax transfer --simulated shows by how much). The verdict is the"
    " frontier's."
)
PREDICTION_NOTE = (
    "Root mean square errors, in shares of images, with all models below. Each law is judged against its"
    " own kind (the hull's by the hull above the threshold, that of all models by all models above it), as"
    " in the paper, and against the other's. The ratio is the error of all models over that of the hull,"
    " each on its own kind."
)
SHOTS_NOTE = (
    "Mean over tasks of Pearson's correlation with the number of shots (of tasks with three numbers of"
    " shots or more), and the share of steps to more shots at which the value rises or falls."
)
HULL_NOTE = (
    "Each point between two neighbouring corners is reached by answering every image with the one model"
    " or the other, drawn at random: with a share s of the second, accuracies are (1 - s) times those of"
    " the first plus s times those of the second. --at ACCURACY writes the mixtures."
)
SIZES_NOTE = (
    "Partial correlation of downstream accuracy with each size, given upstream error (the law of all"
    " models and a square of e_US). Left: share of the variance downstream that the law leaves; then what"
    " is left once the size is known too."
)


def findings(result: TransferResult) -> list[str]:
    """The answer in sentences, the most important first."""
    lines = [verdict_line(result)]
    lines.append(f"By the law of the hull alone: {_counts(result, 'hull')}.")
    known = [fit for fit in result.fits if np.isfinite(fit.lift)]
    if known:
        lift, share = (np.median([getattr(fit, name) for fit in known]) for name in ("lift", "noise_share"))
        lines.append(
            f"Noise of test images: at most {share:.0%} of the variance around the law (median over tasks),"
            f" and it lifts the hull by {100 * lift:.2f} points of accuracy."
        )
    if result.predictions:
        lines.append(prediction_line(result))
    counted = [r for r in result.reversals if r.pairs]
    if counted:
        share = np.array([r.reversed / r.pairs for r in counted])
        starkest = max(counted, key=lambda r: r.gain * r.loss)
        lines.append(
            f"Better upstream, worse downstream: {np.median(share):.1%} of all pairs of models (median over"
            f" tasks, {share.min():.1%} to {share.max():.1%})."
        )
        if starkest.better:
            lines.append(
                f"The starkest: {starkest.better} is {100 * starkest.gain:.1f} points better on"
                f" {result.upstream} than {starkest.worse}, and {100 * starkest.loss:.1f} points worse on"
                f" {starkest.task}."
            )
    for size in dict.fromkeys(e.size for e in result.sizes):
        own = [e for e in result.sizes if e.size == size]
        apart = sum(not e.partial.low <= 0 <= e.partial.high for e in own)
        gone = np.median([1 - e.left_with_size / e.left for e in own if e.left > 0] or [np.nan])
        lines.append(
            f"Given upstream, {size} still matters on {apart} of {_tasks(len(own))} (interval of the partial"
            f" correlation without 0); it explains {gone:.1%} of the variance that the law leaves (median)."
        )
    return [*lines, *cautions(result)]


def verdict_line(result: TransferResult) -> str:
    return f"Verdicts on {_tasks(len(result.fits))}, by the frontier's law: {_counts(result, 'frontier')}."


def _counts(result: TransferResult, kind: str) -> str:
    counts = Counter(fit.laws[kind].verdict for fit in result.fits)
    return ", ".join(
        f"{verdict} {counts[verdict]}" for verdict in ("saturates", "does not", "not determined")
    )


def prediction_line(result: TransferResult) -> str:
    ratios = np.array([p.ratio for p in result.predictions if np.isfinite(p.ratio)])
    where = f"Fitted up to an upstream accuracy of {result.below:.3f} and judged above it"
    if not len(ratios):
        return f"{where}, the law of the hull is exact."
    ten, worse = int((ratios >= 10).sum()), int((ratios < 1).sum())
    return (
        f"{where}, the law of all models has {np.median(ratios):.2g} times the error of the hull's"
        f" (median of {_tasks(len(ratios))}, {ratios.min():.2g} to {ratios.max():.2g}). The hull's error is"
        f" ten times smaller or more on {ten} and larger on {worse}."
    )


def cautions(result: TransferResult) -> list[str]:
    """What to distrust."""
    lines = []
    against = [
        task
        for task, value in zip(result.tasks[1:], result.spearman[0][1:], strict=True)
        if np.isfinite(value) and value < -0.3
    ]
    if against:
        lines.append(
            f"Accuracy falls as upstream rises on {_few(against)}: if such a column holds errors, say so by"
            " --errors; if it holds accuracies, by --accuracies."
        )
    units = {column.unit for column in result.columns}
    if len(units) > 1:
        shares = [column.name for column in result.columns if column.unit == "share"]
        lines.append(
            f"Read as shares, where other columns are per cent: {_few(shares)}; else say --unit percent."
        )
    if flat := [fit.task for fit in result.fits if fit.explained < EXPLAINED]:
        lines.append(f"Upstream explains less than a tenth of the variance downstream on {_few(flat)}.")
    if off := [fit.task for fit in result.fits if fit.misfit >= MISFIT]:
        lines.append(
            f"The law does not have the shape of the models, so that nothing is determined: {_few(off)}."
        )
    return lines


def read_lines(result: TransferResult) -> list[str]:
    """What was read, and how."""
    lines = [
        f"{result.models} models with an error on {result.upstream}; {len(result.fits)} downstream tasks."
    ]
    lines += result.notes
    if result.left_out:
        lines.append(f"{result.left_out} models without an upstream error are left out.")
    if result.unread:
        lines.append(f"Not read as tasks: {_few(result.unread, 10)}.")
    kinds = Counter((c.holds, c.unit, c.why) for c in result.columns)
    why = {"asked": "as asked", "name": "by its name", "default": "since no name says otherwise"}
    for holds, unit, reason in kinds:
        own = [c.name for c in result.columns if (c.holds, c.unit, c.why) == (holds, unit, reason)]
        words = "shares, 0 to 1" if unit == "share" else "per cent, 0 to 100"
        lines.append(f"Read as {holds} ({words}) {why[reason]}: {_few(own, 4)}.")
    missing = sum(fit.missing for fit in result.fits)
    if missing:
        cells = missing + sum(fit.models for fit in result.fits)
        lines.append(
            f"{missing} of {cells} downstream cells are missing; each task uses the models that it has."
        )
    if result.thin:
        named = [f"{thin.task} ({thin.models})" for thin in result.thin]
        lines.append(f"Left out, with fewer than five models: {_few(named)}.")
    what = "whole groups" if result.whole_groups else "models"
    lines.append(f"Intervals of 95% are from {result.resamples} resamples of {what}.")
    return lines


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _few(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
