"""Static runs at each patch size, their laws, the schedule that follows the steepest, and one run by it.

After 'Navigating Scaling Laws: Compute Optimality in Adaptive Model Training' (sections 3 and 4).
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping

import numpy as np
from etils import epath

from scalax import data, laws, plan, records, train
from scalax.config import AdaptivePatchConfig
from scalax.errors import UserError
from scalax.records import RunRecord
from scalax.schedule import Schedule, Shape, Stage
from scalax.studies.evaluation import make_evaluator

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
        fits = {shape: fit_law(config, runs, len(splits.validation)) for shape, runs in static.items()}
        first = config.law_first_share * config.budget_flops
        planned, message = None, ""
        try:
            planned = plan.steepest_descent(fits, config.budget_flops, first)
            message = planned.message
        except UserError as e:  # the static runs are worth their report all the same
            message = f"no plan: {e}"
        adaptive = []
        if planned and planned.transitions:
            key = hashlib.sha256(json.dumps(planned.schedule.to_json()).encode()).hexdigest()[:8]
            adaptive = [go(planned.schedule, f"{name}_adaptive-{key}", seed) for seed in config.seeds]
        results[name] = {
            "laws": {str(shape): _law_json(fit, first, config.budget_flops) for shape, fit in fits.items()},
            "plan": {"message": message, **_plan_json(planned)},
            "static": {str(shape): [_curve(config, r) for r in runs] for shape, runs in static.items()},
            "adaptive": [_curve(config, r) for r in adaptive],
            "targets": compare(config, static, adaptive),
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


def _values(config: AdaptivePatchConfig, run: list[RunRecord]) -> tuple[np.ndarray, np.ndarray]:
    """(training FLOPs [n], the study's metric [n])."""
    return np.array([r.flops for r in run]), np.array([r.metrics[config.metric] for r in run])


def _curve(config: AdaptivePatchConfig, run: list[RunRecord]) -> dict:
    flops, values = _values(config, run)
    return {
        "run": run[0].run,
        "flops": flops.tolist(),
        "values": values.tolist(),
        "patch": [r.patch for r in run],
        "wall_s": run[-1].wall_s,
    }


def fit_law(config: AdaptivePatchConfig, runs: list[list[RunRecord]], validation_images: int) -> "laws.Fit":
    """E = a (C + d)^-b + c by the Huber loss of log E, from points spaced evenly in log C; of several
    seeds, their mean curve."""
    flops = _values(config, runs[0])[0]
    values = np.mean([_values(config, run)[1] for run in runs], axis=0)
    if config.metric != "val_loss":
        values = np.maximum(values, 0.5 / validation_images)  # no image wrong: less than one, not zero
    kept = flops >= config.law_first_share * config.budget_flops
    x, y = laws.resample_log(flops[kept], values[kept], config.law_points)
    return laws.fit([laws.Curve(x, y)], ["shifted_power"], objective="huber")[0]["shifted_power"]


def _law_json(fit: "laws.Fit", first: float, last: float) -> dict:
    x = np.geomspace(first, last, 100)
    return {
        "params": {k: float(v) for k, v in fit.params.items()},
        "stderr": {k: float(v) for k, v in fit.stderr.items()},
        "rmsle": float(fit.rmsle),
        "flops": x.tolist(),
        "values": np.asarray(fit.predict(x)).tolist(),
    }


def compare(
    config: AdaptivePatchConfig,
    static: Mapping[Shape, list[list[RunRecord]]],
    adaptive: list[list[RunRecord]],
) -> list[dict]:
    """FLOPs to each target: the adaptive run and the best static one, seed by seed.

    savings: FLOPs of the best static shape for that target over those of the adaptive run, their
    geometric mean over the seeds (nan where either does not reach the target in some seed).
    """
    static_curves = [_values(config, run) for runs in static.values() for run in runs]
    rows = []
    for target in plan.target_values(static_curves, config.targets, 2 * config.law_first_share):
        bests, ours, ratios = [], [], []
        for i in range(len(config.seeds)):
            best, needed = plan.best_static(
                {s: _values(config, runs[i]) for s, runs in static.items()}, target
            )
            mine = plan.flops_to_reach(*_values(config, adaptive[i]), target) if adaptive else float("nan")
            bests.append((best, needed))
            ours.append(mine)
            ratios.append(needed / mine)
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
