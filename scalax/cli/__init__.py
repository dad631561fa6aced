"""`scalax COMMAND`: one module of this package per command, imported only as far as its arguments."""

import argparse
import importlib
import re
from pathlib import Path
from typing import Any, NoReturn

from scalax.compilation import keep_programs
from scalax.distribution import VERSION
from scalax.errors import UserError, one_line
from scalax.files import tables_kept
from scalax.names import printable
from scalax.pyfile import module_of
from scalax.signals import EXIT_INTERRUPTED
from scalax.terminal import ended_quietly, print_error, warn_of_other_package

NEGATIVE = re.compile(r"-\.?\d[\d.,eE+-]*$")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; takes any number for a value, -1e18 and lists of numbers too."""

    _negative_number_matcher: Any

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = NEGATIVE  # argparse's own knows no exponents, and no lists

    def error(self, message: str) -> NoReturn:
        self.exit(2, printable(f"{self.prog}: error: {message} (see {self.prog} --help)") + "\n")

    def flags(self) -> dict[str, str]:
        """What sets each argument, by what libraries call it (its `dest`): '--first-share', or 'CURVES' of
        arguments without a flag."""
        named = {a.dest: [a.metavar, *a.option_strings][-1] for a in self._actions if a.dest != "command"}
        return {name: str(flag) for name, flag in named.items() if flag}


def commands() -> list[str]:
    """Names of the modules here: each has HELP, configure(parser) and run(args)."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(argv: list[str] | None = None) -> int:
    """Run what a command line says; returns the exit code. argv: None takes that of the process."""
    return ended_quietly("scalax", lambda: _main(argv))


def _main(argv: list[str] | None) -> int:
    parser = Parser(
        prog="scalax", description="Train vision models along scaling laws; fit laws, forecast, plan."
    )
    parser.add_argument("--version", action="version", version=f"scalax {VERSION}")
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="FILE",
        help="first read your Python file that registers a study, law, model, metric, ... (before COMMAND)",
    )
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in commands():
        module = importlib.import_module(f"scalax.cli.{name}")
        sub = choices.add_parser(name, help=module.HELP, description=module.__doc__)
        module.configure(sub)
        defaults = {action.dest: action.default for action in sub._actions}
        sub.set_defaults(run=module.run, flags=sub.flags(), defaults=defaults)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        choices.choices[args.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    warn_of_other_package("scalax")
    keep_programs()
    try:
        for file in args.imports:
            _read(file)
        with tables_kept():
            return args.run(args) or 0
    except UserError as e:
        print_error(f"scalax {args.command}", e, {**parser.flags(), **args.flags})
        return 2
    except KeyboardInterrupt:  # not as a program of its own, whose signals end it otherwise
        return EXIT_INTERRUPTED


def _read(file: str) -> None:
    try:
        module_of(Path(file))
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as e:  # whatever a file of the user raises
        raise UserError(f"`imports` {file}: {one_line(e)}; mend the file") from e
