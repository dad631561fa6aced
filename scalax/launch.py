"""usage: scalax train CONFIG [OPTIONS] [--KEY VALUE ...]

Run a study and write its report.

CONFIG is a Python file with `def config()`, or FILE.py:NAME for another function of it; --help after it
lists the KEYs. Lists have spaces or commas between their values. python -m scalax.launch does the same.
The same command again does only what is missing, and goes on from the last checkpoint; where nothing is
missing, it shows the result.

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
from scalax import process, signals

if __name__ == "__main__":
    process.begin("scalax.launch")  # what follows takes seconds, in which the process may be asked to end
# isort: on

import argparse
import dataclasses
import logging
import os
import sys
from typing import Any, NoReturn

from scalax.compilation import keep_programs
from scalax.errors import UserError
from scalax.names import printable
from scalax.overrides import RUN, flag_of, flags, key_of, keys, load, override
from scalax.places import existing, make_directory, remove_empty
from scalax.schedule import Schedule
from scalax.terminal import ended_quietly, print_error, warn_of_other_package

VALUES, NUMBERS, SWITCHES = (
    ("out", "schedule", "profile", "coordinator"),
    ("processes", "process"),
    ("tensorboard", "wandb", "plan_only"),
)
FLAGS = {name: flag_of(name) for names in (VALUES, NUMBERS, SWITCHES) for name in names}
OF_TRAINING = ("out", "profile", "tensorboard", "wandb", "coordinator", "processes", "process")


def main(argv: list[str] | None = None, program: str = "scalax.launch") -> int:
    """Run what a command line says; returns the exit code.

    - argv: its words, the config first; None takes those of the process.
    - program: what errors call the command: `scalax train`, or this module.
    """
    arguments = sys.argv[1:] if argv is None else argv
    return ended_quietly(program, lambda: _main(arguments, program))


def _main(arguments: list[str], program: str) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments else 2
    warn_of_other_package(program)
    command = program if " " in program else f"python -m {program}"
    try:
        options, overrides = parse(arguments, command)
        about = (__doc__ or "").partition("\nOptions:\n")[2].partition("\n\n")[0]
        config = override(load(options.config), overrides, f"{command} {options.config}", about, list(FLAGS))
        return launch(config, options, [key_of(flag) for flag in flags(overrides)], program)
    except UserError as e:
        print_error(program, e, FLAGS)
        return 2
    except KeyboardInterrupt:  # not as a program of its own, whose signals end it otherwise
        print(f"{program}: stopped; start the same command again", file=sys.stderr)
        return signals.EXIT_INTERRUPTED


def parse(
    arguments: list[str], command: str = "python -m scalax.launch"
) -> tuple[argparse.Namespace, list[str]]:
    """The options of the launch itself, and the rest.

    - arguments: of the command line.
    - command: has the help that errors name.

    Raises UserError for one without its value.
    """
    parser = Parser(prog=command, add_help=False, allow_abbrev=False)
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
        raise UserError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def launch(config: Any, options: argparse.Namespace, given: list[str], program: str) -> int:
    """Run the study of a config, then write and print its report; returns the exit code.

    - config: of the study.
    - options: of `parse`.
    - given: names of the settings that the command line sets.
    - program: what lines to the user call the command.

    Raises UserError for what is missing, wrong, or given and without effect.
    """
    keep_programs()
    # Orbax logs what it then raises, with tracebacks; the error itself is said in one line.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    if options.schedule is not None:
        config = with_schedule(config, options.schedule, given)
    config = with_source(config, given, program)
    from scalax import studies
    from scalax.studies import settled

    study, out = studies.of(config), directory_of(config, options.out)
    existing(out, FLAGS["out"])
    if not options.plan_only and is_alone(options) and (count := settled.runs_of(config, out)):
        print(f"nothing to do: {count} runs finished. This is their result:\n")
        print(studies.report(out))
        return 0
    check_used(config, study, given)
    if options.plan_only:
        refuse([name for name in OF_TRAINING if getattr(options, name)], "beside --plan-only")
        print(planned(study, config), end="")
        return 0
    from scalax.report.progress import Display
    from scalax.train import distributed, preempt
    from scalax.train.monitors import monitors

    distributed.start(options.coordinator, options.processes, options.process)
    made = make_directory(out, FLAGS["out"])
    first = distributed.is_primary()  # of several processes: it alone reports, all are traced
    try:
        extra = monitors(
            out,
            profile=options.profile or "",
            tensorboard=options.tensorboard and first,
            wandb=options.wandb and first,
        )
        with Display() as display:
            shown, say = ([display], display.say) if first else ([], lambda line: None)
            studies.run(config, out, [*shown, *extra], say)
            text = studies.report(out) if first else ""
            if first:
                settled.keep(config, out)
    except UserError:
        remove_empty(made)  # what is refused leaves nothing behind
        raise
    except preempt.Preempted:
        signals.say()
        return signals.exit_code()
    if text:
        print(text)
    return 0


def is_alone(options: argparse.Namespace) -> bool:
    """Whether the launch is no part of a run of several processes, as far as can be said without JAX."""
    given = options.processes or os.environ.get("SCALAX_PROCESSES")
    return not given and os.environ.get("SLURM_STEP_NUM_TASKS", "1") == "1"


def planned(study: Any, config: Any) -> str:
    """What the study would do. Raises UserError where it cannot say that."""
    if study.plan is None:
        raise UserError(
            f"`plan_only`: a study of kind {study.name!r} makes no plan beforehand; without it, it trains"
        )
    return study.plan(config)


def with_schedule(config: Any, path: str, given: list[str]) -> Any:
    """The config of runs by the schedule in a file, with the runs and seeds of a study's.

    - config: of the study.
    - path: of the file.
    - given: settings that the command line sets. Raises UserError where runs by a schedule have no such one.
    """
    from scalax.studies.scheduled import scheduled

    found = scheduled(config, Schedule.load(path))
    refuse([key for key in given if key not in keys(found)], "under --schedule")
    return found


def with_source(config: Any, given: list[str], program: str) -> Any:
    """The config with the kind of data that lies at the directory which the command line names.

    - config: of a study; as it is where it has no data, or data.source reads such a directory.
    - given: settings that the command line sets, which stay.
    - program: what the line that says so calls the command.
    """
    if "data.dir" not in given or "data.source" in given:
        return config
    from scalax.data.recognised import READ_AS, recognised

    data = getattr(config, RUN).data
    found = recognised(data)
    found = {key: value for key, value in found.items() if f"data.{key}" not in given or key == "dir"}
    if not found:
        return config
    tested = f", validated on its {split!r}" if (split := found.get("validation_split")) else ""
    print(printable(f"{program}: {data.dir} is read as {READ_AS[found['source']]}{tested}"), file=sys.stderr)
    run = dataclasses.replace(getattr(config, RUN), data=dataclasses.replace(data, **found))
    return dataclasses.replace(config, **{RUN: run})


def check_used(config: Any, study: Any, given: list[str]) -> None:
    """Raises UserError for a setting that the command line sets and that has no effect.

    - config: of the study.
    - study: that it is of.
    - given: settings that the command line sets.
    """
    from scalax import unused

    run = getattr(config, RUN, None)
    found: dict[str, str | None] = dict(unused.of_run(run)) if run is not None else {}
    found |= study.unused(config)
    for key in given:
        for name, why in found.items():
            if why is not None and (key == name or key.startswith(f"{name}.")):
                refuse([key], why)


def refuse(names: list[str], why: str) -> None:
    """Raises UserError where there is a name of something that does not apply. why: ends the sentence."""
    if names:
        raise UserError(f"{flag_of(names[0])} does not apply {why}; leave it out")


def directory_of(config: Any, out: str | None) -> str:
    """Where the study goes: `out`, or runs/NAME. Raises UserError where that is empty or leaves runs/."""
    if out is not None:
        if not out.strip():
            raise UserError("`out` is empty; name a directory, or leave it out")
        return out
    parts = str(config.name).split("/")
    if "" in parts or ".." in parts:
        raise UserError(f"name {config.name!r} names no directory in runs/; choose another, or give `out`")
    return f"runs/{config.name}"


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
