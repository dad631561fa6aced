"""Options that say nothing beside others are refused, rather than passed over."""

import argparse
from collections.abc import Iterable

from scalax.errors import UserError


def refuse(args: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raises UserError where one of the arguments was given.

    - args: of a command.
    - names: of arguments that have no effect.
    - why: ends the sentence: 'beside `simulated`'.
    """
    for name in names:
        if getattr(args, name, []) not in (args.defaults.get(name), []):
            raise UserError(f"`{name}` does not apply {why}; leave it out")
