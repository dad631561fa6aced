"""Things of one kind by name: those that a package of ours holds, and those that others register."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from scalax.errors import UserError, suggest

T = TypeVar("T")


class Registry(Generic[T]):
    """Each thing has a `name`. A built-in one is found by its file: every module of `package` that defines
    `attribute` (a thing, or a tuple of things) adds to the registry when it is first asked for anything."""

    def __init__(self, kind: str, package: str, attribute: str):
        """kind: what one is called in messages, e.g. 'study'."""
        self.kind = kind
        self._package, self._attribute = package, attribute
        self._things: dict[str, T] = {}
        self._complete = False

    def register(self, thing: T) -> T:
        """Add a thing under its name; returns it. Raises ValueError where another has that name."""
        name: str = getattr(thing, "name")  # noqa: B009 (T says nothing of it)
        if self._things.setdefault(name, thing) is not thing:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        return thing

    def get(self, name: str) -> T:
        """Raises UserError, with the nearest name, where there is none."""
        things = self._all()
        if name not in things:
            raise UserError(f"{self.kind} {name!r} is unknown{suggest(name, things)}")
        return things[name]

    def names(self) -> list[str]:
        return list(self._all())

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._all().values()))

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def _all(self) -> dict[str, T]:
        if not self._complete:
            self._complete = True
            package: Any = importlib.import_module(self._package)
            for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
                if not name.startswith("_"):
                    module = importlib.import_module(f"{self._package}.{name}")
                    found: Any = getattr(module, self._attribute, ())
                    for thing in found if type(found) is tuple else (found,):
                        self.register(thing)
        return self._things
