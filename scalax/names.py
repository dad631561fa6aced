"""Names that others chose, as a terminal and a file system may safely have them."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

MOST_BYTES = 120  # of a file name, so that a suffix and the names of temporary files fit into 255
MARKS = set("._+-=,@~")  # that keep a name's meaning and need no quotes
HASHED = re.compile(r"-[0-9a-f]{8}$")


def printable(text: object) -> str:
    r"""One line that is shown as it is: what a terminal would act on or hide stands as its escape.

    >>> print(printable("a\x1b[2J\nb[bold]"))
    a\x1b[2J\nb[bold]
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def printable_lines(text: str) -> str:
    """The same of a text whose line breaks are our own."""
    return "\n".join(map(printable, text.split("\n")))


def file_name(name: str) -> str:
    """A name of one file, without a suffix, in no other directory; of different names different ones.

    Letters, digits and marks of numbers stay, so that 2.62e+08 does not become another number; other
    characters become underscores. A name that changes is told from others by a hash of it.

    >>> file_name("2.62e+08"), file_name("../../X"), file_name("a/b") == file_name("a b")
    ('2.62e+08', '_._.._X-3b89eb24', False)
    """
    plain = unicodedata.normalize("NFC", str(name))
    safe = "".join(c if c.isalnum() or c in MARKS else "_" for c in plain)
    if safe[:1] in (".", "-", "~"):
        safe = f"_{safe[1:]}"
    safe = safe.rstrip(".")  # Windows drops them
    short = safe.encode(errors="replace")[:MOST_BYTES].decode(errors="ignore")
    if short == name and short and not HASHED.search(short):
        return short
    digits = hashlib.sha256(str(name).encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{short or '_'}-{digits}"


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each of them, different ones also where a file system does not tell A from a.

    names: equal ones get different file names too, in order.
    """
    taken: set[str] = set()
    found = []
    for name in names:
        first = each = file_name(name)
        number = 2
        while each.casefold() in taken:
            each, number = f"{first}_{number}", number + 1
        taken.add(each.casefold())
        found.append(each)
    return found


def number_text(value: float) -> str:
    """The number in six digits, or in as many as tell it from every other number.

    >>> number_text(0.001), number_text(1e11), number_text(0.0010000001)
    ('0.001', '1e+11', '0.0010000001')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
