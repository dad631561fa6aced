"""A plan in words: what `scalax plan` prints, and what it keeps beside the schedule."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from scalax.errors import UserError
from scalax.names import printable
from scalax.plan import (
    Carried,
    JointShapes,
    Plan,
    StudyPlan,
    Switch,
    baseline,
    best_law,
    measured_error,
)
from scalax.report.console import print_table
from scalax.report.law_files import write_json
from scalax.units import flops_text


def summarise(made: StudyPlan) -> dict[str, Any]:
    """Transitions with their spread, every way to spend the plan's FLOPs as the laws predict it, and notes.

    needed_flops are those to the target; without one, to the error of the best static shape at the budget.
    """
    plan, spread, fits, target = made.plan, made.spread, made.fits, made.settings.target
    budget = plan.schedule.budget_flops
    best, level = best_law(fits, budget_flops=budget)
    if target is not None:
        level, best = target, best_law(fits, target=target)[0]
    schedules = {"plan": plan.schedule}
    for name in [*map(str, fits), "linear", "logarithmic"]:
        schedules[name] = baseline(name, list(fits), budget, made.first_flops)
    rows = [
        {
            "schedule": name,
            "error": made.error(schedule),
            "needed_flops": made.needed(schedule, level),
            "mean_savings": made.mean_savings(schedule),
        }
        for name, schedule in schedules.items()
    ]
    drawn = spread.transitions if spread else [None] * len(plan.transitions)
    transitions = [
        {
            **t.to_json(),
            "flops_quantiles": list(d.flops) if d else None,
            "error_quantiles": list(d.error) if d else None,
            "share_of_resamples": d.share if d else None,
        }
        for t, d in zip(plan.transitions, drawn, strict=True)
    ]
    return {
        "best_static": str(best),
        "level": level,
        "target": target,
        "transitions": transitions,
        "predicted": rows,
        "chance_to_win": spread.win if spread else None,
        "savings_quantiles": list(spread.savings) if spread else None,
        "resamples": spread.resamples if spread else 0,
        "measured": [run._asdict() for run in made.measured],
        "contradicted": _contradicted(made),
        "metric": made.settings.metric,
        "axes": list(made.settings.axes),
        "law": made.settings.law,
        "carry": made.settings.carry,
        "switches": made.switches,
        "cheap": made.cheap,
        "joint_law": made.joint and _joint_json(made.joint),
        "notes": [*made.runs.notes, *_cautions(made)],
        "laws": {
            str(s): {"params": f.params, "rmsle": f.rmsle, "flags": [str(flag) for flag in f.flags]}
            for s, f in fits.items()
        },
    }


def _joint_json(joint: JointShapes) -> dict[str, Any]:
    """The law over shapes, and how well it predicts those left out of it."""
    left = {str(row.shape): {"left_out": row.error, "fitted": row.fitted} for row in joint.left_out}
    example_flops = {str(shape): flops for shape, flops in joint.example_flops.items()}
    untrained = [str(shape) for shape in joint.untrained]
    return {**joint.fit.to_json(), "shapes": left, "example_flops": example_flops, "untrained": untrained}


def _contradicted(made: StudyPlan) -> bool:
    """Whether most of the runs that made the plan's changes lost, where the laws promise that it wins."""
    lost = sum(run.lost for run in made.measured)
    return 2 * lost > len(made.measured) and (made.spread is None or made.spread.win > 0.5)


def _of_carried(carried: Carried, plan: Plan) -> list[str]:
    """What a plan by examples takes for granted."""
    lags = []
    for t in plan.transitions:
        whose = "measured in these runs" if (t.before, t.after) in carried.measured else "not measured"
        lags.append(f"{t.before} -> {t.after} {carried.lags(t.before, t.after):.3g} ({whose})")
    return [
        f"lags: {', '.join(lags)}. After a change the error is that of a run with the new shape all along,"
        " times (images before / images since)^lag until both are equal; the jump at the change is left out",
        "mean savings are those against the best static shape at each error, from early in the static runs to"
        " the level above, as a geometric mean; of the schedules tried the plan has the greatest, and another"
        " may need fewer FLOPs to one of the errors",
    ]


def _cautions(made: StudyPlan) -> list[str]:
    """What to distrust, a line each."""
    plan = made.plan
    notes = [f"law of {shape}: {flag}" for shape, fit in made.fits.items() for flag in fit.flags]
    if made.joint:
        notes += [f"law over shapes: {flag}" for flag in made.joint.fit.flags]
        if np.isfinite(made.joint.error):
            notes.append(
                f"the law over shapes misses shapes left out of it by {made.joint.error:.3g} in log"
                f" {made.settings.metric}: an untrained shape is known no better"
            )
        else:
            notes.append("too few shapes to leave one out: how well an untrained one is known cannot be said")
    least = measured_error(made.runs.trajectories)
    if plan.errors[-1] < least:
        notes.append(
            f"the plan ends at {plan.errors[-1]:.4g}, below the least value of a static run ({least:.4g}):"
            " its laws are extrapolated there"
        )
    if made.carried and plan.transitions:
        notes += _of_carried(made.carried, plan)
    if made.switches and not made.charged and not made.carried and plan.transitions:
        notes.append(_ignored(plan, made.switches))
    if made.charged:
        notes.append(
            f"the plan charges changes of shape what the {len(made.switches)} in these runs cost, so it may"
            " differ from one made before those runs, as in a study's report; with `ignore_switches` it"
            " charges nothing"
        )
    return notes


def _ignored(plan: Plan, switches: Sequence[Switch]) -> str:
    """What the plan leaves out: what changes of shape cost in the runs that were read."""
    pairs = {(t.before, t.after) for t in plan.transitions}
    alike = [s for s in switches if (s.before, s.after) in pairs] or switches
    back = [s.recovery_share for s in alike if s.recovered]
    took = f" after a median of {np.median(back):.0%} of the FLOPs spent by then" if back else ""
    return (
        f"the plan assumes that changes of shape cost nothing. In these runs {len(back)} of {len(alike)}"
        f" changes recovered the value from before the change{took}; without `ignore_switches` a plan takes"
        " that into account"
    )


def write(path: epath.Path, plan: Plan, summary: dict) -> None:
    """The schedule, as scalax.launch reads it, with the summary and the predicted curve beside its stages.

    - path: of the JSON file.
    - plan: whose schedule it is.
    - summary: of `summarise`.

    Raises UserError where it cannot be written.
    """
    cheap = summary["cheap"] and [
        {**row._asdict(), "plan": row.plan and row.plan.schedule.to_json()} for row in summary["cheap"]
    ]
    switches = [s.to_json() for s in summary["switches"]]
    curve = dict(zip(("flops", "errors"), plan.curve(), strict=True))
    data = {**plan.schedule.to_json(), **summary, "switches": switches, "cheap": cheap, "curve": curve}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, data)
    except OSError as e:
        raise UserError(f"`out` {path}: cannot write it ({e.strerror or e})") from None


def show(plan: Plan, summary: dict) -> None:
    """Print tables of transitions, predictions, switches and cheap plans."""
    _show_transitions(plan, summary)
    _show_predictions(plan, summary)
    if joint := summary["joint_law"]:
        rows = [[shape, row["fitted"], row["left_out"]] for shape, row in joint["shapes"].items()]
        title = f"one law over shapes, {joint['formula']}: rms of log error"
        print_table(title, ["shape", "fitted", "left out of the fit"], rows)
    if summary["switches"]:
        rows = [
            [s.run, str(s.before), str(s.after), s.jump, s.recovery_share if s.recovered else None, s.pace]
            for s in summary["switches"]
        ]
        columns = ["run", "from", "to", "jump", "recovery / FLOPs spent", "pace"]
        print_table("changes of shape in the runs that were read", columns, rows)
        print(
            "jump: how much the change itself raised the metric. pace: how many times faster than the law of"
            " the new shape the metric fell after it recovered"
        )
    if summary["cheap"]:
        rows = [
            [f"{row.share:.0%}", flops_text(row.planning_flops), row.savings, row.net_savings, row.reason]
            for row in summary["cheap"]
        ]
        columns = [
            "of each static run",
            "planning",
            "savings by the laws",
            "net of planning",
            "without a plan",
        ]
        print_table(
            "plans from the first part of the static runs, judged by the laws of the whole runs",
            columns,
            rows,
        )


def _show_transitions(plan: Plan, summary: dict) -> None:
    if not plan.transitions:
        print(printable(plan.message))
        return
    columns = ["from", "to", "after", "10 to 90%", summary["metric"], "10 to 90%", "resamples with it"]
    rows = []
    for t in summary["transitions"]:
        flops, error, share = t["flops_quantiles"], t["error_quantiles"], t["share_of_resamples"]
        rows.append(
            [
                t["before"],
                t["after"],
                flops_text(t["flops"]),
                f"{flops_text(flops[0])} to {flops_text(flops[-1])}" if flops else "–",
                f"{t['error']:.4g}",
                f"{error[0]:.4g} to {error[-1]:.4g}" if error else "–",
                "–" if share is None else f"{share:.0%}",
            ]
        )
    print_table("changes of shape", columns, rows)


def _show_predictions(plan: Plan, summary: dict) -> None:
    needed = {row["schedule"]: row["needed_flops"] for row in summary["predicted"]}
    alone = needed[summary["best_static"]]
    rows = [
        [r["schedule"], r["error"], flops_text(r["needed_flops"]), alone / r["needed_flops"]]
        for r in summary["predicted"]
    ]
    budget, level = flops_text(plan.schedule.budget_flops), summary["level"]
    columns = ["schedule", f"{summary['metric']} at {budget}", f"FLOPs to {level:.4g}", "savings"]
    if summary["carry"] == "examples":
        columns.append("mean savings")
        rows = [[*row, r["mean_savings"]] for row, r in zip(rows, summary["predicted"], strict=True)]
    print_table("predicted by the laws", columns, rows)
    if summary["measured"]:
        print(_measured(summary))
    if summary["contradicted"]:
        print("so the plan's savings are not to be counted on, whatever the laws promise")
    elif summary["resamples"] and plan.transitions:
        low, middle, high = (f"{value:.3g}x" for value in summary["savings_quantiles"])
        wins = round(summary["chance_to_win"] * summary["resamples"])
        print(
            f"by the laws: under {wins} of {summary['resamples']} resamples of them the plan beats the best"
            f" static shape. It saves {middle} ({low} to {high} in the middle 80%), if they hold and changes"
            " of shape cost what the plan assumes; the range leaves out how seeds differ"
            f"{_elsewhere(summary)}"
        )


def _elsewhere(summary: dict) -> str:
    """Whether what was measured lies outside what the laws say."""
    savings = [run["savings"] for run in summary["measured"]]
    low, _, high = summary["savings_quantiles"]
    if not savings or (min(savings) <= high and low <= max(savings)):
        return ""
    return "; the runs here are the better evidence"


def _measured(summary: dict) -> str:
    """What the runs of the directory that made the plan's changes saved in fact."""
    savings = sorted(run["savings"] for run in summary["measured"])
    lost = sum(value < 1 for value in savings)
    runs = f"{len(savings)} runs here" if len(savings) > 1 else "1 run here"
    spread = f"{savings[0]:.3g}x to {savings[-1]:.3g}x" if len(savings) > 1 else f"{savings[0]:.3g}x"
    median = f" (median over {len(savings)} runs)" if len(savings) > 1 else ""
    ends = float(np.median([run["end"] for run in summary["measured"]]))
    return (
        f"measured: {runs} made these changes and saved {spread} against the best static shape ({lost} lost);"
        f" their least {summary['metric']} was {ends:.4g}{median}, of the best static shape"
        f" {summary['measured'][0]['static_end']:.4g} (median over its runs)"
    )
