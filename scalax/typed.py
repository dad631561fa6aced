"""Plain records (dataclasses and NamedTuples) to JSON and back, by the types of their fields.

A number that is not finite is null in the file and nan when it is read back. Fields with a default may be
missing; keys that are no field are passed over, so that an older version reads what a newer one wrote.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

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
        raise UserError(f"{where}{at}: want {wanted}, got {_shown(data)}")

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
        try:
            return kind.from_json(data)
        except (KeyError, TypeError, ValueError) as e:
            raise UserError(f"{where}, {path}: {e}") from None
    if (names := field_names(kind)) is not None:
        if not isinstance(data, dict):
            fail("an object")
        return _record(kind, names, data, where, path)
    if kind is float:
        if data is None:
            return float("nan")
        return (
            float(data) if isinstance(data, int | float) and not isinstance(data, bool) else fail("a number")
        )
    if kind is int and isinstance(data, bool):
        fail("a whole number")
    return (
        data
        if isinstance(data, kind)
        else fail({int: "a whole number", str: "text"}.get(kind, kind.__name__))
    )


def _record(kind: Any, names: list[str], data: dict, where: str, path: str) -> Any:
    hints = typing.get_type_hints(kind)
    values = {}
    for name in names:
        if name in data:
            values[name] = _read(hints[name], data[name], where, _inside(path, name))
        elif name not in _with_default(kind):
            raise UserError(f"{where}: no {_inside(path, name)!r} in it")
    return kind(**values)


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
    return f"{path}.{name}" if path else str(name)


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 40 else f"{text[:40]}..."
