"""The one error that a user is meant to read."""

import re
from collections.abc import Iterable, Mapping

from scalax.names import printable


class UserError(ValueError):
    """Bad input: the message is one line that says what, where and what to do.

    It names arguments of functions in backticks, `like_this`; a command shows them as its flags (see
    `with_flags`), prints the line without a traceback and exits with code 2. What a terminal would act on, in
    the name of a file say, stands in it as its escape.
    """

    def __init__(self, message: object = ""):
        super().__init__(printable(message))


def one_line(error: BaseException) -> str:
    """What was raised, in one line: by a library, or by a user's code, which may raise anything.

    >>> one_line(KeyError("lr"))
    "KeyError: 'lr'"
    """
    try:
        text = str(error)
    except Exception:  # its __str__ raises
        text = ""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def with_flags(message: str, flags: Mapping[str, str]) -> str:
    """A library's message as the user of a command reads it.

    - message: names arguments in backticks.
    - flags: the flag that sets an argument, by the argument's name; other names are left as they are.

    >>> with_flags("`first_share` must lie between 0 and 1", {"first_share": "--first-share"})
    '--first-share must lie between 0 and 1'
    """
    return re.sub(r"`([A-Za-z_][\w.]*)`", lambda found: flags.get(found[1], found[0]), message)


def suggest(name: str, choices: Iterable[object]) -> str:
    """' (did you mean ...?)' for the nearest of `choices`, else ' (one of ...)', or ' (there is none)'."""
    import difflib

    choices = [str(choice) for choice in choices]
    if not choices:
        return " (there is none)"
    near = difflib.get_close_matches(str(name), choices, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (one of {', '.join(choices)})"
