"""Numbers in arguments."""

from scalax.errors import UserError


def numbers(argument: str, text: str) -> list[float]:
    """The positive numbers of '1e20,1e21'; none of ''. Raises UserError for a word that is none."""
    out = []
    for word in filter(None, text.split(",")):
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise UserError(f"`{argument}`: {word!r} is not a positive number")
        out.append(value)
    return out
