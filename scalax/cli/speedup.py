"""Say how many times less compute (or steps, tokens, hours) recipe B needs for what recipe A reaches."""

import argparse
from typing import TYPE_CHECKING

from scalax.cli._curves import add_curve_arguments, curves_of, names, print_remarks
from scalax.errors import UserError
from scalax.places import check_results

if TYPE_CHECKING:
    from scalax.laws import Curve, Curves
    from scalax.laws.speedup import Speedup

HELP = "how many times less compute one recipe needs than another"
LEAST_ROWS = 4  # of different x
SHOWN = 12  # targets in the printed table
MOST = 10_000  # simulated pairs of a law


def configure(parser: argparse.ArgumentParser) -> None:
    add_curve_arguments(parser, "runs/speedup", example=False)
    add = parser.add_argument
    add("--group", metavar="COL", help="of one file: column that tells the two recipes apart")
    add("--groups", metavar="A,B", help="its two values, the one to compare with first (in the file's order)")
    add("--targets", default="", metavar="Y,Y", help="y to compare at (down to what A reaches)")
    add(
        "--unpaired", action="store_true", help="do not pair runs of A and B that have the same seed, or name"
    )
    add("--simulated", action="store_true", help="instead of files: pairs whose speed-up is known")
    add("--count", type=int, default=40, metavar="N", help="simulated pairs of each law and scene (40)")


def run(args: argparse.Namespace) -> None:
    if args.simulated:
        return _simulated(args)
    wanted = [_target(word) for word in filter(None, args.targets.split(","))]
    a, b, titles = _recipes(args)
    from scalax.laws.speedup import pairs_of, speedup
    from scalax.report import speedup_files

    pairs = [] if args.unpaired else pairs_of(a, b, args.group or "")
    made = speedup(a, b, wanted or None, pairs)
    speedup_files.write(args.out, made, a, b, titles)
    print_remarks(args, [*a.remarks, *(remark for remark in b.remarks if remark not in a.remarks)])
    _show(made, titles)
    print(f"wrote {args.out}/speedup.json, speedup.csv and speedup.png")


def _target(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f"`targets`: {word!r} is not a number") from None


def _recipes(args: argparse.Namespace) -> tuple["Curves", "Curves", tuple[str, str]]:
    """Curves of A and of B, and what to call them."""
    if args.group is None:
        if args.groups is not None:
            raise UserError("`groups` are values of a column; name it in `group`")
        if len(args.files) != 2:
            raise UserError(
                f"want two files, A and B, got {len(args.files)}; of one file, name in `group` the column"
                " that tells the recipes apart"
            )
        first, second = (argparse.Namespace(**{**vars(args), "files": [file]}) for file in args.files)
        a, b = curves_of(first, LEAST_ROWS), curves_of(second, LEAST_ROWS)
        return a, b, _titles(args.files)
    from scalax.laws import Curves

    curves = curves_of(args, LEAST_ROWS)
    if args.group not in curves[0].key:
        by = [args.group, *(names(args.by) if args.by else curves[0].key)]
        curves = curves_of(argparse.Namespace(**{**vars(args), "by": ",".join(by)}), LEAST_ROWS)
    found = list(dict.fromkeys(curve.key[args.group] for curve in curves))
    chosen = list(names(args.groups)) if args.groups else found
    if len(chosen) != 2 or not set(chosen) <= set(found):
        raise UserError(f"`groups` must name two of {', '.join(found)} in column {args.group!r}, A,B")
    a, b = (Curves(_with(curves, args.group, value), curves.remarks) for value in chosen)
    return a, b, (chosen[0], chosen[1])


def _with(curves: "Curves", column: str, value: str) -> "list[Curve]":
    return [curve for curve in curves if curve.key[column] == value]


def _titles(files: list[str]) -> tuple[str, str]:
    from pathlib import Path

    stems = [Path(file).stem for file in files]
    return (stems[0], stems[1]) if stems[0] != stems[1] else (str(files[0]), str(files[1]))


def _show(made: "Speedup", titles: tuple[str, str]) -> None:
    import numpy as np

    from scalax.report import console

    a, b = titles
    what, of = made.labels
    rows = []
    every = max(1, round(len(made.targets) / SHOWN))
    for i in range(len(made.targets) - 1, -1, -every)[::-1]:
        known = np.isfinite(made.ratio[i])
        ends = f"{made.low[i]:.3g} to {made.high[i]:.3g}" if known else "-"
        times = f"{made.ratio[i]:.3g}" if known else "-"
        note = "not reached" if not known else "beyond the rows" if made.beyond[i] else ""
        rows.append([f"{made.targets[i]:.4g}", made.x_a[i], made.x_b[i], times, ends, note])
    runs = f"{made.curves[0]} and {made.curves[1]} run(s)" + (", paired" if made.paired else "")
    columns = [of, f"{what} of {a}", f"{what} of {b}", "times less", "90%", ""]
    console.print_table(f"{b} against {a}: {runs}", columns, rows)
    if np.isfinite(made.ratio).any():
        last = int(np.flatnonzero(np.isfinite(made.ratio))[-1])
        print(
            f"for {of} {made.targets[last]:.4g}, {b} needs {made.ratio[last]:.3g} times less {what} than {a}"
            f" (90%: {made.low[last]:.3g} to {made.high[last]:.3g})"
        )
    seeds = f", seeds differ by {made.seeds:.2%}" if sum(made.curves) > 2 else ""
    print(f"  noise of a row {made.noise:.2%}{seeds}")
    for flag in made.flags:
        print(f"  {flag}")


def _simulated(args: argparse.Namespace) -> None:
    if args.files:
        raise UserError("--simulated makes its own curves; leave out the files, or leave out --simulated")
    if args.count < 1:
        raise UserError(f"`count` must be at least 1, got {args.count}")
    if args.count > MOST:
        raise UserError(f"`count` must be {MOST} at most, got {args.count}")
    check_results(args.out, "--out")
    from scalax.laws.simulated import LAWS
    from scalax.laws.speedup.simulated import SCENES, coverage
    from scalax.report import console, law_files

    with console.LateBar("comparing", args.count * len(LAWS) * len(SCENES)) as bar:
        found = coverage(args.count, progress=bar.update)
    law_files.write_csv(args.out / "simulated.csv", [each._asdict() for each in found])
    rows = [[c.scene, c.law, c.inside, c.error, c.width, float(c.count)] for c in found]
    columns = ["scene", "law", "inside 90%", "rms of log", "width in log", "intervals"]
    console.print_table("known speed-ups of 0.7 to 4", columns, rows)
    print(f"wrote {args.out}/simulated.csv")
