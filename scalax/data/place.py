"""Where data lie: a path on this machine, or in a bucket."""

from etils import epath

from scalax.errors import UserError
from scalax.places import no_directory

NPY = (
    "a .npy file holds one array alone; put images and labels into a .npz:"
    " np.savez('data.npz', images=images, labels=labels)"
)


def place(text: str) -> epath.Path:
    """The path that data.dir gives, ~ being the home directory.

    Raises UserError for what no path can be, and for an address that no installed library reads.
    """
    where = f"data.dir {text[:200]}"
    try:
        path = epath.Path(text).expanduser()
        path.exists()  # the library of a bucket is imported when it is asked
    except KeyError:  # epath knows no such scheme
        scheme = text.partition("://")[0]
        raise UserError(
            f"{where}: {scheme}:// is not read; copy the data to this machine, or to gs://"
        ) from None
    except ImportError as e:
        raise UserError(f"{where}: {e}, or copy the data to this machine") from None
    except Exception as e:  # too long a name, a zero byte; whatever a bucket's library raises
        reason = (str(e).splitlines() or [""])[0][:200]
        raise UserError(f"{where}: cannot be read ({type(e).__name__}: {reason}); check the path") from None
    return path


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
