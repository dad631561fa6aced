"""Where data lie: a path on this machine, or in a bucket."""

from etils import epath

from scalax.errors import UserError
from scalax.places import existing, no_directory

NPY = (
    "a .npy file holds one array alone; put images and labels into a .npz:"
    " np.savez('data.npz', images=images, labels=labels)"
)


def place(text: str) -> epath.Path:
    """The path that data.dir gives, ~ being the home directory.

    Raises UserError for what no path can be, and for an address that no installed library reads.
    """
    return existing(epath.Path(text).expanduser() if "://" not in text else text, "data.dir")


def not_a_directory(text: str, path: epath.Path, remedy: str) -> UserError:
    """The error of a data.dir that is no directory.

    - text: what data.dir gives.
    - path: the same, of `place`.
    - remedy: what to give.
    """
    if path.is_file() and path.suffix == ".npy":
        remedy = NPY
    elif path.is_file():
        remedy += ", or a .npz with images and labels"
    return UserError(f"data.dir {text}: {no_directory(path)}; {remedy}")


def is_local(path: object) -> bool:
    return "://" not in str(path)
