"""What a test registers is gone after it, so that tests of one worker see the package as it is."""

import contextlib
import gc
import importlib
import pkgutil
import sys
from collections.abc import Iterator

import scalax
from scalax.registry import Registry


@contextlib.contextmanager
def restored() -> Iterator[None]:
    for package in pkgutil.iter_modules(scalax.__path__):
        if package.ispkg:
            importlib.import_module(f"scalax.{package.name}")
    before = [(thing, set(thing.names())) for thing in gc.get_objects() if isinstance(thing, Registry)]
    modules = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - modules:
            if name.startswith("scalax_config_"):  # of a user's file, which registers again when it is read
                del sys.modules[name]
        for registry, names in before:
            for name in set(registry.names()) - names:
                del registry._things[name]
