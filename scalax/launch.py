"""usage: python -m scalax.launch CONFIG [OPTIONS] [--KEY VALUE ...]

Run a study and write its report.

CONFIG is a Python file with `def config()`, or FILE.py:NAME for another function of it; --help after it
lists the KEYs. The same command again does only what is missing, and goes on from the last checkpoint.

Options:
  --out DIR                where the study goes (runs/NAME); several launches may share one
  --schedule FILE          train by this schedule alone, e.g. one that `scalax plan` wrote
  --plan-only              print what a study of returns would train and at what cost, and end
  --profile START:STOP     trace these steps of the first run to DIR/profile
  --tensorboard, --wandb   log each run there too
  --coordinator HOST:PORT --processes N --process I
                           process I of N that train together (not needed under SLURM or on TPU)

Exit codes: 0 done, 2 bad input or a failed run, 75 stopped as asked (SIGTERM) and saved: start it again,
130 stopped by Ctrl-C and saved (a second one stops at once).
"""

# isort: off
from scalax import signals

if __name__ == "__main__":
    signals.listen("scalax.launch")  # what follows takes seconds, in which the process may be asked to end
# isort: on

import argparse
import contextlib
import dataclasses
import inspect
import io
import logging
import os
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

from scalax.compilation import keep_programs
from scalax.errors import UserError, suggest, with_flags
from scalax.pyfile import module_of
from scalax.schedule import Schedule

VALUES, NUMBERS, SWITCHES = (
    ("out", "schedule", "profile", "coordinator"),
    ("processes", "process"),
    ("tensorboard", "wandb", "plan_only"),
)
FLAGS = {name: f"--{name.replace('_', '-')}" for names in (VALUES, NUMBERS, SWITCHES) for name in names}
RUN = "run"  # the field of a study's config that holds what training is given


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    try:
        options, overrides = parse(arguments)
        config = override(load(options.config), overrides, f"python -m scalax.launch {options.config}")
        return launch(config, options)
    except UserError as e:
        print(f"scalax.launch: error: {with_flags(str(e), FLAGS)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # not as a program of its own, whose signals end it otherwise
        print(f"scalax.launch: stopped; {signals.AGAIN}", file=sys.stderr)
        return signals.EXIT_INTERRUPTED


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of the launch itself, and the rest. Raises UserError for one without its value."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("config")
    for name in VALUES:
        parser.add_argument(FLAGS[name])
    for name in NUMBERS:
        parser.add_argument(FLAGS[name], type=int)
    for name in SWITCHES:
        parser.add_argument(FLAGS[name], action="store_true")
    return parser.parse_known_args(arguments)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.removeprefix('argument ')}; see python -m scalax.launch --help")


def launch(config: Any, options: argparse.Namespace) -> int:
    """Run the study of `config`, then write and print its report; returns the exit code."""
    keep_programs()
    # Orbax logs what it then raises, with tracebacks; the error itself is said in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    if options.schedule:
        config = with_schedule(config, options.schedule)
    from scalax import studies
    from scalax.report.progress import Display
    from scalax.train import distributed, preempt
    from scalax.train.monitors import monitors

    study = studies.of(config)
    if options.plan_only:
        print(planned(study, config), end="")
        return 0
    distributed.start(options.coordinator, options.processes, options.process)
    out = options.out or f"runs/{config.name}"
    check_out(out)
    first = distributed.is_primary()  # of several processes: it alone reports, all are traced
    extra = monitors(
        out,
        profile=options.profile or "",
        tensorboard=options.tensorboard and first,
        wandb=options.wandb and first,
    )
    try:
        with Display() as display:
            shown, say = ([display], display.say) if first else ([], lambda line: None)
            studies.run(config, out, [*shown, *extra], say)
            text = studies.report(out) if first else ""
    except preempt.Preempted:
        signals.say()
        return signals.exit_code()
    if text:
        print(text)
    return 0


def planned(study: Any, config: Any) -> str:
    """What the study would do. Raises UserError where it cannot say that."""
    if study.plan is None:
        raise UserError(
            f"`plan_only`: a study of kind {study.name!r} makes no plan beforehand; without it, it trains"
        )
    return study.plan(config)


def with_schedule(config: Any, path: str) -> Any:
    """The config of runs by the schedule in a file, with the runs and seeds of `config`."""
    from scalax.studies.scheduled import scheduled

    return scheduled(config, Schedule.load(path))


def load(path: str) -> Any:
    """What `config()` of the file, or the function after a colon, returns. Raises UserError where there is no
    such file or function."""
    name, _, function = path.partition(".py:")
    file = Path(f"{name}.py" if function else path)
    if not file.is_file():
        near = sorted(
            other.stem for other in (file.parent if file.parent.name else Path("configs")).glob("*.py")
        )
        raise UserError(f"config {path}: no such file{suggest(file.stem, near) if near else ''}")
    try:
        module = module_of(file)
        if function and not hasattr(module, function):
            raise UserError(f"config {path}: no function {function!r}{suggest(function, functions(module))}")
        return getattr(module, function or "config")()
    except UserError:
        raise
    except Exception as e:
        raise UserError(f"config {path}: {type(e).__name__}: {e}; it must define config()") from e


def functions(module: ModuleType) -> list[str]:
    """Those that the file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def override(config: Any, arguments: list[str], program: str) -> Any:
    """The config with --dotted.key value applied.

    - config: of a study.
    - arguments: of the command line, keys and values.
    - program: what help and errors call the command.

    Raises UserError for unknown keys and bad values.
    """
    import tyro

    known = set(keys(config))
    for argument in arguments:
        name = argument[2:].partition("=")[0].replace("-", "_")
        if not argument.startswith("--") or name == "help":
            continue
        if re.sub(r"(^|\.)no_", r"\1", name) not in known:
            raise UserError(
                f"unknown override {argument}{suggest(name, sorted(known))}; see {program} --help"
            )
    box = io.StringIO()
    first = (type(config).__doc__ or "").partition("\n")[0]
    options = (__doc__ or "").partition("\nOptions:\n")[2].partition("\n\n")[0]
    about = f"{first}\n\nBesides the settings below, the launch takes:\n{options}"
    shown = flattened(type(config))
    try:
        with contextlib.redirect_stderr(box):
            found = tyro.cli(
                shown, default=shown(**fields(config)), args=arguments, prog=program, description=about
            )
    except SystemExit as e:
        if not e.code:
            raise
        raise UserError(first_sentence(box.getvalue())) from None
    return type(config)(**fields(found))


def flattened(kind: type) -> type:
    """The class of a config as the command line shows it: the settings of its run are named like its own."""
    import tyro

    hints = typing.get_type_hints(kind)
    if RUN not in hints:
        return kind
    run = (RUN, Annotated[hints[RUN], tyro.conf.arg(name="")], dataclasses.field())
    return dataclasses.make_dataclass(kind.__name__, [run], bases=(kind,), frozen=True)


def fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def keys(config: Any, prefix: str = "") -> Iterator[str]:
    """Names of all settings, dotted, as the command line has them."""
    for name, value in fields(config).items():
        if name == RUN and not prefix:
            yield from keys(value)
            continue
        yield prefix + name
        if dataclasses.is_dataclass(value):
            yield from keys(value, f"{prefix}{name}.")


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


def check_out(out: Any) -> None:
    """Make the output directory. Raises UserError where it cannot be made or written."""
    from etils import epath

    try:
        epath.Path(out).mkdir(parents=True, exist_ok=True)
    except ImportError as e:
        raise UserError(f"--out {out}: {e} (pip install 'scalax[gcs]')") from None
    except OSError as e:
        raise UserError(f"--out {out}: cannot make it ({e.strerror or e}); choose another") from None


def leave(code: int) -> None:
    """End the process with `code`, though a thread of a library hangs in a write that cannot be done."""
    if code == 0:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = code in (signals.EXIT_PREEMPTED, signals.EXIT_INTERRUPTED)
    if saved and (jax := sys.modules.get("jax")) and jax.distributed.is_initialized():
        jax.distributed.shutdown()  # all processes end together
    os._exit(code)


if __name__ == "__main__":
    leave(main())
