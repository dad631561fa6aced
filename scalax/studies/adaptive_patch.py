"""Static runs at each patch size, their laws, the schedule that follows the steepest, and one run by it.

After 'Navigating Scaling Laws: Compute Optimality in Adaptive Model Training' (sections 3 and 4).
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping

import numpy as np
from etils import epath

from scalax import data, laws, plan, records, train
from scalax.config import AdaptivePatchConfig
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.evaluation import make_evaluator

Curve = tuple[np.ndarray, np.ndarray]  # training FLOPs [n], the study's metric [n]
OnProgress = Callable[[train.Progress, float, float], None]


def run(config: AdaptivePatchConfig, out, on_progress: OnProgress) -> dict:
    """Do what is missing of the study in directory `out`; returns what it wrote to study.json.

    on_progress: called with a run's progress, and the FLOPs done and to do in the whole study.
    """
    out = epath.Path(out)
    splits = data.load(config.data)
    setup = train.Setup(config, splits)
    evaluate = make_evaluator(config, splits)
    total = len(config.model.names) * len(config.seeds) * (len(config.patches) + 1) * config.budget_flops
    done = 0.0
    costs = {}

    def go(schedule: Schedule, name: str, seed: int) -> list[RunRecord]:
        nonlocal done
        progress = lambda p: on_progress(p, done + p.flops, total)  # noqa: E731
        result = train.run(setup, schedule, seed, out / "runs" / f"{name}_seed{seed}", evaluate, progress)
        done += config.budget_flops
        costs.update(result.info["costs"])
        return result.records

    for name in config.model.names:  # a bad shape or budget is found before anything is trained
        for patch in config.patches:
            train.check(setup, _static(config, name, patch))
    results = {}
    for name in config.model.names:
        shapes = [config.model.shape(name, patch) for patch in sorted(config.patches, reverse=True)]
        static = {
            shape: [
                go(_static(config, name, shape.patch), f"{name}_patch{shape.patch}", s) for s in config.seeds
            ]
            for shape in shapes
        }
        curves = {
            shape: [curve_of(config.metric, run, len(splits.validation)) for run in runs]
            for shape, runs in static.items()
        }
        fits, planned, message = _plan(config, curves)
        adaptive = []
        if planned and planned.transitions:
            key = hashlib.sha256(json.dumps(planned.schedule.to_json()).encode()).hexdigest()[:8]
            adaptive = [go(planned.schedule, f"{name}_adaptive-{key}", seed) for seed in config.seeds]
        reached = [curve_of(config.metric, run, len(splits.validation)) for run in adaptive]
        first = config.law_first_share * config.budget_flops
        results[name] = {
            "laws": {str(shape): _law_json(fit, first, config.budget_flops) for shape, fit in fits.items()},
            "plan": {"message": message, **_plan_json(planned)},
            "static": {
                str(shape): [_curve_json(*pair) for pair in zip(static[shape], curves[shape], strict=True)]
                for shape in shapes
            },
            "adaptive": [_curve_json(*pair) for pair in zip(adaptive, reached, strict=True)],
            "targets": compare(config, *share_starts(curves, adaptive, reached)),
        }
    study = {
        "study": config.study,
        "name": config.name,
        "metric": config.metric,
        "config": dataclasses.asdict(config),
        **train.environment(),
        "images": {"train": len(splits.train), "validation": len(splits.validation)},
        "costs": costs,
        "models": results,
    }
    records.write_atomically(out / "study.json", records.dumps(study, indent=1) + "\n")
    return study


def _plan(
    config: AdaptivePatchConfig, curves: Mapping[Shape, list[Curve]]
) -> tuple[dict[Shape, laws.Fit], plan.Plan | None, str]:
    """The laws, the plan and what it says; where they cannot be had, the reason: the static runs are worth
    their report all the same."""
    fits = {}
    try:
        fits = {shape: fit_law(config, seeds) for shape, seeds in curves.items()}
        first = config.law_first_share * config.budget_flops
        planned = plan.steepest_descent(fits, config.budget_flops, first)
    except UserError as e:
        return fits, None, f"no plan: {e}"
    return fits, planned, planned.message


def _plan_json(planned: plan.Plan | None) -> dict:
    if planned is None:
        return {"schedule": None, "transitions": [], "flops": [], "errors": []}
    thin = max(1, len(planned.flops) // 200)
    return {
        "schedule": planned.schedule.to_json(),
        "transitions": [
            {**t._asdict(), "before": str(t.before), "after": str(t.after)} for t in planned.transitions
        ],
        "flops": planned.flops[::thin].tolist(),
        "errors": planned.errors[::thin].tolist(),
    }


def _static(config: AdaptivePatchConfig, name: str, patch: int) -> Schedule:
    return Schedule((Stage(config.model.shape(name, patch), config.budget_flops),))


def curve_of(metric: str, run: list[RunRecord], validation_images: int) -> Curve:
    """A run's training FLOPs and metric; an error of no image wrong becomes that of half an image, since a
    law and its targets live in logarithms."""
    values = np.array([record.metrics[metric] for record in run])
    return np.array([record.flops for record in run]), np.maximum(values, 0.5 / validation_images)


def _curve_json(run: list[RunRecord], curve: Curve) -> dict:
    return {
        "run": run[0].run,
        "flops": curve[0].tolist(),
        "values": curve[1].tolist(),
        "patch": [record.patch for record in run],
        "wall_s": run[-1].wall_s,
    }


def fit_law(config: AdaptivePatchConfig, curves: list[Curve]) -> laws.Fit:
    """E = a (C + d)^-b + c by the Huber loss of log E, from points spaced evenly in log C.

    curves: one per seed, with the same FLOPs; the law is that of their mean.
    """
    flops = curves[0][0]
    values = np.mean([values for _, values in curves], axis=0)
    kept = flops >= config.law_first_share * config.budget_flops
    x, y = laws.resample_log(flops[kept], values[kept], config.law_points)
    return laws.fit([laws.Curve(x, y)], ["shifted_power"], objective="huber")[0]["shifted_power"]


def _law_json(fit: laws.Fit, first: float, last: float) -> dict:
    x = np.geomspace(first, last, 100)
    return {
        "params": {k: float(v) for k, v in fit.params.items()},
        "stderr": {k: float(v) for k, v in fit.stderr.items()},
        "rmsle": float(fit.rmsle),
        "flops": x.tolist(),
        "values": np.asarray(fit.predict(x)).tolist(),
    }


def share_starts(
    static: Mapping[Shape, list[Curve]], adaptive: list[list[RunRecord]], reached: list[Curve]
) -> tuple[dict[Shape, list[Curve]], list[Curve]]:
    """Until its first change of shape an adaptive run is the static run of that shape and seed: there, each
    is read at the evaluations of both, so that no saving comes of when either was looked at."""
    joined, ours = {shape: list(curves) for shape, curves in static.items()}, []
    for seed, (run, curve) in enumerate(zip(adaptive, reached, strict=True)):
        first = Shape(run[0].patch, run[0].width, run[0].depth)
        n = next((i for i, record in enumerate(run) if record.patch != first.patch), len(run))
        other = joined[first][seed]
        k = int(np.searchsorted(other[0], curve[0][n - 1], side="right"))
        order = np.argsort(np.concatenate([other[0][:k], curve[0][:n]]), kind="stable")
        start = [np.concatenate([a[:k], b[:n]])[order] for a, b in zip(other, curve, strict=True)]
        joined[first][seed] = (np.append(start[0], other[0][k:]), np.append(start[1], other[1][k:]))
        ours.append((np.append(start[0], curve[0][n:]), np.append(start[1], curve[1][n:])))
    return joined, ours


def compare(
    config: AdaptivePatchConfig, static: Mapping[Shape, list[Curve]], adaptive: list[Curve]
) -> list[dict]:
    """FLOPs to each target: the adaptive run and the best static one, seed by seed.

    savings: FLOPs of the best static shape for that target over those of the adaptive run, their
    geometric mean over the seeds (nan where the adaptive run misses the target in some seed).
    """
    seeds = [{shape: curves[i] for shape, curves in static.items()} for i in range(len(config.seeds))]
    rows = []
    for target in plan.target_values(seeds, config.targets, 2 * config.law_first_share):
        bests = [plan.best_static(curves, target) for curves in seeds]
        ours = [plan.flops_to_reach(*curve, target) for curve in adaptive] or [math.nan] * len(seeds)
        ratios = [needed / mine for (_, needed), mine in zip(bests, ours, strict=True)]
        rows.append(
            {
                "target": float(target),
                "best_static": sorted({str(shape) for shape, _ in bests}),
                "static_flops": [needed for _, needed in bests],
                "adaptive_flops": ours,
                "savings": float(np.exp(np.mean(np.log(ratios)))),
                "savings_by_seed": ratios,
            }
        )
    return rows
