"""All laws by name: those of `scalax.laws.families`, a file each, and those that others register."""

from collections.abc import Iterator, Mapping

from scalax.laws.family import Family
from scalax.registry import Registry

_FAMILIES: Registry[Family] = Registry("law", "scalax.laws.families", "FAMILY")


class _Families(Mapping[str, Family]):
    """The registry as a read-only dict."""

    def __getitem__(self, name: str) -> Family:
        if name not in _FAMILIES:
            raise KeyError(name)
        return _FAMILIES.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_FAMILIES.names())

    def __len__(self) -> int:
        return len(_FAMILIES.names())


FAMILIES: Mapping[str, Family] = _Families()


def register(family: Family) -> Family:
    """Add a law under its name, for `fit`, forecasts, plans and the command line; returns it.

    Raises ValueError where another law has that name.
    """
    return _FAMILIES.register(family)


def lookup(family: str | Family) -> Family:
    """A law by name, or itself. Raises UserError, with the nearest name, for an unknown one."""
    return family if isinstance(family, Family) else _FAMILIES.get(family)
