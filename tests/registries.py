"""What a test registers is gone after it, so that tests of one worker see the package as it is."""

import contextlib
import sys
from collections.abc import Iterator

from scalax import data, models, studies, tasks
from scalax.laws import registry as laws

REGISTRIES = (data.KINDS, models.FAMILIES, studies.STUDIES, tasks.TASKS, laws._FAMILIES)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    before, modules = [set(registry.names()) for registry in REGISTRIES], set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - modules:
            if name.startswith("scalax_config_"):  # of a user's file, which registers again when it is read
                del sys.modules[name]
        for registry, names in zip(REGISTRIES, before, strict=True):
            for name in set(registry.names()) - names:
                del registry._things[name]
