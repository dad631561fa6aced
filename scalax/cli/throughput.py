"""Train a model on random images with the train step of runs, and say how fast."""

import argparse
import importlib.util
import json
import math
from typing import TYPE_CHECKING, Any

from scalax.cli._given import refuse
from scalax.distribution import install

if TYPE_CHECKING:
    from scalax.throughput.spec import Spec

HELP = "images/s, FLOP/s and memory of training a model, beside timm or Flax"
CHECKED_STEPS = 20
MOST = 2**24  # of any count: more is a slip
MISSING = f"needs {{}}, which is not installed: {install('parity')}"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", nargs="?", metavar="MODEL", help="vit-b/16, V256-6/8, mixer-b/16, resnet50 ...")
    add("--image", type=int, default=224, metavar="PIXELS", help="side of the images (224)")
    add("--batch", type=int, default=64, metavar="N", help="images a step, over all devices (64)")
    add("--classes", type=int, default=1000, metavar="N", help="classes (1000)")
    add(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="precision of computation (auto)",
    )
    add("--attention", choices=("auto", "einsum", "fused"), default="auto", help="attention of ViTs (auto)")
    add("--steps", type=int, default=10, metavar="N", help="steps a round (10)")
    add("--rounds", type=int, default=5, metavar="N", help="rounds; medians are over these (5)")
    add("--peak-flops", type=float, metavar="F", help="peak FLOP/s of one device, if scalax does not know it")
    add("--against", choices=("timm", "flax-reference"), help="alternate rounds with another implementation")
    add("--data-only", action="store_true", help="only feed and augment batches; train no model")
    add("--members", type=int, metavar="N", help="train N runs as one population, and one by one")
    add("--check", action="store_true", help="compare the losses of 20 steps here with those of the CPU")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> None:
    from scalax.errors import UserError
    from scalax.throughput.spec import Spec

    for key in ("image", "batch", "classes", "steps", "rounds", "peak_flops", "members"):
        value = getattr(args, key)
        most = math.inf if key == "peak_flops" else MOST
        if value is not None and not 0 < value < most:
            raise UserError(f"`{key}` must be positive and below {most}, got {value}")
    if args.data_only and (args.model or args.against):
        raise UserError("--data-only trains no model; leave MODEL and --against out")
    if not args.data_only and not args.model:
        raise UserError("MODEL is missing, e.g. scalax throughput V256-6/8 --image 64; or give --data-only")
    if (args.members or args.check) and (args.against or args.data_only):
        raise UserError("--members and --check measure scalax alone; drop --against and --data-only")
    if args.members and args.check:
        raise UserError("--members and --check are two measurements; give one")
    if args.data_only:
        refuse(args, ["precision", "attention", "peak_flops"], "beside `data_only`")
    if args.members or args.check:
        why = f"beside `{'check' if args.check else 'members'}`"
        refuse(args, ["steps", "rounds", "peak_flops"], why)
    if args.against == "timm":
        for package in ("torch", "timm"):
            if importlib.util.find_spec(package) is None:
                raise UserError(f"--against timm {MISSING.format(package)}")
    measured = check if args.check else together if args.members else feed if args.data_only else train
    spec = Spec(args.model or "", args.image, args.batch, args.classes, args.precision, args.attention)
    result, notes = measured(spec, args)
    if args.json:
        print(json.dumps(result))
    else:
        show(args, result, notes)


def check(spec: "Spec", args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from scalax.throughput.agreement import agreement

    return agreement(spec, CHECKED_STEPS), []


def together(spec: "Spec", args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from scalax.throughput import measure

    return measure.members(spec, args.members)


def train(spec: "Spec", args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from scalax.throughput import measure

    amount = {"steps": args.steps, "rounds": args.rounds}
    return measure.training(spec, **amount, against=args.against, peak_flops=args.peak_flops)


def feed(spec: "Spec", args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from scalax.throughput import measure

    return measure.feeding(spec, steps=args.steps, rounds=args.rounds)


def show(args: argparse.Namespace, result: dict, notes: list[str]) -> None:
    """A table of what was measured, and the notes below it.

    - args: of the command.
    - result, notes: of the measurement.
    """
    import rich.table

    from scalax.report.console import as_written, stdout

    table = rich.table.Table("", "", show_header=False)
    table.title = as_written(f"{args.model or 'feeding'}: {args.image} px, batch {args.batch}")
    for variant, difference in result.get("differences", {}).items():
        table.add_row(variant, f"differs from the CPU's float32 by {difference:.2g} at most")
    if "images_per_s" in result:
        table.add_row("images/s", f"{result['images_per_s']:,.1f}")
        table.add_row("step", f"{result['step_ms']:,.3f} ms")
    if "members" in result:
        table.add_row("one by one", f"{result['images_per_s_alone']:,.1f} images/s")
        table.add_row("time together over one by one", f"{result['ratio']:.3f}")
    if "flops_per_s" in result:
        mfu, peak = result["mfu"], result["peak_bytes"]
        table.add_row("model FLOP/s", f"{result['flops_per_s'] / 1e9:,.2f} G")
        table.add_row("MFU", "– (peak unknown; --peak-flops)" if mfu is None else f"{mfu:.1%}")
        table.add_row("peak memory", "–" if peak is None else f"{peak / 1e6:,.1f} MB")
    if "compile_s" in result:
        table.add_row("compiled in", f"{result['compile_s']:.2f} s")
    against = result.get("against", {})
    for name, variant in against.get("variants", {}).items():
        speed = f"{variant['images_per_s']:,.1f} images/s, {variant['step_ms']:,.3f} ms"
        table.add_row(f"{against['name']} {name}", f"{speed}; scalax is {variant['ratio']:.3f} times as fast")
    console = stdout(highlight=False)
    console.print(table)
    for note in (*notes, *against.get("notes", ())):
        console.print(as_written(f"{note}."))
