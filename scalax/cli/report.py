"""Write the report of a finished study again, from its directory."""

import argparse

HELP = "write a study's report again"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="where the study is, e.g. runs/quickstart")


def run(args: argparse.Namespace) -> None:
    from scalax import studies
    from scalax.places import existing

    existing(args.directory, "directory")
    print(studies.report(args.directory))
