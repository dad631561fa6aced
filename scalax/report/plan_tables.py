"""A plan in words: what `scalax plan` prints, and what it keeps beside the schedule."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scalax import plan
from scalax.errors import UserError
from scalax.laws import Fit
from scalax.plan.fitting import Curves
from scalax.report.law_files import print_table, write_json
from scalax.schedule import Shape
from scalax.units import flops_text


def summarise(
    fits: Mapping[Shape, Fit],
    planned: plan.Plan,
    spread: plan.Spread | None,
    first_flops: float,
    target: float | None,
    effects: plan.Effects,
) -> dict:
    """Transitions with their spread, and every way to spend the plan's FLOPs as the laws predict it.

    needed_flops are those to the target; without one, to the error of the best static shape at the budget.
    """
    budget = planned.schedule.budget_flops
    best, level = plan.best_law(fits, budget_flops=budget)
    if target is not None:
        level, best = target, plan.best_law(fits, target=target)[0]
    schedules = {"plan": planned.schedule}
    for name in [*map(str, fits), "linear", "logarithmic"]:
        schedules[name] = plan.baseline(name, list(fits), budget, first_flops)
    rows = [
        {
            "schedule": name,
            "error": float(plan.follow(fits, schedule, np.array([budget]), effects)[0]),
            "needed_flops": plan.flops_needed(fits, schedule, level, effects),
        }
        for name, schedule in schedules.items()
    ]
    drawn = spread.transitions if spread else [None] * len(planned.transitions)
    transitions = [
        {
            **t.to_json(),
            "flops_quantiles": list(d.flops) if d else None,
            "error_quantiles": list(d.error) if d else None,
            "share_of_resamples": d.share if d else None,
        }
        for t, d in zip(planned.transitions, drawn, strict=True)
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
        "laws": {
            str(s): {"params": f.params, "rmsle": f.rmsle, "flags": list(f.flags)} for s, f in fits.items()
        },
    }


def cautions(
    curves: Curves, fits: Mapping[Shape, Fit], planned: plan.Plan, ignored: Sequence[plan.Switch] = ()
) -> list[str]:
    """What to distrust, a line each; ignored: changes of shape at hand that the plan ignores."""
    notes = [f"law of {shape}: {flag}" for shape, fit in fits.items() for flag in fit.flags]
    least = plan.measured_error(curves)
    if planned.errors[-1] < least:
        notes.append(
            f"the plan goes down to {planned.errors[-1]:.4g}, by laws extrapolated beyond the least value"
            f" measured, {least:.4g}"
        )
    if ignored and planned.transitions:
        planned_pairs = {(t.before, t.after) for t in planned.transitions}
        alike = [s for s in ignored if (s.before, s.after) in planned_pairs] or ignored
        back = [s.recovery_share for s in alike if s.recovered]
        took = f" after a median of {np.median(back):.0%} of the FLOPs spent by then" if back else ""
        notes.append(
            f"the plan takes changes of shape to cost nothing; {len(back)} of {len(alike)} at hand were back"
            f" at what they had{took} (--switch-cost and --switch-pace reckon with that)"
        )
    return notes


def write(path: Path, planned: plan.Plan, summary: dict) -> None:
    """The schedule, as scalax.launch reads it, with the summary and the planned curve beside its stages."""
    cheap = summary["cheap"] and [
        {**row._asdict(), "plan": row.plan and row.plan.schedule.to_json()} for row in summary["cheap"]
    ]
    switches = [s.to_json() for s in summary["switches"]]
    curve = dict(zip(("flops", "errors"), planned.curve(), strict=True))
    data = {**planned.schedule.to_json(), **summary, "switches": switches, "cheap": cheap, "curve": curve}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, data)
    except OSError as e:
        raise UserError(f"--out {path}: cannot write it ({e.strerror or e})") from None


def show(planned: plan.Plan, summary: dict) -> None:
    """Print tables of transitions, predictions, switches and cheap plans, and the notes."""
    _show_transitions(planned, summary)
    _show_predictions(planned, summary)
    if summary["switches"]:
        rows = [
            [s.run, str(s.before), str(s.after), s.jump, s.recovery_share if s.recovered else None, s.pace]
            for s in summary["switches"]
        ]
        columns = ["run", "from", "to", "jump", "recovery / FLOPs spent", "pace of its law"]
        print_table("changes of shape in the runs at hand", columns, rows)
        print("jump: of the metric, at once; pace: 1 where it then fell as fast as the law of its new shape")
    if summary["cheap"]:
        rows = [
            [f"{row.share:.0%}", flops_text(row.planning_flops), row.savings, row.net_savings, row.reason]
            for row in summary["cheap"]
        ]
        columns = ["of each static run", "planning", "savings", "net of planning", "without a plan"]
        print_table("plans from the first part of the runs, judged by the laws of all", columns, rows)
    for note in summary["notes"]:
        print(f"  {note}")


def _show_transitions(planned: plan.Plan, summary: dict) -> None:
    if not planned.transitions:
        print(planned.message)
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


def _show_predictions(planned: plan.Plan, summary: dict) -> None:
    needed = {row["schedule"]: row["needed_flops"] for row in summary["predicted"]}
    alone = needed[summary["best_static"]]
    rows = [
        [r["schedule"], r["error"], flops_text(r["needed_flops"]), alone / r["needed_flops"]]
        for r in summary["predicted"]
    ]
    budget, level = flops_text(planned.schedule.budget_flops), summary["level"]
    columns = ["schedule", f"{summary['metric']} at {budget}", f"FLOPs to {level:.4g}", "savings"]
    print_table("predicted by the laws", columns, rows)
    if summary["resamples"]:
        low, middle, high = (f"{value:.3g}x" for value in summary["savings_quantiles"])
        print(
            f"the plan beats the best static shape in {summary['chance_to_win']:.0%} of"
            f" {summary['resamples']} resamples; it saves {middle} ({low} to {high}, 10 to 90%),"
            " if the laws hold and changes of shape cost what was reckoned"
        )
