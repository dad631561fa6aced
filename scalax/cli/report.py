"""Write the report of a finished study again, from its directory."""

import argparse

from scalax.terminal import print_error

HELP = "write a study's report again"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="where the study is, e.g. runs/quickstart")


def run(args: argparse.Namespace) -> int:
    """The exit code: 2 where a run of the study is damaged, though its result is whole."""
    from scalax import studies
    from scalax.jobs import status
    from scalax.places import existing

    existing(args.directory, "directory")
    print(studies.report(args.directory))
    damaged = [
        each
        for each in status.survey(args.directory, studies.run_directories(), empty=True)
        if each.state == "damaged"
    ]
    for each in damaged:
        print_error("scalax report", f"run {each.run} is damaged: {each.problem}", {})
    return 2 if damaged else 0
