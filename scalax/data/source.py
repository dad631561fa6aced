"""Random access to the examples of one split, each read when it is asked for."""

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from scalax.data.listing import LeftOut
from scalax.errors import UserError

THREADS = 16  # decoding waits on storage, and leaves the interpreter while it works
PARTS = 4 * THREADS  # that many rows are read in, so that no thread waits long for the last


class ArraySpec(NamedTuple):
    """Shape and type of an array of one example."""

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclasses.dataclass(frozen=True)
class Source:
    """A sequence of examples, each of arrays by name.

    Those of images are {'image': uint8 [H, W, C], 'label': int32 []}; those of text {'tokens': int32 [T]};
    those of questions {'prompt': int32 [P], 'answer': int32 [K]}.

    Attributes:
      name: what messages call it.
      records: what examples are read from, those of other splits too. A tuple's first item is its name.
      rows: int [N], which records belong to this split.
      read_record: the arrays of a record, all but its label. What it raises becomes a UserError.
      outputs: number of classes, or of tokens in the vocabulary.
      label: the label of a record, 0 to outputs - 1; None where examples have none.
      names: of the classes; where there are none, a class is called by its number.
      left_out: files and folders that are not read; None where the data are no list of files.
    """

    name: str
    records: Sequence[Any]
    rows: np.ndarray
    read_record: Callable[[Any], dict[str, np.ndarray]]
    outputs: int
    label: Callable[[Any], int] | None = None
    names: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Raises UserError where the record cannot be read, or its label is out of range."""
        row = int(self.rows[index])
        what = row
        try:
            record = self.records[row]
            what = record[0] if isinstance(record, tuple) else what
            arrays = {name: np.asarray(array) for name, array in self.read_record(record).items()}
        except Exception as e:  # readers and decoders raise what they like for a damaged file
            raise UserError(
                f"{self.name}: cannot read record {what} ({first_line(e)}); repair or remove it"
            ) from None
        if self.label is None:
            return arrays
        return {**arrays, "label": np.asarray(self._checked(self.label(record), row), np.int32)}

    def labels(self) -> np.ndarray:
        """int32 [N], without decoding an image. Raises UserError where examples have no labels."""
        return self._labels

    @functools.cached_property
    def _labels(self) -> np.ndarray:
        if self.label is None:
            raise UserError(
                f"{self.name}: examples have no labels; take data with labels, or no few-shot probe"
                " (eval.shots 0)"
            )
        label, rows = self.label, self.rows.tolist()
        return np.array([self._checked(label(self.records[row]), row) for row in rows], np.int32)

    def _checked(self, label: int, row: int) -> int:
        if not 0 <= int(label) < self.outputs:
            raise UserError(f"{self.name}: label {label} of record {row} is not in 0..{self.outputs - 1}")
        return int(label)

    def take(self, rows: np.ndarray) -> "Source":
        """Those examples of it alone, int [n] -> a source of n."""
        part = dataclasses.replace(self, rows=self.rows[rows])
        if "_labels" in self.__dict__:  # read once, where many parts are taken of one data set
            part.__dict__["_labels"] = self._labels[rows]
        return part

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The examples int [n] in one array a name, [n, ...], read in threads.

        Raises UserError where examples differ in shape.
        """
        example = spec(self[int(rows[0])] if len(rows) else self[0])
        arrays = {name: np.empty((len(rows), *shape), dtype) for name, (shape, dtype) in example.items()}

        def fill(places: np.ndarray) -> None:
            for place in places.tolist():
                one = self[int(rows[place])]
                if spec(one) != example:
                    raise UserError(
                        f"{self.name}: examples must have one shape, got {_shapes(one)} beside"
                        f" {_shapes(self[int(rows[0])])}; make them alike"
                    )
                for name, array in arrays.items():
                    array[place] = one[name]

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fill, np.array_split(np.arange(len(rows)), PARTS)))
        return arrays


def spec(example: dict[str, np.ndarray]) -> dict[str, ArraySpec]:
    return {name: ArraySpec(array.shape, array.dtype) for name, array in example.items()}


def _shapes(example: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in example.items())


def first_line(error: Exception) -> str:
    """Of what a foreign reader raised, without addresses in memory."""
    text = re.sub(r" <_?io\.\w+ object at \w+>", "", f"{type(error).__name__}: {error}")
    return text.splitlines()[0][:200]
