"""Compiled programs are kept on disk, so that the next process need not compile them again; the memory that
compiling took is given back."""

import ctypes
import os
from pathlib import Path


def keep_programs() -> str:
    """Let JAX keep what it compiles, and say where: JAX_COMPILATION_CACHE_DIR if it is set (empty keeps
    nothing), else scalax/jax in XDG_CACHE_HOME or ~/.cache. To be called before JAX is imported."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
    return os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "scalax" / "jax"))


def give_back_memory() -> None:
    """Give the system what compiling has freed: glibc keeps 70 to 200 MB a program, for it comes in small
    pieces. To be called after each large program; without glibc it does nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
