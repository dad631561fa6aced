"""Plain records (dataclasses and NamedTuples) to JSON and back, by the types of their fields.

A number that is not finite is null in the file and nan when it is read back. Fields with a default may be
missing; keys that are no field are passed over, so that an older version reads what a newer one wrote.
"""

import dataclasses
import functools
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from scalax import untrusted
from scalax.errors import UserError

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """The value as JSON types; an object with `to_json` decides for itself."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if (names := field_names(type(value))) is not None:
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value  # NumPy and JAX


def from_json(kind: type[T], data: Any, where: str) -> T:
    """The record of class `kind` that `to_json` turned into `data`.

    - kind: a dataclass or NamedTuple.
    - data: what JSON gave.
    - where: names the file in errors.

    Raises UserError with the place inside it where a value is missing or of
    another type.
    """
    return _read(kind, data, where, "")


def field_names(kind: type) -> list[str] | None:
    """Of a dataclass or NamedTuple; None for any other class."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "_fields", ())) or None


def _read(kind: Any, data: Any, where: str, path: str) -> Any:
    def fail(wanted: str):
        at = f", {path}" if path else ""
        raise UserError(f"{where}{at}: want {wanted}, got {shown(data)}")

    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        (plain,) = (argument for argument in arguments if argument is not type(None))
        return _read(plain, data, where, path)
    if origin is typing.Literal:
        return data if data in arguments else fail(f"one of {', '.join(map(repr, arguments))}")
    if origin in (list, tuple):
        if not isinstance(data, list):
            fail("a list")
        if origin is tuple and arguments[-1] is not Ellipsis:
            if len(data) != len(arguments):
                fail(f"a list of {len(arguments)}")
            return tuple(
                _read(a, x, where, f"{path}[{i}]")
                for i, (a, x) in enumerate(zip(arguments, data, strict=True))
            )
        return origin(_read(arguments[0], item, where, f"{path}[{i}]") for i, item in enumerate(data))
    if origin is dict or kind is dict:
        if not isinstance(data, dict):
            fail("an object")
        if not arguments:
            return data
        return {key: _read(arguments[1], item, where, _inside(path, key)) for key, item in data.items()}
    if hasattr(kind, "from_json"):
        return _made(lambda: kind.from_json(data), where, path)
    if (names := field_names(kind)) is not None:
        if not isinstance(data, dict):
            fail("an object")
        return _record(kind, names, data, where, path)
    if kind is float:
        if data is None:
            return float("nan")
        return float(data) if is_number(data) else fail("a number")
    right = is_whole(data) if kind is int else isinstance(data, kind)
    return data if right else fail({int: "a whole number", str: "text"}.get(kind, kind.__name__))


def is_whole(data: Any) -> bool:
    """Whether it is a whole number that programs in C can hold too."""
    return isinstance(data, int) and not isinstance(data, bool) and -(2**63) <= data < 2**63


def is_number(data: Any) -> bool:
    """Whether it is a number, and finite as a float."""
    if isinstance(data, bool) or not isinstance(data, int | float):
        return False
    return abs(data) <= sys.float_info.max


def _record(kind: Any, names: list[str], data: dict, where: str, path: str) -> Any:
    hints = _hints(kind)
    values = {}
    for name in names:
        if name in data:
            values[name] = _read(hints[name], data[name], where, _inside(path, name))
        elif name not in _with_default(kind):
            raise UserError(f"{where}: no {_inside(path, name)!r} in it")
    return _made(lambda: kind(**values), where, path)


def _made(make: Callable[[], Any], where: str, path: str) -> Any:
    """What `make` gives of data that have the right types, but maybe no right values."""
    try:
        return make()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
        what = e if isinstance(e, UserError) else f"{type(e).__name__} {e}"
        raise UserError(f"{where}{f', {path}' if path else ''}: {what}") from None


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@functools.cache
def _with_default(kind: Any) -> set[str]:
    if dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        return {
            field.name
            for field in dataclasses.fields(kind)
            if field.default is not missing or field.default_factory is not missing
        }
    return set(kind._field_defaults)


def _inside(path: str, name: str) -> str:
    name = untrusted.shown(str(name))
    return f"{path}.{name}" if path else name


def shown(data: Any) -> str:
    """A value of a file inside a message."""
    if isinstance(data, int) and not is_whole(data) and not isinstance(data, bool):
        return "a number of many digits"
    return untrusted.shown(reprlib.repr(data) if isinstance(data, dict | list) else repr(data))
