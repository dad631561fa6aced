"""The small JSON files that scalax keeps for itself: each kind has one type, one version and one reader."""

import dataclasses
from typing import Any, Generic, TypeVar

from etils import epath

from scalax import typed, untrusted
from scalax.errors import UserError
from scalax.files import dumps, write_atomically

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class StateFile(Generic[T]):
    """One kind of file.

    - record: class of what it holds, a dataclass or NamedTuple.
    - version: said in each file (a file that says none is of version 1); to be raised when an older scalax
      would misread the file.
    - remedy: what to do about a damaged one; `{path}` and `{directory}` stand for its own.
    - most_bytes: more is refused.
    """

    record: type[T]
    version: int
    remedy: str
    most_bytes: int = untrusted.MOST_BYTES

    def read(self, path: Any) -> T | None:
        """None where there is no such file. Raises UserError where it cannot be read as one of this kind."""
        path = epath.Path(path)
        remedy = self.remedy.format(path=path, directory=path.parent)
        data = read_json(path, remedy, self.most_bytes)
        if data is None:
            return None
        return self.of(data, str(path), remedy)

    def of(self, data: Any, where: str, remedy: str) -> T:
        """The record in what JSON gave.

        - data: what JSON gave.
        - where: names the file in errors.
        - remedy: what to do about it.

        Raises UserError where it is not of this kind.
        """
        if not isinstance(data, dict):
            raise UserError(f"{where}: want an object, got {typed.shown(data)}; {remedy}")
        check_version(data, self.version, where)
        try:
            return typed.from_json(self.record, data, where)
        except UserError as e:
            raise UserError(f"{e}; {remedy}") from None

    def write(self, path: Any, record: T) -> None:
        """Replace the file. Raises OSError or UserError where it cannot be written."""
        write_atomically(path, self.text(record))

    def text(self, record: T) -> str:
        """What the file of a record holds."""
        return dumps({"version": self.version, **typed.to_json(record)}) + "\n"


def check_version(data: dict, newest: int, where: str) -> None:
    """Raises UserError where a file is of a version that this scalax cannot know.

    - data: what JSON gave.
    - newest: that this scalax writes.
    - where: names the file in errors.
    """
    version = data.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UserError(f"{where}, version: want a whole number from 1 on, got {typed.shown(version)}")
    if version > newest:
        raise UserError(
            f"{where}: of version {version}, and this scalax reads up to version {newest}; update scalax"
        )


def read_json(path: Any, remedy: str, most_bytes: int = untrusted.MOST_BYTES) -> Any:
    """What a JSON file holds; None where there is no file.

    - path: of the file.
    - remedy: what to do about a damaged one.
    - most_bytes: more is refused.

    Raises UserError where it cannot be read.
    """
    try:
        data = untrusted.parse_json(untrusted.read_bytes(path, most_bytes))
    except FileNotFoundError:
        return None
    except UserError:
        raise
    except OSError as e:
        raise UserError(f"{path}: cannot read it ({e.strerror or e}); {remedy}") from None
    except ValueError as e:
        raise UserError(f"{path}: {e}; {remedy}") from None
    if data is None:
        raise UserError(f"{path}: holds null; {remedy}")
    return data
