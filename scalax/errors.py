"""The one error that a user is meant to read."""


class UserError(ValueError):
    """Bad input: the message is one line that says what, where and what to do.

    The commands print it without a traceback and exit with code 2.
    """


def suggest(name: str, choices) -> str:
    """' (did you mean ...?)' for the nearest of `choices`, else ' (one of ...)'."""
    import difflib

    choices = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(name), choices, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (one of {', '.join(choices)})"
