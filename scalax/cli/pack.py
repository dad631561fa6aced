"""Write image data as one small .npz of WebP images, for a machine without its source."""

import argparse

from scalax.names import printable

HELP = "image data as one small .npz, to carry elsewhere"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("out", metavar="FILE.npz", help="where it goes")
    add("--source", default="tfds", metavar="KIND", help="data.source: tfds, folder, arrays, digits (tfds)")
    add("--dir", default="", metavar="PATH", help="data.dir: the data set's directory or file")
    add("--name", default="", metavar="NAME", help="data.name: of a TFDS data set")
    add("--train-split", default="train", metavar="SPLIT", help="split to train on (train)")
    add("--validation-split", default="", metavar="SPLIT", help="split held out; left out, a quarter is")
    add("--image", type=int, default=48, metavar="PIXELS", help="side that images are resized to (48)")
    add("--quality", type=int, default=80, metavar="Q", help="of WebP, which is lossy, 1 to 100 (80)")
    add("--train-images", type=int, default=0, metavar="N", help="pack so many training images (all)")
    add("--validation-images", type=int, default=0, metavar="N", help="pack so many held out (all)")


def run(args: argparse.Namespace) -> None:
    from scalax.config import DataConfig
    from scalax.data.pack import VALIDATION, pack
    from scalax.places import check_result

    check_result(args.out, "`out`")
    config = DataConfig(
        source=args.source,
        dir=args.dir,
        name=args.name,
        image_size=args.image,
        train_split=args.train_split,
        validation_split=args.validation_split,
        max_train_images=args.train_images,
        max_validation_images=args.validation_images,
    )
    found = pack(config, args.out, args.quality, print)
    counts = f"{found['train']:,} training images, {found[VALIDATION]:,} held out"
    print(printable(f"{args.out}: {counts}, {found['bytes'] / 1e6:,.1f} MB"))
    flags = f"--data.source arrays --data.dir {args.out} --data.validation-split {VALIDATION}"
    print(printable(f"train with {flags}"))
