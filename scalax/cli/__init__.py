"""`scalax COMMAND`: one module of this package per command, imported only as far as its arguments."""

import argparse
import importlib
import sys
from pathlib import Path

from scalax import __version__
from scalax.errors import UserError


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def commands() -> list[str]:
    """Names of the modules here: each has HELP, configure(parser) and run(args)."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="scalax", description="Scaling laws for vision models: fit, forecast, cost, report.")
    parser.epilog = "To train: python -m scalax.launch CONFIG, see python -m scalax.launch --help."
    parser.add_argument("--version", action="version", version=f"scalax {__version__}")
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in commands():
        module = importlib.import_module(f"scalax.cli.{name}")
        sub = choices.add_parser(name, help=module.HELP, description=module.__doc__)
        module.configure(sub)
        sub.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return args.run(args) or 0
    except UserError as e:
        print(f"scalax {args.command}: error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
