"""Bad input is rejected in one line that names what was given. Tests compare these names; the wording is
checked in test_messages.py and test_messages_printed.py alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scalax.errors import UserError


@contextmanager
def rejects(*names: object, kind: type[UserError] = UserError) -> Iterator[None]:
    """Passes where the body raises an error of `kind` in one line that holds each of `names`: names of
    arguments, files and metrics, offending values, names that are suggested."""
    with pytest.raises(kind) as caught:
        yield
    check_line(str(caught.value), *names)


def rejected(capsys: pytest.CaptureFixture[str], *names: object) -> None:
    """The same of what a command that ended with an error has printed."""
    printed = capsys.readouterr()
    assert not printed.out
    assert re.match(r"scalax[. ]\w+: error: ", printed.err), printed.err
    assert printed.err.endswith("\n")
    check_line(printed.err[:-1], *names)


def check_line(line: str, *names: object) -> None:
    """It is one line without control characters, and holds each of `names` as a whole word or number."""
    assert line.isprintable(), repr(line)
    for name in map(str, names):
        before = r"(?<![\w.])" if name[0].isdigit() else r"(?<!\w)" if name[0].isalpha() else ""
        after = r"(?!\.?\d|\w)" if name[-1].isdigit() else r"(?!\w)" if name[-1].isalpha() else ""
        assert re.search(before + re.escape(name) + after, line), (name, line)
