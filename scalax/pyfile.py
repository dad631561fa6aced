"""Python files of a user: configs, and what registers studies, laws, metrics and the like."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from scalax.errors import UserError


def module_of(file: Path) -> ModuleType:
    """The file as a module, executed once unless it has changed: what it defines or registers stays one.

    Raises UserError where it is no Python file, and whatever the file raises.
    """
    name = f"scalax_config_{file.stem}"
    loaded, stamp = sys.modules.get(name), (str(file.resolve()), file.stat().st_mtime_ns)
    if loaded is not None and getattr(loaded, "STAMP", None) == stamp:
        return loaded
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file}: not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    vars(module)["STAMP"] = stamp
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
