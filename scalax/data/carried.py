"""Files that installed packages carry, found without importing the packages, which takes seconds."""

from importlib.util import find_spec
from pathlib import Path

from scalax.errors import UserError


def carried(package: str, file: str) -> Path:
    """Where a file of an installed package is; it may be missing.

    - package: its name on import.
    - file: its path in the package.

    Raises UserError where the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the package {package} is not installed; install scalax-laws anew")
    return Path(spec.submodule_search_locations[0]) / file
