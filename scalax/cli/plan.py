"""Plan which shape to train when, from the static runs of a study: a schedule for scalax.launch."""

import argparse

from scalax.cli._curves import local, names
from scalax.names import printable

HELP = "from static runs to a schedule of shapes"
SETTINGS = (  # those of scalax.plan.PlanSettings that have flags of their names
    *("axes", "budget_flops", "target", "metric", "law", "carry", "free", "switch_cost", "switch_pace"),
    *("ignore_switches", "resamples", "extrapolate", "first_share", "cheap", "joint_law"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("directory", metavar="RUNS_DIR", help="directory of a study: RUNS_DIR/runs/*/metrics.jsonl are read")
    add(
        "--axis",
        dest="axes",
        default="patch",
        metavar="AXES",
        help="what may change: one or more of patch,width,depth,resolution (patch)",
    )
    add("--out", type=local, metavar="FILE", help="schedule to write (RUNS_DIR/plan.json)")
    add(
        "--budget",
        dest="budget_flops",
        type=float,
        metavar="FLOPS",
        help="training FLOPs to plan for (those of one static run)",
    )
    add("--target", type=float, metavar="VALUE", help="plan the fewest FLOPs to this value, without a budget")
    add("--metric", default="val_error", help="val_error, val_loss, fewshot_error ...: lower is better")
    add("--law", default="shifted_power", help="law that is fitted to each shape (shifted_power)")
    add(
        "--carry",
        choices=("error", "examples"),
        default="error",
        help="what a run keeps at a change of shape: its error; or what it learnt of its examples, for patch"
        " sizes and resolutions (error)",
    )
    add(
        "--free",
        action="store_true",
        help="allow shapes in any order; without it they go from cheap to dear, patches only shrink, and"
        " resolutions only grow",
    )
    add(
        "--switch-cost",
        action="store_true",
        help="charge each change of shape the FLOPs it cost in RUNS_DIR, whatever the pace after it",
    )
    add(
        "--switch-pace",
        action="store_true",
        help="use how fast runs learnt after a change, too; changes move by a factor of 2 in FLOPs at most",
    )
    add(
        "--joint-law",
        action="store_true",
        help="one law over all shapes, of what they differ in and of examples, in place of one a shape",
    )
    add(
        "--untrained",
        default="",
        metavar="SHAPE,SHAPE",
        help="with --joint-law: shapes to plan with that no run has, e.g. V16-3/8",
    )
    add(
        "--ignore-switches",
        action="store_true",
        help="take changes of shape to cost nothing; without it and --switch-*, they cost what they did"
        " in RUNS_DIR, and learning goes on as slowly as there, but never faster than the laws say",
    )
    add("--resamples", type=int, default=100, metavar="N", help="bootstrap resamples of each law (100)")
    add("--extrapolate", action="store_true", help="allow a budget or a target beyond the static runs")
    add(
        "--first-share",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="first share of each run that the laws leave out (0.02)",
    )
    add(
        "--cheap",
        action="store_true",
        help="also show plans from only the first 5 to 100%% of the static runs",
    )


def run(args: argparse.Namespace) -> None:
    from scalax.errors import UserError, with_flags
    from scalax.places import check_result, existing, place
    from scalax.schedule import Schedule

    directory = existing(args.directory, "directory")
    out = directory / "plan.json" if args.out is None else place(args.out, "--out")
    if out.suffix != ".json":
        raise UserError(f"--out {out}: want the name of a file that ends in .json")
    if args.out is not None:
        check_result(out, "--out")
        if out.exists() and out.stat().length:
            try:
                Schedule.load(out)
            except UserError:
                raise UserError(f"--out {out}: is there, and no plan; choose another name") from None

    from scalax import plan
    from scalax.report import plan_figure, plan_tables

    untrained = [plan.shape_of(word) for word in names(args.untrained)]
    values = {name: getattr(args, name) for name in SETTINGS}
    settings = plan.PlanSettings(**{**values, "axes": names(args.axes), "untrained": untrained})
    made = plan.plan_study(args.directory, settings)
    summary = plan_tables.summarise(made)
    plan_tables.write(out, made.plan, summary)
    plan_figure.draw(out.with_suffix(".png"), made)
    plan_tables.show(made.plan, summary)
    for note in summary["notes"]:
        print(printable(f"  {with_flags(note, args.flags)}"))
    print(printable(f"wrote {out} and {out.with_suffix('.png')}"))
