"""`scalax fit --x A,B`: laws of several variables."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import check_paths, names, print_remarks
from scalax.errors import UserError

if TYPE_CHECKING:
    from scalax.laws.joint import JointFit

ONE_VARIABLE = (
    "split",
    "each",
    "repeats",
    "example",
    "until_peak",
    "segments",
    "choose_breaks",
)  # flags of curves, that rows of runs have no use for


def add_joint_arguments(parser: argparse.ArgumentParser) -> None:
    """Of laws of several variables."""
    parser.add_argument(
        "--without-lowest",
        type=int,
        default=0,
        metavar="N",
        help="of several variables: also fit without the N rows of the lowest last variable to the first",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=None,
        metavar="N",
        help="of several variables: resamples of the runs, for intervals (200)",
    )


def several(args: argparse.Namespace) -> bool:
    """Whether `--x` names several variables."""
    return bool(args.x) and "," in args.x


def run(args: argparse.Namespace) -> None:
    """Fit and show."""
    for name in ONE_VARIABLE:
        if getattr(args, name) not in (args.defaults[name], []):
            raise UserError(f"`{name}` is of curves with one x; leave it out, or name one column in `x`")
    if args.objective not in (None, "huber"):
        raise UserError("laws of several variables are fitted by Huber's loss; leave `objective` out")
    check_paths(args)
    from scalax.laws.joint import FORMS, fit_joint, form_of
    from scalax.laws.readers.several import read_runs
    from scalax.report import console, joint_files

    forms = names(args.families) if args.families else tuple(FORMS)
    for form in forms:
        form_of(form)
    runs, remarks = read_runs(
        args.files,
        names(args.x),
        args.y,
        None if args.by is None else names(args.by),
        args.bound,
        args.decimal,
    )
    resamples = 200 if args.resamples is None else args.resamples
    parts = {"all": runs}
    if args.without_lowest:
        ratio = f"{runs.variables[-1]} to {runs.variables[0]}"
        parts[f"without {args.without_lowest} of lowest {ratio}"] = runs.without_lowest(args.without_lowest)
    fits = {name: fit_joint(part, forms, resamples) for name, part in parts.items()}
    joint_files.write_fits(args.out, parts, fits)
    print_remarks(args, remarks)
    for name, own in fits.items():
        first = next(iter(own.values()))
        of_runs = f" of {first.runs} runs" if first.runs < first.rows else ""
        rows = [[what, *cells] for what, cells in _table(list(own.values())).items()]
        console.print_table(f"{name}: {first.rows} rows{of_runs}", ["", *own], rows)
    for form in fits["all"].values():
        print(f"  {form.form.name}: {form.form.formula(form.variables)}")
    for name, own in fits.items():
        console.print_notes({f"{name}, {law}": f.flags for law, f in own.items()})
    print("in brackets 95% of resampled runs. left out: RMSLE of runs left out of the fit, a tenth at a time")
    print(f"wrote {args.out}/joint.json, joint.csv and figures/")


def _table(fits: "list[JointFit]") -> dict[str, list[str]]:
    """A row for each score and parameter, a cell for each law; parameters with their 95% intervals."""
    parameters = max((fit.form.names(len(fit.variables)) for fit in fits), key=len)
    table = {"RMSLE": [f"{f.rmsle:.5f}" for f in fits], "left out": [f"{f.rmsle_left_out:.5f}" for f in fits]}
    return table | {name: [_cell(fit, name) for fit in fits] for name in parameters}


def _cell(fit: "JointFit", name: str) -> str:
    if name not in fit.params:
        return "-"
    ends = fit.intervals.get(name)
    return f"{fit.params[name]:.5g}" + (f" ({ends[0]:.3g} to {ends[1]:.3g})" if ends else "")
