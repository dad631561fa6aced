"""Bad inputs of all kinds, and what must hold of each; tests/test_bad_inputs.py draws them.

Real files are damaged by structure (values of other types, depth, what is missing) and by bytes (flips,
cuts, false sizes); names hold control characters and lead elsewhere; trees of folders hold links, pipes and
devices.
"""

import contextlib
import copy
import io
import json
import os
import signal
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from scalax.errors import UserError
from tests.rejects import check_line

T = TypeVar("T")
CPU_S, WALL_S = 10, 60  # a machine that is shared may take its time; what waits for ever does not end either

# What must hold


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Fails where the body computes for more than CPU_S, or waits for what never comes."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"it hangs ({signal.Signals(number).name})")

    clocks = {signal.SIGALRM: (signal.ITIMER_REAL, WALL_S), signal.SIGPROF: (signal.ITIMER_PROF, CPU_S)}
    before = {number: signal.signal(number, late) for number in clocks}
    try:
        for clock, seconds in clocks.values():
            signal.setitimer(clock, seconds)
        yield
    finally:
        for clock, _ in clocks.values():
            signal.setitimer(clock, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def read_or_refused(read: Callable[[], T], *names: object) -> T | None:
    """What `read` gives, or None where it raises UserError, in one line that holds each of `names`."""
    try:
        with in_time():
            return read()
    except UserError as e:
        check_line(str(e), *names)
        return None


def ran(main: Callable[[list[str]], int], arguments: Sequence[object]) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command that is done or refuses its input.

    It ends with 0 or 2, prints no control characters, and of an error one line alone.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), in_time():
        try:
            code = main([str(word) for word in arguments])
        except SystemExit as e:  # of argparse
            code = e.code
    for line in [*out.getvalue().split("\n"), *err.getvalue().split("\n")]:
        assert line.isprintable(), repr(line)
    errors = [line for line in err.getvalue().split("\n") if ": error: " in line]
    assert code in (0, 2)
    assert len(errors) <= 1, errors
    assert isinstance(code, int)
    return code, out.getvalue(), err.getvalue()


def files_in(where: Path) -> dict[Path, bytes]:
    """What each regular file holds, by its path from `where`."""
    return {path.relative_to(where): path.read_bytes() for path in sorted(where.rglob("*")) if path.is_file()}


def counts(few: int, many: int) -> pytest.MarkDecorator:
    """The test draws a `count` of cases: `few` by default, and `many` among the slow ones."""
    return pytest.mark.parametrize(
        "count", [few, pytest.param(many, marks=pytest.mark.slow)], ids=["few", "many"]
    )


def draw(count: int, check: Callable[..., None], **strategies: st.SearchStrategy) -> None:
    """Call `check` with so many drawn cases: the same ones each time where they are few."""
    drawn = settings(
        max_examples=count,
        deadline=None,
        derandomize=count < 1000,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    drawn(given(**strategies)(check))()


# JSON

ODD = [None, True, False, 0, -1, 1.5, 2**63, -(2**70), 10**400, 1e308, float("nan"), float("inf")]
ODD += ["", "x", "1", "../../x", "/etc/passwd", "\x1b[2J", "a\nb", "\u202e", "\ud800", "x" * 5000]
ODD += [[], {}, [[]], {"": {}}, [None] * 100]
NOTHING = [b"", b"\n", b"null", b"[]", b"5", b"{}", b"\xff\xfe", b"\0" * 99, b'"x"', b"NaN", b"1" * 5000]
JUNK = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=6), inside, max_size=3),
    max_leaves=6,
)


def places(data: Any, path: tuple = ()) -> list[tuple]:
    """Of every value inside JSON data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def changed(data: Any, place: tuple, value: Any, remove: bool) -> Any:
    """The data with another value at a place, or without it."""
    if not place:
        return value
    data = copy.deepcopy(data)
    inside = data
    for key in place[:-1]:
        inside = inside[key]
    if remove:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return data


@st.composite
def json_damages(draw: Callable, raw: bytes) -> bytes:
    """A file of JSON, or of a line of JSON each, that something happened to."""
    how = draw(st.sampled_from(["value", "value", "value", "remove", "cut", "byte", "deep", "all", "line"]))
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw) - 1))]
    if how == "byte":
        at = draw(st.integers(0, len(raw) - 1))
        return raw[:at] + draw(st.binary(min_size=1, max_size=4)) + raw[at + 1 :]
    if how == "deep":
        depth = draw(st.sampled_from([70, 990, 100_000]))
        return b'{"a":' * depth + b"1" + b"}" * depth if draw(st.booleans()) else b"[" * depth
    if how == "all":
        return draw(st.sampled_from(NOTHING))
    lines = raw.splitlines(keepends=True)
    if how == "line":
        i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        return b"".join(
            draw(st.sampled_from([lines[:i] + lines[i + 1 :], [*lines[:i], lines[j], *lines[i:]]]))
        )
    try:
        texts, at = [raw], 0
        data = json.loads(raw)
    except ValueError:  # a line each
        texts, at = lines, draw(st.integers(0, len(lines) - 1))
        data = json.loads(lines[at])
    place = draw(st.sampled_from(places(data)))
    new = json.dumps(changed(data, place, draw(st.sampled_from(ODD)), how == "remove")).encode() + b"\n"
    return b"".join([*texts[:at], new, *texts[at + 1 :]])


# Bytes

DAMAGE = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "number"]), st.floats(0, 1), st.integers(0, 255)),
    min_size=1,
    max_size=3,
)


def damaged(content: bytes, damage: list[tuple[str, float, int]]) -> bytes:
    """The content after each of (what happens, where as a share of it, a byte that says how)."""
    found = bytearray(content)
    for kind, place, value in damage:
        at = int(place * len(found))
        if kind == "flip" and at < len(found):
            found[at] ^= value or 1
        elif kind == "cut":
            del found[at : at + value * 4]
        elif kind == "insert":
            found[at:at] = bytes([value]) * (value % 9)
        elif kind == "number" and at + 4 <= len(found):
            found[at : at + 4] = struct.pack("<I", 2**32 - 1 - value)
    return bytes(found)


def no_files(path: Path) -> Iterator[None]:
    """In place of a file, one after the other: a pipe that nobody writes to, a folder, a link to itself, to
    nothing, and to a device without end."""
    makes: list[Callable] = [os.mkfifo, os.mkdir]
    makes += [lambda path, to=to: os.symlink(to, path) for to in (path, path.parent / "gone", "/dev/zero")]
    for make in makes:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        make(path)
        yield


# Archives and weights

HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
HEADERS = st.tuples(
    st.sampled_from(["|u1", "<f4", "|O", "<U3", "|V2", "<i8", "|b1", "<M8[s]", "x", "<u9", "(2,)u1", "|S0"]),
    st.one_of(
        st.lists(st.integers(-3, 2**70), max_size=5).map(tuple),
        st.lists(st.sampled_from([0, 1, 4, 12]), max_size=4).map(tuple),
        st.sampled_from(["None", "'a'", "[12, 4]", "12", "(12.0,)", "()"]),
    ).map(str),
)
MEMBERS = [
    "x.npy",
    "../../x.npy",
    "/etc/x.npy",
    "a\n\x1b[2J.npy",
    "\u202e.npy",
    "x" * 300 + ".npy",
    "x/",
    ".npy",
]
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "I64", "F8"]) | JUNK,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JUNK,
        "data_offsets": st.lists(st.integers(-9, 65), max_size=3) | JUNK,
    },
)


def npy(header: bytes, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A file of NumPy, whatever its header says."""
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + content


def zipped(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    """An archive of these members."""
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def safetensors(path: Path, header: Any, content: bytes = b"\0" * 64, length: int | None = None) -> Path:
    """A file of weights. header: bytes, or data for JSON. length: what the file says of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + content)
    return path


# Folders

DOT = Image.new("RGB", (4, 4), (9, 8, 7))
NAMES = st.sampled_from(
    ["a", "b", "train", ".x", "1.png", "2.jpg", "x.txt", "y.tif", "@eaDir", "n\n.png", "é.png", "\x1b[2J"]
)
LINKS = {"up": "..", "self": ".", "nothing": "none", "zero": "/dev/zero", "outside": "/etc"}
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.sampled_from(["image", "text", "empty", "fifo", "root", *LINKS]),
        lambda inside: st.dictionaries(NAMES, inside, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)


def grown(path: Path, tree: Any, root: Path) -> None:
    """Makes the tree at a path."""
    if isinstance(tree, dict):
        path.mkdir()
        for name, inside in tree.items():
            grown(path / name, inside, root)
    elif tree == "image":
        DOT.save(path, "PNG")
    elif tree in ("text", "empty"):
        path.write_bytes(b"text" if tree == "text" else b"")
    elif tree == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(root if tree == "root" else LINKS[tree])


# Words of a command line

NUMBERS = ["nan", "inf", "-inf", "1e300", "-1e300", "1" + "0" * 400, "1e400", "x", ""]
HOSTILE = ["a\nb", "\x1b[2J", "\u202e", "a[/y]", "x" * 5000, "é", "'", '"', "=", "*", "--", "-", "{}", "[]"]
PLAIN = ["0", "-1", "0.5", "1e9", "true", "None", "1,2", "1 2", "../x", "/x", "foo://x", "V8-1", "V8", "adam"]
WORDS = st.sampled_from([*NUMBERS, *HOSTILE, *PLAIN]) | st.text(max_size=6)
