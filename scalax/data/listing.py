"""Image files below a folder: regular ones, each once whatever links lead to it, and what was left out.

Folders and files of the system are no part of a data set; a name with a dot first is hidden.
"""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from etils import epath

from scalax.data.encoded import SUFFIXES
from scalax.data.place import is_local
from scalax.errors import UserError

SYSTEM = frozenset({"lost+found", "__macosx", "__pycache__"}) | {  # Unix, macOS, Python
    *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # storage in networks
    *("$recycle.bin", "system volume information", "thumbs.db", "desktop.ini"),  # Windows
}
DEEPEST = 64  # folders within one another


class LeftOut(NamedTuple):
    """A file or folder that is not read. path: from the root. reason: in a few words."""

    path: str
    reason: str


class Entry(NamedTuple):
    """What a folder holds. kind: 'folder', 'file', 'link' or 'other' (a device, a pipe, a socket)."""

    name: str
    path: str
    kind: str


class Link(NamedTuple):
    """To be followed when all that is no link has been found."""

    path: str


class Listing:
    """The images of a root.

    - classes: paths of the images in each folder of the root, sorted, by the folder's name.
    - left_out: what is not read.

    Raises UserError where a folder cannot be listed, or folders nest too deeply.
    """

    def __init__(self, root: str):
        self.left_out: list[LeftOut] = []
        self._root, self._folders, self._files = root, set[str](), set[str]()
        # A link to the root or above it would find everything again.
        self._above = set(_and_above(_real(root)))
        found: dict[str, list[str | Link]] = {}
        for entry in entries(root):
            if self._is_hidden(entry):
                continue
            if entry.kind == "folder":
                found[entry.name] = self._below(entry.path, _real(entry.path), 1)
            elif entry.kind == "link" and os.path.isdir(entry.path):
                found[entry.name] = [Link(entry.path)]
            else:
                self._leave_out(entry.path, "in no folder of a class")
        self.classes: dict[str, list[str]] = {}
        for name in sorted(found):
            files = list(self._followed(found[name], 1))
            if files or not os.path.islink(f"{root}/{name}"):  # a link to what is read already is no class
                self.classes[name] = files

    def _below(self, folder: str, real: str, depth: int) -> list[str | Link]:
        """Images and links below a folder, sorted by path. real: the folder's path without links."""
        if depth > DEEPEST:
            raise UserError(f"{folder[:200]}: more than {DEEPEST} folders within one another; flatten them")
        if real in self._folders:
            self._leave_out(folder, "a folder that is read already")
            return []
        self._folders.add(real)
        found: list[str | Link] = []
        for entry in entries(folder):
            inside = f"{real}/{entry.name}"
            if self._is_hidden(entry):
                continue
            if entry.kind == "folder":
                found += self._below(entry.path, inside, depth + 1)
            elif entry.kind == "link":
                found.append(Link(entry.path))
            elif self._is_image(entry.path, entry.kind == "file") and self._is_new(entry.path, inside):
                found.append(entry.path)
        return found

    def _followed(self, found: Iterable[str | Link], depth: int) -> Iterator[str]:
        for one in found:
            if isinstance(one, str):
                yield one
                continue
            target = _real(one.path)
            if os.path.isdir(target):
                if target in self._folders or target in self._above:
                    self._leave_out(one.path, "a link to a folder that is read already")
                else:
                    yield from self._followed(self._below(one.path, target, depth + 1), depth + 1)
            elif not os.path.exists(target):
                self._leave_out(one.path, "a link to nothing")
            elif self._is_image(one.path, os.path.isfile(target)) and self._is_new(one.path, target):
                yield one.path

    def _is_hidden(self, entry: Entry) -> bool:
        hidden = entry.name.startswith(".") or entry.name.lower() in SYSTEM
        if hidden:
            self._leave_out(entry.path, "hidden or of the system")
        return hidden

    def _is_image(self, path: str, regular: bool) -> bool:
        if not regular:
            self._leave_out(path, "no regular file")
        elif os.path.splitext(path)[1].lower() not in SUFFIXES:
            self._leave_out(path, "no image by its suffix")
        else:
            return True
        return False

    def _is_new(self, path: str, real: str) -> bool:
        if real in self._files:
            self._leave_out(path, "a link to an image that is read already")
            return False
        self._files.add(real)
        return True

    def _leave_out(self, path: str, reason: str) -> None:
        self.left_out.append(LeftOut(path[len(self._root) :].lstrip("/"), reason))


def entries(folder: str) -> list[Entry]:
    """What the folder holds, sorted by name. Raises UserError where it cannot be listed."""
    try:
        if is_local(folder):
            with os.scandir(folder) as found:
                listed = [Entry(each.name, f"{folder}/{each.name}", _kind(each)) for each in found]
        else:
            listed = [
                Entry(path.name, str(path), "folder" if path.is_dir() else "file")
                for path in epath.Path(folder).iterdir()
            ]
    except OSError as e:
        raise UserError(f"{folder[:200]}: cannot be listed ({e.strerror or e}); check its rights") from None
    return sorted(listed)


def holds_images(folder: str) -> bool:
    """Whether an image lies directly in it."""
    return any(
        entry.kind != "folder" and os.path.splitext(entry.name)[1].lower() in SUFFIXES
        for entry in entries(folder)
        if not entry.name.startswith(".")
    )


def _kind(entry: os.DirEntry) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def _real(path: str) -> str:
    """Without links; of a path in a bucket, which has none, the path."""
    return os.path.realpath(path) if is_local(path) else path


def _and_above(path: str) -> Iterator[str]:
    yield path
    while (above := os.path.dirname(path)) != path:
        path = above
        yield path
