"""usage: python -m scalax.launch CONFIG [OPTIONS] [--KEY VALUE ...]

Run a study and write its report.

CONFIG is a Python file with `def config()`, or FILE.py:NAME for another function of it; --help after it
lists the KEYs. The same command again does only what is missing, and goes on from the last checkpoint.

Options:
  --out DIR                where the study goes (runs/NAME); several launches may share one
  --schedule FILE          train by this schedule alone, e.g. one that `scalax plan` wrote
  --profile START:STOP     trace these steps of the first run to DIR/profile
  --tensorboard, --wandb   log each run there too
  --coordinator HOST:PORT --processes N --process I
                           process I of N that train together (not needed under SLURM or on TPU)

Exit codes: 0 done, 2 bad input or a failed run, 75 asked to end (SIGTERM) and saved: start it again.
"""

import argparse
import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import io
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scalax.compilation import keep_programs
from scalax.errors import UserError, suggest
from scalax.schedule import Schedule

EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: start the same command again


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
        print(f"scalax.launch: error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scalax.launch: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of the launch itself, and the rest. Raises UserError for one without its value."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("config")
    for name in ("out", "schedule", "profile", "coordinator"):
        parser.add_argument(f"--{name}")
    for name in ("processes", "process"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("tensorboard", "wandb"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_known_args(arguments)


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(f"{message.removeprefix('argument ')}; see python -m scalax.launch --help")


def launch(config, options: argparse.Namespace) -> int:
    """Run the study of `config`, then write and print its report; returns the exit code."""
    keep_programs()
    # Orbax logs what it then raises, with tracebacks; the error itself is said in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    from scalax.train import distributed, hooks, preempt

    distributed.start(options.coordinator, options.processes, options.process)
    out = options.out or f"runs/{config.name}"
    check_out(out)
    name = "sweep" if options.schedule else config.study
    study = importlib.import_module(f"scalax.studies.{name}")
    report = importlib.import_module(f"scalax.report.{name}")
    train = study.run
    if options.schedule:
        if not hasattr(config, "seeds") or not hasattr(config, "model"):
            raise UserError(f"--schedule: {options.config} trains no model by a schedule")
        schedule = Schedule.load(options.schedule)
        train = functools.partial(study.run_schedule, schedule=schedule)
    from scalax.report.progress import Display

    first = distributed.is_primary()  # of several processes: it alone reports, all are traced
    extra = hooks.from_options(
        out,
        profile=options.profile or "",
        tensorboard=options.tensorboard and first,
        wandb=options.wandb and first,
    )
    try:
        with preempt.watch(), Display() as display:
            shown, tell = ([display], display.say) if first else ([], lambda line: None)
            train(config, out=out, hooks=[*shown, *extra], tell=tell)
            page = report.write(out) if distributed.is_primary() else ""
    except preempt.Preempted:
        print("scalax.launch: asked to end, and saved; start the same command again", file=sys.stderr)
        return EXIT_PREEMPTED
    if page:
        print(page)
    return 0


def load(path: str):
    """What `config()` of the file, or the function after a colon, returns. Raises UserError where there is no
    such file or function."""
    name, _, function = path.partition(".py:")
    file = Path(f"{name}.py" if function else path)
    if not file.is_file():
        near = sorted(
            other.stem for other in (file.parent if file.parent.name else Path("configs")).glob("*.py")
        )
        raise UserError(f"config {path}: no such file{suggest(file.stem, near) if near else ''}")
    spec = importlib.util.spec_from_file_location(f"scalax_config_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"config {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if function and not hasattr(module, function):
            raise UserError(f"config {path}: no function {function!r}{suggest(function, functions(module))}")
        return getattr(module, function or "config")()
    except UserError:
        raise
    except Exception as e:
        raise UserError(f"config {path}: {type(e).__name__}: {e}; it must define config()") from e


def functions(module) -> list[str]:
    """Those that the file itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def override(config, arguments: list[str], program: str):
    """The config with --dotted.key value applied. Raises UserError for unknown keys and bad values."""
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
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(type(config), default=config, args=arguments, prog=program, description=about)
    except SystemExit as e:
        if not e.code:
            raise
        raise UserError(first_sentence(box.getvalue())) from None


def keys(config, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        yield prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from keys(value, f"{prefix}{field.name}.")


def first_sentence(box: str) -> str:
    """What a framed message says before its first rule, in one line and without the frame."""
    inside = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    rule = next((i for i, line in enumerate(inside) if set(line) == {"─"}), len(inside))
    message = " ".join(line for line in inside[:rule] if line)
    return re.sub(r"^Error parsing (?!--)[\w.]+: ", "", message)


def check_out(out) -> None:
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
    if code == EXIT_PREEMPTED and (jax := sys.modules.get("jax")) and jax.distributed.is_initialized():
        jax.distributed.shutdown()  # all processes end together
    os._exit(code)


if __name__ == "__main__":
    leave(main())
