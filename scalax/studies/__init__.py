"""The papers' experiments. A study is a module or package here, or registered from outside (Study).

Its directory holds study.json, the typed result that every report is written from. Commands, notebooks and
tests know studies by the functions of this file alone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from scalax import typed, untrusted
from scalax.errors import UserError
from scalax.places import no_directory
from scalax.records import dumps, read_json, write_atomically
from scalax.registry import Registry
from scalax.studies.protocol import Study as Study
from scalax.studies.protocol import deferred as deferred

FILE = "study.json"
MOST_BYTES = 2**30  # of study.json, which holds all records
AGAIN = "run the study's launch command again to rewrite it"
STUDIES: Registry[Study] = Registry("study", "scalax.studies", "STUDY")
register, get = STUDIES.register, STUDIES.get


def of(config: Any) -> Study:
    """The study whose Config the config is. Raises UserError where there is none."""
    found = [study for study in STUDIES if isinstance(config, study.Config)]
    if not found:
        raise UserError(
            f"no study has a config of class {type(config).__name__}; register one (studies.register)"
        )
    return max(found, key=lambda study: len(study.Config.__mro__))  # a subclass may have a study of its own


def run_directories() -> list[str]:
    """Directories of a study that hold runs, of all kinds: a study under way has not said of which it is."""
    names = dict.fromkeys(name for study in STUDIES for name in study.directories)
    return sorted(names, key=lambda name: name == "runs")


def run(
    config: Any, out: Any, hooks: Sequence[Any] = (), say: Callable[[str], None] = lambda line: None
) -> Any:
    """Do what is missing of the config's study in directory `out`, and leave its result in study.json.

    - config: of a registered study.
    - out: directory of the study, local or in an object store.
    - hooks: train.Hook of all training.
    - say: shows a line of text.

    Returns the study's Result. Raises UserError where `out` holds another study, and what the study raises.
    """
    study = of(config)
    _check_free(study, out)
    result = study.run(config, out, hooks, say)
    from scalax.train import distributed

    if distributed.is_primary():
        save(study, result, out)
    return result


def save(study: Study, result: Any, out: Any) -> None:
    """Write study.json.

    - study: whose result it is.
    - result: a study.Result.
    - out: directory of the study.

    Raises TypeError where the result is none that can be kept.
    """
    if not (dataclasses.is_dataclass(result) or isinstance(result, tuple)):
        raise TypeError(f"study {study.name!r}: its result must be a {study.Result.__name__}, got {result!r}")
    data = {"study": study.name, "version": study.version, **typed.to_json(result)}
    epath.Path(out).mkdir(parents=True, exist_ok=True)
    write_atomically(epath.Path(out) / FILE, dumps(data, indent=1) + "\n")


def load(out: Any) -> tuple[Study, Any]:
    """The study in directory `out` and its result.

    Raises UserError where there is none, or it cannot be read: of another version, or damaged.
    """
    where = epath.Path(out)
    if where.exists() and not where.is_dir():
        raise UserError(f"{out}: {no_directory(where)}; give that of a study")
    path = where / FILE
    data = read_json(path, AGAIN, MOST_BYTES)
    if data is None:
        raise UserError(f"{path}: no such file; finish the study with python -m scalax.launch first")
    if not isinstance(data, dict) or not isinstance(data.get("study"), str):
        raise UserError(f"{path}: holds no study; give the directory of one")
    if data["study"] not in STUDIES:
        raise UserError(
            f"{path}: study {data['study']!r} is unknown; name the file that registers it:"
            " scalax --import FILE"
        )
    study = get(data["study"])
    if data.get("version") != study.version:
        raise UserError(f"{path}: has version {data.get('version')}, want {study.version}; {AGAIN}")
    try:
        return study, typed.from_json(study.Result, data, str(path))
    except UserError as e:
        raise UserError(f"{e}; {AGAIN}, or name the file that registers it: scalax --import FILE") from None


def report(out: Any) -> str:
    """Write report.html and figures of the study in directory `out`; returns the text for the terminal.

    Raises UserError where there is no finished study.
    """
    study, result = load(out)
    try:
        return study.report(result, out)
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError) as e:
        # Its parts have the right types and do not belong together, e.g. a shape that has no curve.
        what = untrusted.shown(f"{type(e).__name__}: {e}", most=100)
        raise UserError(f"{epath.Path(out) / FILE}: no report can be made of it ({what}); {AGAIN}") from e


def _check_free(study: Study, out: Any) -> None:
    """Raises UserError where the result of another study would be lost, or could not be written."""
    path = epath.Path(out) / FILE
    if path.is_dir():
        raise UserError(f"{path}: is a directory; move it away")
    try:
        data = read_json(path, "", MOST_BYTES)
        other, version = data["study"], data["version"]  # files from before versions cannot be read any more
    except (UserError, KeyError, TypeError):
        return  # nothing that could be lost
    if other != study.name:
        raise UserError(
            f"{out} holds a study of kind {other!r} (version {version}); choose another directory"
        )
