"""Plan which shape to train when, from the static runs of a study: a schedule for scalax.launch."""

import argparse
from pathlib import Path

HELP = "from static runs to a schedule of shapes"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("directory", metavar="RUNS_DIR", help="directory of a study: RUNS_DIR/runs/*/metrics.jsonl are read")
    add(
        "--axis",
        default="patch",
        metavar="AXES",
        help="what may change: patch,width,depth or some (patch)",
    )
    add("--out", type=Path, default=Path("plan.json"), metavar="FILE", help="schedule to write (plan.json)")
    add("--budget", type=float, metavar="FLOPS", help="training FLOPs to plan for (those of the static runs)")
    add(
        "--target",
        type=float,
        metavar="VALUE",
        help="plan the fewest FLOPs to this value instead",
    )
    add("--metric", default="val_error", help="val_error, val_loss, fewshot_error ...: lower is better")
    add(
        "--free",
        action="store_true",
        help="shapes in any order, not only cheap to dear and to smaller patches",
    )
    add("--switch-cost", action="store_true", help="charge what changes of shape cost in the runs at hand")
    add(
        "--switch-pace",
        action="store_true",
        help="reckon too with how fast they learnt after a change, made at most twice as early or late",
    )
    add("--resamples", type=int, default=100, metavar="N", help="bootstrap resamples of each law (100)")
    add("--extrapolate", action="store_true", help="allow a budget or a target beyond the static runs")
    add(
        "--first-share",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="first part of the runs, left out (0.02)",
    )
    add("--cheap", action="store_true", help="also show plans from the first 5 to 100%% of the static runs")


def run(args: argparse.Namespace) -> None:
    import math

    from scalax.errors import UserError

    for name in ("budget", "target"):
        value = getattr(args, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UserError(f"--{name} must be positive, got {value:g}")
    if args.budget is not None and args.target is not None:
        raise UserError("give --budget or --target, not both")
    if args.resamples < 0:
        raise UserError(f"--resamples must not be negative, got {args.resamples}")
    if not 0 < args.first_share < 1:
        raise UserError(f"--first-share must lie between 0 and 1, got {args.first_share:g}")
    if args.out.suffix != ".json" or args.out.is_dir():
        raise UserError(f"--out {args.out}: want the name of a file that ends in .json")

    from scalax import plan
    from scalax.report import plan_figure, plan_tables
    from scalax.schedule import Schedule

    axes = [axis for axis in args.axis.split(",") if axis]
    runs = plan.read_runs(args.directory, args.metric, axes)
    last = plan.measured_flops(runs.curves)
    if not args.extrapolate:
        plan.check_measured(runs.curves, budget_flops=args.budget, target=args.target)
    budget = None if args.target is not None else args.budget or last
    first = args.first_share * last
    fits = plan.fit_laws(runs.curves, first, args.resamples)
    switches = [s for run in runs.changing for s in plan.measure_switches(run, args.metric, fits)]
    effects, charged = plan.no_effect, args.switch_cost or args.switch_pace
    if charged:
        if not switches:
            raise UserError(f"{args.directory}: no run changes its shape, so what that costs is not known")
        effects = plan.effects_of(switches, pace=args.switch_pace)
    planned = plan.steepest_descent(fits, budget, first, target=args.target, free=args.free, effects=effects)
    # Each stage goes on with what the static runs of its shape were trained by.
    stages = (runs.stages[s.shape]._replace(until_flops=s.until_flops) for s in planned.schedule.stages)
    planned = planned._replace(schedule=Schedule(tuple(stages)))
    spread = None
    if args.resamples:
        spread = plan.spread(fits, planned, first, target=args.target, free=args.free, effects=effects)
    cheap = None
    if args.cheap:
        goal = planned.schedule.budget_flops
        cheap = plan.cheap_plans(runs.curves, fits, goal, first, free=args.free, effects=effects)
    summary = plan_tables.summarise(fits, planned, spread, first, args.target, effects)
    summary |= {"metric": args.metric, "axes": axes, "switches": switches, "cheap": cheap}
    ignored = [] if charged else switches
    summary["notes"] = [*runs.notes, *plan_tables.cautions(runs.curves, fits, planned, ignored)]
    plan_tables.write(args.out, planned, summary)
    plan_figure.draw(args.out.with_suffix(".png"), runs.curves, fits, planned, spread, args.metric)
    plan_tables.show(planned, summary)
    print(f"wrote {args.out} and {args.out.with_suffix('.png')}")
