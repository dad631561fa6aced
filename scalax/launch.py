"""`python -m scalax.launch CONFIG [--out DIR] [--KEY VALUE ...]`: run a study and write its report.

CONFIG is a Python file with `def config()`; --help after it lists what can be overridden.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scalax.errors import UserError, suggest

USAGE = "usage: python -m scalax.launch CONFIG.py [--out DIR] [--KEY VALUE ...]  (KEYs: CONFIG.py --help)"


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{USAGE}\n\n{(__doc__ or '').strip()}")
        return 0 if arguments else 2
    try:
        path, (out, overrides) = arguments[0], split_out(arguments[1:])
        config = override(load(path), overrides, f"python -m scalax.launch {path}")
        launch(config, out or f"runs/{config.name}")
    except UserError as e:
        print(f"scalax.launch: error: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scalax.launch: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def launch(config, out) -> None:
    """Run the study of `config` in `out`, then write and print its report."""
    check_out(out)
    study = importlib.import_module(f"scalax.studies.{config.study}")
    report = importlib.import_module(f"scalax.report.{config.study}")
    from scalax.report.progress import Display

    with Display() as display:
        study.run(config, out, display.update)
    print(report.write(out))


def load(path: str):
    """What `config()` of the file returns. Raises UserError where there is no such file or function."""
    file = Path(path)
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
        return module.config()
    except UserError:
        raise
    except Exception as e:
        raise UserError(f"config {path}: {type(e).__name__}: {e}; it must define config()") from e


def split_out(arguments: list[str]) -> tuple[str, list[str]]:
    """(--out or nothing, the other arguments)."""
    rest, out, left = [], "", iter(arguments)
    for argument in left:
        if argument == "--out" or argument.startswith("--out="):
            out = argument.partition("=")[2] or next(left, "")
            if not out:
                raise UserError("--out needs a directory, e.g. --out runs/mine")
        else:
            rest.append(argument)
    return out, rest


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
    about = f"{first}\n\n--out DIR is where the study goes, runs/NAME by default."
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


if __name__ == "__main__":
    sys.exit(main())
