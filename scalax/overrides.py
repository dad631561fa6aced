"""A study's config: from its file, and with what a command line says otherwise."""

import contextlib
import csv
import dataclasses
import difflib
import inspect
import io
import re
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from scalax.errors import UserError, one_line, suggest
from scalax.pyfile import module_of

RUN = "run"  # the field of a study's config that holds what training is given


def load(path: str) -> Any:
    """What `config()` of the file, or the function after a colon, returns.

    Raises UserError where there is no such file or function, or it returns no config.
    """
    name, _, function = path.partition(".py:")
    file = Path(f"{name}.py" if function else path)
    if not _is_file(path, file):
        near = sorted(
            other.stem for other in (file.parent if file.parent.name else Path("configs")).glob("*.py")
        )
        what = "is a directory" if file.is_dir() else "no such file"
        raise UserError(f"config {path}: {what}{suggest(file.stem, near) if near else ''}")
    try:
        module = module_of(file)
        if function and not hasattr(module, function):
            raise UserError(f"config {path}: no function {function!r}{suggest(function, functions(module))}")
        if not hasattr(module, function or "config"):
            raise UserError(f"config {path}: it defines no config(); name one that returns a study's config")
        config = getattr(module, function or "config")()
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as e:  # whatever a file of the user raises
        raise UserError(f"config {path}: {one_line(e)}; mend the file") from e
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        what = f"the class {config.__name__}" if isinstance(config, type) else type(config).__name__
        raise UserError(
            f"config {path}: {function or 'config'}() returns {what}; have it return the config of a study"
        )
    return config


def _is_file(path: str, file: Path) -> bool:
    try:
        return file.is_file()
    except OSError as e:  # such as a name that is too long
        raise UserError(f"config {path[:80]}: cannot look for it ({e.strerror or e})") from None


def functions(module: ModuleType) -> list[str]:
    """Those that the file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def override(
    config: Any, arguments: list[str], program: str, options: str = "", others: Sequence[str] = ()
) -> Any:
    """The config with --dotted.key value applied.

    - config: of a study.
    - arguments: of the command line, keys and values. A list has spaces or commas between its values; a value
      with a comma stands in double quotes.
    - program: what help and errors call the command.
    - options: what help says of the command's own options.
    - others: names of these.

    Raises UserError for unknown keys and bad values.
    """
    import tyro

    known = keys(config)
    for flag in flags(arguments):
        if key_of(flag) not in known:
            raise UserError(f"unknown override {flag}{_meant(flag, [*known, *others])}; see {program} --help")
    box = io.StringIO()
    first = (type(config).__doc__ or "").partition("\n")[0]
    about = f"{first}\n\nBesides the settings below, the launch takes:\n{options}" if options else first
    shown = _flattened(type(config))
    try:
        with contextlib.redirect_stderr(box):
            found = tyro.cli(
                shown,
                default=shown(**_fields(config)),
                args=_parted(arguments, known),
                prog=program,
                description=about,
            )
    except SystemExit as e:
        if not e.code:
            raise
        raise UserError(first_sentence(box.getvalue())) from None
    return type(config)(**_fields(found))


def flags(arguments: list[str]) -> list[str]:
    """The keys of a command line as they were given, without their values and --help."""
    found = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    return [flag for flag in found if flag not in ("--help", "--")]


def key_of(flag: str) -> str:
    """The dotted name of the setting that a flag sets: data.flip of --data.no-flip."""
    return re.sub(r"(^|\.)no_", r"\1", flag.removeprefix("--").replace("-", "_"))


def flag_of(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def keys(config: Any) -> dict[str, Any]:
    """The type of each setting by its name, dotted, as the command line has it."""
    return dict(_keys(type(config), config, ""))


def _keys(kind: type, config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    for name, value in _fields(config).items():
        if name == RUN and not prefix:
            yield from _keys(type(value), value, "")
            continue
        yield prefix + name, hints[name]
        if dataclasses.is_dataclass(value):
            yield from _keys(type(value), value, f"{prefix}{name}.")


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _meant(flag: str, known: Sequence[str]) -> str:
    """' (did you mean ...?)': the settings whose last part the flag is, else those that look like it."""
    key = key_of(flag)
    last = key.rpartition(".")[2]
    near = [name for name in known if name.rpartition(".")[2] == last]
    near = near or difflib.get_close_matches(key, known, n=1)
    if not near:
        tails = {name.rpartition(".")[2]: name for name in known}
        near = [tails[tail] for tail in difflib.get_close_matches(last, tails, n=1)]
    return f" (did you mean {' or '.join(map(flag_of, near[:3]))}?)" if near else ""


def _parted(arguments: list[str], known: dict[str, Any]) -> list[str]:
    """The same with the values of lists apart."""
    found, is_list = [], False
    for argument in arguments:
        if argument.startswith("--"):
            flag, equals, value = argument.partition("=")
            is_list = typing.get_origin(known.get(key_of(flag))) is tuple
            found += [flag, *_values(value)] if is_list and equals else [argument]
        else:
            found += _values(argument) if is_list else [argument]
    return found


def _values(text: str) -> list[str]:
    if "," not in text:
        return [text]
    try:
        rows = list(csv.reader([text], skipinitialspace=True))
    except csv.Error:  # a value longer than any list
        return [text]
    return [value.strip() for row in rows for value in row if value.strip()]


def _flattened(kind: type) -> type:
    """The class of a config as the command line shows it: the settings of its run are named like its own."""
    import tyro

    hints = typing.get_type_hints(kind)
    if RUN not in hints:
        return kind
    run = (RUN, Annotated[hints[RUN], tyro.conf.arg(name="")], dataclasses.field())
    return dataclasses.make_dataclass(kind.__name__, [run], bases=(kind,), frozen=True)


def first_sentence(box: str) -> str:
    """What a framed message says before its first rule, in one line and without the frame; where the terminal
    has no characters for a frame, its title is a part of its own."""
    parts: list[list[str]] = [[]]
    for line in (line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))):
        if line and set(line) <= set("─-"):
            parts.append([])
        elif line:
            parts[-1].append(line)
    message = " ".join(parts[0 if box.startswith("╭") else min(1, len(parts) - 1)])
    return re.sub(r"^Error parsing (?:(?!--)[\w.]+: )?", "", message)
