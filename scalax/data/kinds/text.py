"""Bytes of text files as tokens, in windows to predict the next byte in.

`data.dir` is a file, whatever its name, or a directory, of which the files with a suffix in `SUFFIXES` are
read: those in its folders too, sorted by path, each once even where symbolic links lead to it twice; what is
hidden (a name with a dot first) is left out. With `data.validation_split`, the directory has a folder for
each split. Files follow one another without a separator.

Empty, `data.dir` is the source of Python's standard library: the first `EMBEDDED_BYTES` of its .py files in
the same order, without tests, tables of characters and installed packages. The version of Python decides
this text: name files of your own where numbers are to be compared between machines.
"""

import os
import sysconfig
from collections.abc import Iterator

import numpy as np
from etils import epath

from scalax import untrusted
from scalax.archive import memory_bytes
from scalax.config import DataConfig
from scalax.data.kind import Kind, shuffled
from scalax.data.listing import DEEPEST
from scalax.data.place import place
from scalax.data.source import Source
from scalax.errors import UserError

VOCABULARY = 256
PROSE = ".txt .md .rst .tex .csv .tsv .json .jsonl .xml .html .css .yaml .yml .toml .ini .cfg .log"
CODE = ".py .pyi .ipynb .c .h .cc .cpp .hpp .cu .rs .go .java .js .ts .sh .jl .r .m .sql"
SUFFIXES = frozenset(f"{PROSE} {CODE}".split())
EMBEDDED_BYTES = 4 * 2**20
# encodings: tables of characters, a quarter of the text, and its end, which is held out.
NOT_EMBEDDED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "encodings"})


def open_text(config: DataConfig, split: str) -> Source:
    """{'tokens': int32 [context + 1]}: window i has the bytes i * context to (i + 1) * context.

    So each byte but the first is predicted once: the last byte of a window is the first of the next. Bytes at
    the end that fill no window are left out.
    """
    name, text = _read(config, split) if config.dir else ("the standard library", _embedded())
    context = config.context
    count = (len(text) - 1) // context
    if count < 1:
        raise UserError(
            f"{name}: {len(text)} bytes are less than a window of {context + 1} (data.context {context} and"
            " one more); give more text or lower data.context"
        )
    tokens = np.frombuffer(text, np.uint8)

    def read_record(window: int) -> dict[str, np.ndarray]:
        return {"tokens": tokens[window * context : (window + 1) * context + 1].astype(np.int32)}

    return Source(name, range(count), np.arange(count), read_record, VOCABULARY)


def hold_out_end(length: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The last windows, `share` of them. The one before them shares a byte with the first: it is left out."""
    count = max(1, round(share * length))
    return shuffled(np.arange(max(0, length - count - 1))), shuffled(np.arange(length - count, length))


def check_split(config: DataConfig) -> None:
    if config.validation_split and not config.dir:
        raise UserError(
            "data.validation_split: the standard library's source has no splits; set data.dir, or leave the"
            " split empty to hold out data.validation_share"
        )
    if config.train_split != "train" and not config.validation_split:
        raise UserError(
            f"data.train_split {config.train_split!r}: text is split by folders only where"
            " data.validation_split names another; set that too"
        )


def _read(config: DataConfig, split: str) -> tuple[str, bytes]:
    """Of data.dir: the name and the text of a split."""
    root = place(config.dir)
    if not root.is_file() and not root.is_dir():
        raise UserError(f"data.dir {config.dir}: no such file or directory; give one of text")
    if config.validation_split:
        root = root / split
        if not root.is_dir():
            raise UserError(
                f"data.dir {config.dir}: no folder {split!r}; set data.train_split and"
                " data.validation_split, or leave the second empty to hold out a share"
            )
    try:
        paths = [root] if root.is_file() else [p for p in _walk(root) if p.suffix.lower() in SUFFIXES]
        text = b"".join(untrusted.read_bytes(path, memory_bytes()) for path in paths)
    except OSError as e:
        raise UserError(f"{root}: cannot read its text ({e}); repair or remove it") from None
    if not paths:
        raise UserError(
            f"{root}: no text files in it ({' '.join(sorted(SUFFIXES))}); rename them or add some"
        )
    return str(root), text


def _walk(root: epath.Path, without: frozenset[str] = frozenset()) -> Iterator[epath.Path]:
    """Files below it that are not hidden, sorted by path, each once. without: names that are left out too."""
    seen = {os.path.realpath(root)}

    def below(folder: epath.Path, depth: int) -> Iterator[epath.Path]:
        if depth > DEEPEST:
            raise UserError(f"{root}: more than {DEEPEST} folders within one another; flatten them")
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name in without:
                continue
            real = os.path.realpath(path)  # of a path in a bucket: text that is as good a name
            if real in seen:
                continue
            seen.add(real)
            if path.is_dir():
                yield from below(path, depth + 1)
            elif path.is_file():
                yield path

    return below(root, 0)


def _embedded() -> bytes:
    root = epath.Path(sysconfig.get_paths()["stdlib"])
    text = bytearray()
    for path in _walk(root, NOT_EMBEDDED):
        if path.suffix == ".py":
            text += path.read_bytes()
        if len(text) >= EMBEDDED_BYTES:
            break
    if not text:
        raise UserError(f"{root}: this Python has no source of its standard library; set data.dir")
    return bytes(text[:EMBEDDED_BYTES])


KIND = Kind("text", open_text, check_split, hold_out_end, reads=("dir",), token="byte")
