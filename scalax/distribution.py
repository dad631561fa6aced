"""The package as pip knows it: `scalax` is another package's name there."""

from importlib import metadata

NAME = "scalax-laws"
VERSION = "0.1.0"
OTHER = "scalax"
COMMAND = ("scalax", "scalax.__main__:main")  # what tells an installation of ours, of whatever name


def install(extra: str) -> str:
    """The command that installs what an extra of ours needs.

    >>> install("gcs")
    "pip install 'scalax-laws[gcs]'"
    """
    return f"pip install '{NAME}[{extra}]'"


def other_package() -> str | None:
    """A line that says that the other package is installed, whose files may have replaced some of ours; None
    where it is not."""
    try:
        found = metadata.distribution(OTHER)
    except metadata.PackageNotFoundError:
        return None
    if any((point.name, point.value) == COMMAND for point in found.entry_points):
        return None
    return (
        f"another package is installed as {OTHER} ({found.version}), and its files mix with those of {NAME};"
        f" pip uninstall {OTHER} {NAME}, then install {NAME} again"
    )
