"""From what the runs of an architecture measured to its scores, stages, return curves and predictions."""

from collections.abc import Sequence

import numpy as np

from scalax.studies.returns import levels, predictions, scales, stages
from scalax.studies.returns.bootstrap import ImageWeights, Weights, estimate, seed_weights
from scalax.studies.returns.cells import Measured, Scores
from scalax.studies.returns.config import ReturnsConfig
from scalax.studies.returns.result import (
    ArchitectureResult,
    CellResult,
    CurveResult,
    Estimate,
    Levels,
    ReturnResult,
    SlopeResult,
    TaskResult,
)
from scalax.studies.returns.slopes import slope_of

SEED = 0  # of the resamples: the same numbers again each time


class TaskScores:
    """Scores of an architecture on one task, with their resamples.

    - measured: what its runs measured.
    - weights: of the resamples.
    - task: that it is.
    """

    def __init__(self, measured: Measured, weights: Weights, task: TaskResult):
        self.measured, self.task, self.chance = measured, task, 1 / task.classes
        ends, curve = measured.ends, measured.curve
        self.ends = {name: values.mean((1, 2)) for name, values in _named(ends).items()}  # [b]
        self.ends_resampled = {name: weights.means(values) for name, values in _named(ends).items()}  # [r, b]
        self.flops = curve.flops  # [e]
        self.curve = scales.corrected(curve.right1.mean((1, 2)), self.chance)  # [e]
        self.curve_resampled = scales.corrected(weights.means(curve.right1), self.chance)  # [r, e]

    def stages(self, confidence: float) -> list[str]:
        return stages.stages_of(self.ends["top1"], self.ends_resampled["top1"], self.chance, confidence)

    def gain(self, scale: scales.Scale, pair: tuple[int, int]) -> tuple[float, np.ndarray]:
        """(gain, its resamples [r]) of the larger budget of a pair over the smaller."""
        whole, resampled = self.ends[scale.of], self.ends_resampled[scale.of]
        (high, low), images = pair, self.task.validation
        value = scale.gain(whole[high], whole[low], self.chance, images)
        return float(value), scale.gain(resampled[:, high], resampled[:, low], self.chance, images)

    def equal_gain(self, found: Levels) -> tuple[float, np.ndarray]:
        """The same on the scale of FLOPs for equal accuracy."""
        between = found.low, found.high, self.flops
        resampled = [levels.log_share(*between, curve) for curve in self.curve_resampled]
        return levels.log_share(*between, self.curve), np.array(resampled)


def _named(scores: Scores) -> dict[str, np.ndarray]:
    return {"top1": scores.right1, "top5": scores.right5, "loss": scores.loss}


def analyse(
    config: ReturnsConfig,
    tasks: Sequence[TaskResult],
    measured: Sequence[Measured],
    images: Sequence[tuple[str, np.ndarray]],
) -> ArchitectureResult:
    """What an architecture's runs show.

    - config: of the study.
    - tasks: of the study.
    - measured: on each task.
    - images: of each task: name of their source, and their rows in it [n].
    """
    shared = ImageWeights(config.resamples, SEED)
    architecture = measured[0].cells[0].architecture
    of_tasks = []
    for place, (task, found, (source, rows)) in enumerate(zip(tasks, measured, images, strict=True)):
        rng = np.random.default_rng([SEED, architecture.place, place])
        seeds = seed_weights(rng, config.resamples, len(config.seeds))
        of_tasks.append(TaskScores(found, Weights(seeds, shared.of(source, rows)), task))
    stage_of = [each.stages(config.confidence) for each in of_tasks]
    past_guessing = [each for each, own in zip(of_tasks, stage_of, strict=True) if own[-1] != stages.GUESSING]
    found = Levels(*levels.choose([each.curve for each in past_guessing]))
    curves = [predictions.Curve(each.task.name, each.flops, each.curve) for each in past_guessing]
    return ArchitectureResult(
        name=str(architecture.shape),
        params=measured[0].cells[0].params,
        lr=architecture.lr,
        weights=architecture.weights,
        cells=[
            cell for each, own in zip(of_tasks, stage_of, strict=True) for cell in _cells(each, own, config)
        ],
        curves=[_curve(each, config.confidence) for each in of_tasks],
        levels=found,
        returns=_returns(config, of_tasks, stage_of, found),
        predictions=[] if found.reason else predictions.predict(curves, found.low, found.high),
    )


def _cells(scores: TaskScores, stage_of: list[str], config: ReturnsConfig) -> list[CellResult]:
    def estimated(name: str, b: int) -> Estimate:
        value, resampled = scores.ends[name][b], scores.ends_resampled[name][:, b]
        return Estimate(*estimate(float(value), resampled, config.confidence))

    return [
        CellResult(
            task=scores.task.name,
            budget_flops=cell.budget_flops,
            step_flops=cell.step_flops,
            steps=cell.steps,
            left_flops=cell.left_flops,
            stage=stage_of[b],
            top1=estimated("top1", b),
            top5=estimated("top5", b),
            loss=estimated("loss", b),
            top1_of_seeds=scores.measured.ends.right1[b].mean(1).tolist(),
        )
        for b, cell in enumerate(scores.measured.cells)
    ]


def _curve(scores: TaskScores, confidence: float) -> CurveResult:
    points = zip(scores.curve, scores.curve_resampled.T, strict=True)
    accuracy = [Estimate(*estimate(float(value), resampled, confidence)) for value, resampled in points]
    return CurveResult(scores.task.name, scores.flops.tolist(), accuracy)


def _returns(
    config: ReturnsConfig, of_tasks: list[TaskScores], stage_of: list[list[str]], found: Levels
) -> list[ReturnResult]:
    results = []
    for pair in config.pairs:
        high, low = pair
        learning = [own[high] == own[low] == stages.LEARNING for own in stage_of]
        for scale in scales.SCALES:
            # With five classes all top-5 are right, and there is nothing to compare.
            there = [scale.of != "top5" or each.task.classes > 5 for each in of_tasks]
            gains = [each.gain(scale, pair) if ok else None for each, ok in zip(of_tasks, there, strict=True)]
            results.append(_return(config, pair, scale.name, scale.is_ratio, of_tasks, gains, learning))
    past = [not found.reason and own[-1] != stages.GUESSING for own in stage_of]
    gains = [each.equal_gain(found) if ok else None for each, ok in zip(of_tasks, past, strict=True)]
    return [*results, _return(config, config.pairs[0], scales.EQUAL, True, of_tasks, gains, past)]


def _return(
    config: ReturnsConfig,
    pair: tuple[int, int],
    scale: str,
    is_ratio: bool,
    of_tasks: list[TaskScores],
    gains: list[tuple[float, np.ndarray] | None],
    counted: list[bool],
) -> ReturnResult:
    read = (lambda x: float(np.exp(x))) if is_ratio else (lambda x: float(x))
    used = [
        place
        for place, (gain, ok) in enumerate(zip(gains, counted, strict=True))
        if ok and gain is not None and np.isfinite(gain[0]) and np.isfinite(gain[1]).mean() >= 0.95
    ]
    x = np.array([of_tasks[place].task.difficulty for place in used])
    kept = [gain for place, gain in enumerate(gains) if place in used and gain is not None]
    y, resampled = np.array([gain[0] for gain in kept]), np.array([gain[1] for gain in kept]).T
    slope = slope_of(x, y, resampled, config.confidence) if used else slope_of(x, y, np.ones((1, 0)), 0.9)
    return ReturnResult(
        pair=config.pair_name(pair),
        scale=scale,
        values=[gain and Estimate(*estimate(*gain, config.confidence, read)) for gain in gains],
        learning=[place in used for place in range(len(gains))],
        slope=SlopeResult(*slope, tasks=[of_tasks[place].task.name for place in used]),
    )
