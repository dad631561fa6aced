"""Run a study and write its report (scalax.launch)."""

import argparse

HELP = "run a study of a config and write its report"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.PARSER, metavar="CONFIG [OPTIONS]")
    parser.format_help = _help


def run(args: argparse.Namespace) -> int:
    from scalax import launch

    return launch.main(args.words, "scalax train")


def _help() -> str:
    from scalax import launch

    return f"{(launch.__doc__ or '').strip()}\n"
