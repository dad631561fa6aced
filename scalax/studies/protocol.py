"""What a study is to the commands: its config, its typed result, how it runs and how it reports."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


@dataclasses.dataclass(frozen=True)
class Study:
    """One kind of study. Importing it needs neither JAX nor matplotlib (`deferred` helps).

    - name: of the kind; study.json says it, and reports are found by it.
    - Config: class of its settings, a frozen dataclass. Its `name` names the default directory; a study that
      trains has a `run: RunConfig`, the settings of training.
    - Result: class of its result, a dataclass or NamedTuple of plain records (scalax.typed).
    - run: (config, out, hooks, say) -> Result. Does what is missing in the directory `out`. hooks:
      train.Hook of all training; say: shows a line of text.
    - report: (result, out) -> text for the terminal, the verdict first. Writes report.html, figures/ and
      their data (CSV) to `out`, from the result alone.
    - version: of Result; to be raised when a file of before can no longer be read.
    - directories: of `out`, in which its runs have a directory each, in the order in which they are made.
    - plan: config -> text: what it would run, and at what cost, without data or training; None where it
      cannot say.
    - unused: config -> names of settings, or of groups of them, that have no effect in such a study beside
      the config's others, each with why: 'beside lrs'. A command line that sets one is refused
      (scalax.unused has those of any run; None for one that has an effect in this study all the same).
    """

    name: str
    Config: type
    Result: type
    run: Callable[..., Any]
    report: Callable[[Any, Any], str]
    version: int = 1
    directories: tuple[str, ...] = ("runs",)
    plan: Callable[[Any], str] | None = None
    unused: Callable[[Any], Mapping[str, str | None]] = lambda config: {}


def deferred(module: str, function: str) -> Callable[..., Any]:
    """The function of the module, which is imported when it is first called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*args, **kwargs)

    return call


class Device(NamedTuple):
    """What a study was trained on: `count` devices of a kind, over `hosts` processes."""

    kind: str
    platform: str
    count: int
    hosts: int


Versions = dict[str, str | None]  # of packages; None where one is not installed
