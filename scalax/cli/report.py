"""Write the report of a finished study again, from its directory."""

import argparse
import json
from pathlib import Path

from scalax.errors import UserError

HELP = "write a study's report again"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", help="where the study is, e.g. runs/quickstart")


def run(args: argparse.Namespace) -> None:
    import importlib

    from etils import epath

    path = epath.Path(args.directory) / "study.json"
    if not path.exists():
        raise UserError(f"{path}: no such file; finish the study with python -m scalax.launch first")
    try:
        study = json.loads(path.read_text())["study"]
    except (ValueError, KeyError):
        raise UserError(f"{Path(path)}: not a study of scalax; run its launch command again") from None
    print(importlib.import_module(f"scalax.report.{study}").write(args.directory))
