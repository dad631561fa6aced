"""One compilation cache for all tests and their child processes, so that a second run is fast."""

import os
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("SCALAX_TEST_CACHE", Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("MPLBACKEND", "agg")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The real images and curves that lie beside a checkout of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs {SHARED}, which is absent")
    return SHARED
