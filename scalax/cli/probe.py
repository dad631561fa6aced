"""Measure what finished runs know of other image sets: few-shot error by layer and number of shots, from the
last checkpoint of each; and, if asked for, linear probes, margins and norms."""

import argparse
import dataclasses
from typing import Any

HELP = "few-shot error, by layer, of finished runs on any image sets"
HEADER = ("run", "set", "layer", "shots", "metric", "value", "std")


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help="directory of a finished run, e.g. runs/quickstart/runs/NAME")
    add(
        "--set",
        dest="sets",
        action="append",
        required=True,
        metavar="NAME=PATH",
        help="a folder of images a class, a .npz file or a prepared TFDS dataset; or the name alone of one of"
        " the downstream tasks of scalax.data.downstream; again for each set",
    )
    add("--layers", default="all", metavar="A,B", help="such as block00,pre_logits (all)")
    add("--shots", default="1,5,10,20", metavar="N,N", help="images a class (1,5,10,20)")
    add("--draws", type=int, default=3, metavar="N", help="fixed draws of the shots (3)")
    add("--ridge", type=float, default=1e-2, metavar="LAMBDA", help="of the regression (0.01)")
    add("--linear", action="store_true", help="linear probe of each layer too, on all training images")
    add("--margins", action="store_true", help="margins of head and pre-logits too, and norms of the weights")
    add("--max-test", type=int, default=0, metavar="N", help="test on so many images of a set (all)")
    add("--batch", type=int, metavar="N", help="images at a time (as the run was evaluated)")
    add("--out", metavar="FILE", help="write the table too, as .csv")


def run(args: argparse.Namespace) -> None:
    from scalax import bounds
    from scalax.errors import UserError
    from scalax.places import check_result, existing

    if args.out and check_result(args.out, "--out").suffix != ".csv":
        raise UserError(f"--out {args.out}: want the name of a file that ends in .csv")

    for directory in args.runs:
        existing(directory, "run")
    try:
        shots = tuple(int(part) for part in args.shots.split(","))
    except ValueError:
        raise UserError(f"`shots` {args.shots}: want whole numbers with commas between") from None
    if min(shots) < 1:
        raise UserError(f"`shots` must be positive, got {args.shots}")
    for name in ("draws", "ridge", "batch"):
        if (value := getattr(args, name)) is not None:
            bounds.positive(f"`{name}`", value)
    if args.draws > bounds.MOST["draws"]:
        raise UserError(f"`draws` must be {bounds.MOST['draws']} at most, got {args.draws}")
    if args.max_test < 0:
        raise UserError(f"`max_test` must be at least 0, got {args.max_test}")
    from pathlib import Path

    from etils import epath

    from scalax.data.named import named_set
    from scalax.report.tables import Table, terminal_text, write_csv

    sets = dict(named_set(text, 1, args.max_test) for text in args.sets)
    if len(sets) < len(args.sets):
        raise UserError(f"`sets` must have different names, got {', '.join(args.sets)}")
    rows, load = [], None
    for directory in args.runs:
        found, load = _measured(args, directory, shots, sets, load)
        rows += [(Path(directory).name, *row) for row in found]
    shown = [[*map(str, row[:5]), *(f"{x:.4g}" if x == x else "" for x in row[5:])] for row in rows]
    print(terminal_text([Table(list(HEADER), shown)]), end="")
    if args.out:
        write_csv(epath.Path(args.out), HEADER, rows)


def _measured(
    args: argparse.Namespace, directory: str, shots: tuple[int, ...], sets: dict[str, Any], load: Any
) -> tuple[list[tuple], Any]:
    """Rows of the table without the run, and what opens data, to be used again."""
    from scalax import train
    from scalax.evals import LinearProbe, Margins, Norms, Probes
    from scalax.evals.probes import probed

    opened = train.open_finished(directory, args.batch, "`runs`", load)
    layers = opened.layers if args.layers == "all" else tuple(args.layers.split(","))
    size = opened.experiment.config.data.image_size
    parts = []
    for name, data in sets.items():
        data = dataclasses.replace(data, image_size=size)
        parts.append(Probes(name, data, layers, shots, args.draws, args.ridge))
        if args.linear:
            parts.append(LinearProbe(f"{name}/linear", data, layers))
        if args.margins:
            parts.append(Margins(f"{name}/margins", data))
    if args.margins:
        parts += [Margins("upstream/margins"), Norms()]
    metrics = opened.measure(parts)
    rows: list[tuple] = [(p.name, p.layer, p.shots, "fewshot_error", p.error, p.std) for p in probed(metrics)]
    for key, value in metrics.items():
        if "@" not in key:
            place, _, metric = key.rpartition("/")
            name, *layer = place.replace("/linear", "").replace("/margins", "").split("/")
            rows.append((name, "/".join(layer), "", metric, value, float("nan")))
    return rows, opened.experiment.load
