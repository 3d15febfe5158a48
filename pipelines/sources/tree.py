"""Lists the files below a folder: links followed once, hidden files left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import SourceError

_HIDDEN = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "icon\r"}


@dataclass(frozen=True)
class File:
    """A file below a root.

    Attributes:
        parts: Names of the folders on the way, and of the file.
        size: Bytes.
        mtime: Time of the last change, in nanoseconds.
    """

    parts: tuple[str, ...]
    size: int
    mtime: int

    @property
    def place(self) -> str:
        """Path relative to the root, with forward slashes."""
        return "/".join(self.parts)


@dataclass
class Tree:
    """What lies below a root.

    Attributes:
        files: The files, sorted by path.
        folders: Paths of the folders below the root, sorted.
        problems: Places that could not be listed, with the reason.
    """

    files: list[File] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def list_tree(root: Path) -> Tree:
    """Lists all that is not hidden below a folder, at any depth.

    Each real folder is listed once. Links to folders are followed after all real ones, so that a
    folder below the root keeps its own path; a link to what is listed already (a loop, for one) is
    left and named among the problems.

    Raises:
        SourceError: The root is not a folder that can be opened.
    """
    try:
        identity = _identity(root)
        os.scandir(root).close()
    except OSError as error:
        raise SourceError(
            f"The folder of the images cannot be opened: {error.strerror}. Received: {root}. "
            "Set dataset.root to a folder with one sub-folder for each class."
        ) from error
    tree = Tree()
    seen = {identity}
    waiting: list[tuple[str, ...]] = [()]
    links: list[tuple[str, ...]] = []
    while waiting or links:
        if waiting:
            parts = waiting.pop()
        else:
            links.sort()
            parts = links.pop(0)
            identity = _identity(root.joinpath(*parts))
            if identity in seen:
                reason = "it is a link to a folder that is read already"
                tree.problems.append(("/".join(parts), reason))
                continue
            seen.add(identity)
        if parts:
            tree.folders.append(parts)
        _list_folder(root, parts, tree, seen, waiting, links)
    tree.files.sort(key=lambda file: file.parts)
    tree.folders.sort()
    tree.problems.sort()
    return tree


def _list_folder(
    root: Path,
    parts: tuple[str, ...],
    tree: Tree,
    seen: set[tuple[int, int]],
    waiting: list[tuple[str, ...]],
    links: list[tuple[str, ...]],
) -> None:
    try:
        with os.scandir(root.joinpath(*parts)) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        tree.problems.append(("/".join(parts), f"it cannot be opened ({error.strerror})"))
        return
    for entry in listed:
        if entry.name.startswith(".") or entry.name.lower() in _HIDDEN:
            continue
        below = (*parts, entry.name)
        try:
            status = entry.stat()
        except OSError as error:
            kind = "a link to nothing" if entry.is_symlink() else "not to be opened"
            tree.problems.append(("/".join(below), f"it is {kind} ({error.strerror})"))
            continue
        if not entry.is_dir():
            tree.files.append(File(below, status.st_size, status.st_mtime_ns))
        elif entry.is_symlink():
            links.append(below)
        elif (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            waiting.append(below)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
