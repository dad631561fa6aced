"""Parameters, MACs and training FLOPs of models, from their shapes alone."""

import argparse
import json

MOST = 2**24  # of any number: more is a slip
HELP = "parameters, MACs, training FLOPs and memory of models"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "models",
        nargs="+",
        metavar="MODEL",
        help="vit-b/16, V192-12/8, mixer-b/16, resnet50, D128-4 ...",
    )
    add("--image", type=int, default=224, metavar="PIXELS", help="side of the images (224)")
    add("--context", type=int, default=256, metavar="N", help="tokens of a sequence, of decoders (256)")
    add("--classes", type=int, default=1000, metavar="N", help="classes, or tokens of a vocabulary (1000)")
    add("--channels", type=int, default=3, metavar="N", help="channels of the images (3)")
    add("--batch", type=int, default=32, metavar="N", help="images or sequences a training step (32)")
    add("--patch", type=int, metavar="P", help="patch in use; parameters stay at the patch in the name")
    add(
        "--base-grid",
        type=int,
        metavar="G",
        help="side of the grid of position embeddings that are kept (image / patch in the name)",
    )
    add(
        "--memory",
        action="store_true",
        help="compile each step to find its memory (always done for one model)",
    )
    add("--device", metavar="KIND", help="device that the least time is of, such as h100 (the one present)")
    add(
        "--step-seconds",
        type=float,
        metavar="S",
        help="measured seconds a step on one device, to show its MFU",
    )
    add("--json", action="store_true", help="print one JSON object a model, each on a line")


def run(args: argparse.Namespace) -> int:
    from scalax.errors import UserError
    from scalax.schedule import MOST as MOST_SIDE

    for key in ("image", "context", "classes", "channels", "batch", "patch", "base_grid", "step_seconds"):
        value = getattr(args, key)
        if value is not None and not 0 < value < MOST:
            raise UserError(f"`{key}` must be positive and below {MOST:,}, got {value}")
    if args.image > MOST_SIDE["resolution"]:
        raise UserError(f"`image` must be {MOST_SIDE['resolution']} at most, got {args.image}")
    import jax

    from scalax.cost.model import model_cost
    from scalax.hardware import DEVICES, find_device

    kind = args.device or jax.devices()[0].device_kind
    device = find_device(kind)
    if args.device and not device:
        raise UserError(f"--device {kind!r} is unknown; choose one of {', '.join(DEVICES)}")
    if args.step_seconds and not device:
        raise UserError(f"--step-seconds: the peak speed of {kind!r} is not known; name one with --device")
    costs = []
    for name in args.models:
        cost = model_cost(
            name,
            image=args.image,
            context=args.context,
            classes=args.classes,
            batch=args.batch,
            channels=args.channels,
            patch=args.patch,
            base_grid=args.base_grid,
            memory=args.memory or len(args.models) == 1,
        )
        timing = {"device": kind, "least_seconds": None, "mfu": None}
        if device and device.peak_flops:
            timing["least_seconds"] = cost.train_flops_matmul / device.peak_flops
            timing["mfu"] = args.step_seconds and timing["least_seconds"] / args.step_seconds
        cost = {**cost._asdict(), **timing}
        costs.append(cost)
        if args.json:
            print(json.dumps(cost), flush=True)
    if not args.json:
        show(costs)
    return 0


def show(costs: list[dict]) -> None:
    """One model as a list of all there is to say, several as a table."""
    import rich.table

    from scalax.report.console import as_written, stdout

    console = stdout()
    first = costs[0]
    sizes = {f"{cost['image']} px" if cost["image"] else f"{cost['context']} tokens": None for cost in costs}
    title = f"{' or '.join(sizes)}, {first['classes']} classes, batch {first['batch']}"
    if len(costs) == 1:
        table = rich.table.Table("", "", title=as_written(f"{first['name']}: {title}"), show_header=False)
        for row in describe(first):
            table.add_row(*map(as_written, row))
    else:
        table = rich.table.Table("model", title=title)
        for head in ("params M", "GMACs", "GMACs no head", "train GFLOPs", "no head", "fused attn", "XLA"):
            table.add_column(head, justify="right")
        for cost in costs:
            giga = ["forward_macs", "forward_macs_no_head"]
            giga += [f"train_flops_matmul{kind}" for kind in ("", "_no_head", "_fused_attention")]
            row = [cost["params"] / 1e6, *(cost[key] / 1e9 for key in (*giga, "train_flops_xla"))]
            table.add_row(
                as_written(cost["name"]), *(f"{value:.4g}" if value < 1 else f"{value:,.3f}" for value in row)
            )
    console.print(table)
    if any("embedding" in cost["no_head_leaves_out"] for cost in costs):
        console.print(
            "GMACs without head of a V model are of its blocks only, as in its paper: no patch embedding."
        )
    console.print(
        "MACs: multiply-adds of one example. FLOPs: two a MAC, forward and backward of a batch, no optimiser."
    )


def describe(cost: dict) -> list[tuple[str, str]]:
    """(what, how much) of one model."""

    def groups(values: dict, unit: float) -> str:
        return " + ".join(f"{key} {_shown(value / unit, 4)}" for key, value in values.items())

    left_out = " and ".join(cost["no_head_leaves_out"])
    rows = [
        ("parameters", f"{cost['params']:,}"),
        ("  by group, M", groups(cost["params_by_group"], 1e6)),
        ("forward GMACs", _shown(cost["forward_macs"] / 1e9, 4)),
        ("  by group", groups(cost["forward_macs_by_group"], 1e9)),
        (f"  without {left_out}", _shown(cost["forward_macs_no_head"] / 1e9, 4)),
    ]
    if cost["resize_macs_per_step"]:
        rows.append(("  resizing weights, GMACs a step", _shown(cost["resize_macs_per_step"] / 1e9, 4)))
    rows += [
        ("training GFLOPs: matmul and conv", _shown(cost["train_flops_matmul"] / 1e9, 2)),
        ("  without head", _shown(cost["train_flops_matmul_no_head"] / 1e9, 2)),
        ("  with scores of fused attention", _shown(cost["train_flops_matmul_fused_attention"] / 1e9, 2)),
        ("training GFLOPs: XLA", _shown(cost["train_flops_xla"] / 1e9, 2)),
    ]
    rows += [(f"  {k}", _shown(v / 1e9, 2, "+")) for k, v in cost["train_flops_explained"].items() if v]
    rows.append(("not counted", ", ".join(cost["uncounted"]) or "nothing"))
    rows.append(("GB moved, before fusion", _shown(cost["bytes_accessed"] / 1e9, 2)))
    moved = cost["bytes_accessed"]
    if cost["bytes_fused"] is not None:
        moved = cost["bytes_fused"]
        rows.append(("GB moved, compiled for this device", _shown(moved / 1e9, 2)))
    rows.append(("arithmetic intensity, FLOP per byte", f"{cost['train_flops_xla'] / moved:.1f}"))
    if cost["temp_bytes"] is not None:
        rows.append(("peak activation memory, GB", _shown(cost["temp_bytes"] / 1e9, 3)))
    if cost["least_seconds"] is None:
        rows.append(("least time a step", f"peak speed of {cost['device']} not known; see --device"))
    else:
        rows.append((f"least time a step on {cost['device']}", f"{cost['least_seconds'] * 1e3:.3f} ms"))
    if cost["mfu"] is not None:
        rows.append(("MFU", f"{cost['mfu']:.1%}"))
    return rows


def _shown(value: float, digits: int, sign: str = "") -> str:
    """So many digits after the point, or three significant ones where those would show fewer."""
    small = 0 < abs(value) < 10 ** (3 - digits)
    return f"{value:{sign}.3g}" if small else f"{value:{sign},.{digits}f}"
