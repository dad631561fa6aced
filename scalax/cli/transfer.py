"""What upstream accuracy buys downstream: hulls, laws of saturation, predictions, from a table of models."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scalax import bounds
from scalax.cli._curves import local
from scalax.cli._given import refuse
from scalax.errors import UserError, suggest, with_flags
from scalax.names import printable
from scalax.places import check_results, on_this_machine

if TYPE_CHECKING:
    from scalax.transfer import ModelTable

MOST = 100_000  # resamples, or draws
HELP = "laws of downstream against upstream accuracy, from a table of models"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", nargs="?", metavar="MODELS", help="CSV or JSONL file, a row a model (or a model and task)")
    add("--upstream", metavar="COL", help="column of the upstream accuracy or error (with --task: a task)")
    add(
        "--downstream",
        default="",
        metavar="COL,COL",
        help="downstream columns (all others that can be accuracies); names with commas in double quotes",
    )
    add("--task", metavar="COL", help="column that names the task: the table is long, a row a model and task")
    add("--value", metavar="COL", help="with --task: column of accuracies or errors")
    add("--model", default="", metavar="COL,COL", help="columns that together name a model (those of text)")
    add("--group", metavar="COL", help="column of the kind of model: colours, and variance between kinds")
    add(
        "--whole-groups",
        action="store_true",
        help="resample groups, not rows, for intervals: where the rows of a group are no independent models",
    )
    add(
        "--size",
        default="",
        metavar="COL,COL",
        help="columns of size, data, compute: what do they explain, given upstream?",
    )
    add(
        "--errors",
        default="",
        metavar="COL,COL",
        help="columns that hold errors, or all (those whose name says err or error)",
    )
    add(
        "--accuracies",
        default="",
        metavar="COL,COL",
        help="columns that hold accuracies, or all (the others)",
    )
    add("--unit", help="share (0..1) or percent (0..100) of all columns (found for each)")
    add(
        "--images",
        metavar="N",
        help="test images of every task: a number, a column, or TASK=N,TASK=N; to correct for their noise",
    )
    add("--axes", default="plain", help="of figures: plain, log (-log(1-p)) or logit (plain)")
    add(
        "--below",
        type=float,
        metavar="ACC",
        help="fit up to this upstream accuracy (0..1) and predict above it (0.9 times the best)",
    )
    add(
        "--at",
        default="",
        metavar="ACC,ACC",
        help="upstream accuracies (0..1) at which to name the mixture that is on the hull",
    )
    add("--laid", metavar="COL", help="task whose hull is laid over all others in figures (the first)")
    add("--resamples", type=int, default=200, metavar="N", help="of the models, for intervals (200)")
    add("--draws", type=int, default=10, metavar="N", help="samples of each size that predict (10)")
    add("--seed", type=int, default=0, help="of resamples and draws (0)")
    add(
        "--simulated",
        action="store_true",
        help="instead of a file: how well each fit finds e_IR in tables whose law is known",
    )
    add("--out", type=local, default=Path("runs/transfer"), help="directory for results (runs/transfer)")


def run(args: argparse.Namespace) -> None:
    check_results(args.out, "--out")
    bounds.seed("`seed`", args.seed)
    for name in ("resamples", "draws"):
        if getattr(args, name) > MOST:
            raise UserError(f"`{name}` must be {MOST} at most, got {getattr(args, name)}")
    if args.simulated:
        if args.file:
            raise UserError("--simulated makes its own tables; leave out the file, or leave out --simulated")
        refuse(args, set(args.defaults) - {"help", "simulated", "seed", "out"}, "beside `simulated`")
        _simulated(args)
        return
    if not args.file:
        raise UserError("no file of models given; see scalax transfer --help, or try --simulated")
    if not args.upstream:
        raise UserError("--upstream must name the column of upstream accuracies or errors")
    if not args.task:
        refuse(args, ["value"], "without `task`")
    if not args.group:
        refuse(args, ["whole_groups"], "without `group`")
    on_this_machine(args.file, "`file`")
    from scalax import transfer

    table = _read(args)
    _check_name("laid", args.laid, table)
    at = [_accuracy("at", word) for word in args.at.split(",") if word.strip()]
    mixtures = transfer.mixtures(table, [1 - accuracy for accuracy in at])
    if args.below is not None:
        _accuracy("below", str(args.below))
    from etils import epath

    from scalax.report import transfer_files, transfer_report
    from scalax.report.transfer_axes import scale_of

    scale = scale_of(args.axes)
    settings = {name: getattr(args, name) for name in ("resamples", "seed", "whole_groups", "below", "draws")}
    result = transfer.analyse(table, **settings)
    print(with_flags(transfer_report.write(table, result, args.out, scale, args.laid), args.flags), end="")
    if mixtures:
        transfer_files.write_mixtures(epath.Path(args.out) / "mixtures.csv", table, mixtures)
        _show_mixtures(table, mixtures)


def _read(args: argparse.Namespace) -> "ModelTable":
    from scalax import transfer
    from scalax.records.table import read_table
    from scalax.transfer.read import column_names

    read = read_table(args.file, "models")
    columns = read.columns
    several = {name: column_names(getattr(args, name), columns) for name in ("downstream", "model", "size")}
    said = {name: column_names(getattr(args, name), columns) for name in ("errors", "accuracies")}
    return transfer.read_models(
        args.file,
        args.upstream,
        task=args.task,
        value=args.value,
        group=args.group,
        images=args.images,
        reading=transfer.Reading(**said, unit=args.unit),
        table=read,
        **several,
    )


def _check_name(argument: str, name: str | None, table: "ModelTable") -> None:
    if name is not None and name not in table.tasks:
        raise UserError(f"`{argument}`: no downstream task {name!r}{suggest(name, table.tasks)}")


def _accuracy(argument: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"`{argument}`: {word.strip()!r} is no accuracy, 0 to 1")
    return value


def _show_mixtures(table: "ModelTable", mixtures) -> None:
    from scalax.report import console

    rows = [
        [task, 1 - m.e_us, 1 - m.e_ds, table.models[m.first], table.models[m.second], m.share]
        for task, m in mixtures
    ]
    columns = ["task", "upstream", "downstream", "first", "second", "share of second"]
    console.print_table("mixtures on the hull", columns, rows)


def _simulated(args: argparse.Namespace) -> None:
    from etils import epath

    from scalax.report import console
    from scalax.report.tables import write_csv
    from scalax.transfer import simulate

    tables = 20
    count = len(simulate.SCENES) * 2 * tables
    with console.LateBar("simulating", count) as bar:
        found = simulate.recover(tables=tables, seed=args.seed, progress=bar.update)
    out = epath.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "simulated.csv", simulate.Recovery._fields, found)
    rows = [
        [
            r.scene,
            f"{r.images:,}",
            r.fit,
            r.e_ir,
            f"{r.bias:+.3f}",
            r.spread,
            r.covered,
            r.saturates,
            r.does_not,
        ]
        for r in found
    ]
    title = f"e_IR of {tables} tables of {found[0].models} models each: fitted less true"
    columns = ["scene", "images", "fit", "true e_IR", "bias", "spread", "covered by 95%"]
    console.print_table(title, [*columns, "saturates", "does not"], rows)
    print(printable(f"wrote {out}/simulated.csv"))
