"""Write the weights of a timm model (a .safetensors state dict) as the .npz file that scalax loads."""

import argparse
from pathlib import Path
from typing import Any

from scalax.cli._curves import local
from scalax.names import printable

HELP = "a timm state dict (.safetensors) as scalax weights (.npz)"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("state", metavar="FILE.safetensors", help="state dict of a ViT, Mixer, ResNet or BiT")
    parser.add_argument("--out", type=local, metavar="FILE.npz", help="what to write (beside the state dict)")
    parser.add_argument(
        "--heads", type=int, help="attention heads of a ViT, needed for unusual widths (width / 64)"
    )
    parser.add_argument(
        "--normalize",
        choices=("symmetric", "unit", "imagenet", "clip"),
        help="range of the pixels that it was trained on, see scalax/data/README.md (imagenet of a ResNet,"
        " else symmetric)",
    )


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from scalax.data import RANGES
    from scalax.errors import UserError
    from scalax.files import is_same, replacing
    from scalax.models.weights.files import read_arrays
    from scalax.models.weights.load import INPUT
    from scalax.models.weights.timm import from_timm
    from scalax.places import check_result

    if not Path(args.state).name:
        raise UserError(f"`state` {args.state!r}: want the name of a file")
    out = Path(args.out or Path(args.state).with_suffix(".npz"))
    if out.suffix != ".npz":
        raise UserError(f"--out {out}: want a name that ends in .npz")
    check_result(out, "--out" if args.out else "")
    if is_same(out, args.state):
        raise UserError(f"--out {out}: would replace the state dict; give another name")
    if args.heads is not None and args.heads < 1:
        raise UserError(f"--heads must be positive, got {args.heads}")
    try:
        converted: dict[str, Any] = from_timm(read_arrays(args.state), args.heads)
    except UserError as e:
        raise UserError(str(e) if args.state in str(e) else f"{args.state}: {e}") from None
    name = args.normalize or ("imagenet" if "params/stem_norm/scale" in converted else "symmetric")
    if name != "symmetric":
        stated: dict[str, Any] = dict(zip(INPUT, np.array(RANGES[name], np.float32), strict=True))
    else:
        stated = {}
    try:
        with replacing(out) as beside:
            np.savez(beside, **converted, **stated)
    except OSError as e:
        raise UserError(f"--out {out}: cannot write it ({e.strerror or e})") from None
    print(printable(f"{out}: {len(converted)} arrays, {sum(x.size for x in converted.values()):,} numbers"))
    print(f"it expects images normalised as {name}; --normalize says otherwise")
    return 0
