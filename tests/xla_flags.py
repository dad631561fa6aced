"""Flags of XLA, which ends the process at one that it does not know: other versions have others."""

import mmap
from importlib.util import find_spec
from pathlib import Path


def known_to_xla(**flags: object) -> str:
    """XLA_FLAGS of those, named without xla_, that the installed XLA knows: its library holds their names."""
    spec = find_spec("jaxlib")
    assert spec is not None
    assert spec.origin is not None
    library = max(Path(spec.origin).parent.glob("*.so"), key=lambda path: path.stat().st_size)
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes_of:
        known = {name: value for name, value in flags.items() if bytes_of.find(f"xla_{name}\0".encode()) >= 0}
    return " ".join(f"--xla_{name}={value}" for name, value in known.items())
