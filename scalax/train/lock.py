"""One process at a time in a run's directory."""

from collections.abc import Iterator
from contextlib import contextmanager

from etils import epath

from scalax.errors import UserError


@contextmanager
def alone_in(directory) -> Iterator[None]:
    """Hold a lock on `directory`; the system lets go of it when the process ends, however it ends.

    Raises UserError where another process holds it. Object stores have no locks: there nothing is held.
    """
    if "://" in str(directory):
        yield
        return
    import fcntl

    with open(epath.Path(directory) / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{directory} is in use by another process; wait for it, or choose another --out"
            ) from None
        yield
