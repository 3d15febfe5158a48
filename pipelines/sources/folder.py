"""Source ``folder``: images in folders named after their classes.

``root/class/...`` or ``root/split/class/...``, at any depth below the class. Pixels are not read
here: a file is taken by the ending of its name, and whether it holds an image shows when it is
decoded. A table may say more of each image: when and where it was made, and of whom.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipelines.errors import SourceError
from pipelines.sources import metadata
from pipelines.sources.base import Loaded, Progress, Rejected
from pipelines.sources.checks import SPLIT_NAMES, natural_order
from pipelines.sources.tree import File, Tree, list_tree

if TYPE_CHECKING:
    from pipelines.recipe import FolderDataset

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff",
)  # fmt: skip
"""Endings of the names of image files, in any case."""

_SHOWN = 5


def signature(options: FolderDataset) -> str:
    """Names the present content of the folder by the paths, sizes and times of its files, and that
    of the table by its own.

    Raises:
        SourceError: The folder or the table cannot be opened.
    """
    tree = list_tree(_root(options))
    digest = hashlib.blake2b(digest_size=16)
    for file in tree.files:
        digest.update(f"{file.place}\0{file.size}\0{file.mtime}\n".encode(errors="surrogateescape"))
    for parts in tree.folders:
        digest.update(f"{'/'.join(parts)}/\n".encode(errors="surrogateescape"))
    if options.table is not None:
        digest.update(metadata.table_signature(options.table).encode())
    return digest.hexdigest()


def load(options: FolderDataset, progress: Progress) -> Loaded:
    """Lists the images of a folder with their labels, splits and groups.

    Args:
        options: The folder, the pattern of the groups, and the table of what else is known.
        progress: Told once, when all files are listed.

    Returns:
        One record for each image file. ``label`` is the name of the class folder in Unicode's
        composed form; ``source`` is the folder below that of the class, "" where there is none, or
        what the table says. Rejected are images outside a class folder, other files inside one,
        class folders without an image, what cannot be opened, and rows of the table without an
        image. Other files outside a class folder are not samples and are not mentioned.

    Raises:
        SourceError: The folder cannot be opened, mixes classes and splits, has fewer than two
            classes with images, no path matches the pattern of the groups, the table cannot be
            used, or it names groups beside a pattern of them.
    """
    root = _root(options)
    tree = list_tree(root)
    with_splits = _has_splits(root, tree)
    depth = 2 if with_splits else 1
    rejected = [Rejected(_readable(place), None, None, why) for place, why in tree.problems]
    rows: list[dict[str, str | None]] = []
    for file in tree.files:
        reason = _unusable(file, depth, with_splits)
        if reason is None:
            rows.append(_record(file, with_splits, options.group))
        elif len(file.parts) > depth or _is_image(file):
            rejected.append(_reject(file.parts[: depth + 1], file.place, with_splits, reason))
    columns = ["place", "label", "split", "group", "source"]
    records = pd.DataFrame(rows, columns=columns, dtype=object)
    rejected += _empty_classes(tree, rows, with_splits)
    _check(root, records, rejected, options.group)
    told = ""
    if options.table is not None:
        records, told = _with_table(records, rejected, options.table, options.group)
    progress(len(records), len(records))
    classes = tuple(sorted(set(records["label"]), key=natural_order))
    name = root.resolve().name
    return Loaded(
        title=name,
        description=f"Image files in the folder {name}, labelled by their folders.{told}",
        simulated=None,
        root=root,
        channels=(),
        classes=classes,
        records=records,
        images=None,
        rejected=rejected,
    )


def _root(options: FolderDataset) -> Path:
    return Path(options.root).expanduser()


def _has_splits(root: Path, tree: Tree) -> bool:
    top = [parts[0] for parts in tree.folders if len(parts) == 1]
    splits = [name for name in top if name.lower() in SPLIT_NAMES]
    others = [name for name in top if name.lower() not in SPLIT_NAMES]
    if splits and others:
        raise SourceError(
            f"The folder {_readable(str(root))} mixes splits and classes. Received: the splits "
            f"{splits} beside {len(others)} other folders ({_some(others)}). Put every class "
            "inside the splits, or rename the folders that are not splits, or move away what is "
            "neither."
        )
    return bool(splits)


def _unusable(file: File, depth: int, with_splits: bool) -> str | None:
    """Why a file is no sample, or None."""
    if len(file.parts) <= depth:
        where = "a split folder" if with_splits and len(file.parts) == depth else "the root folder"
        return f"it lies directly in {where}, so it has no class"
    if not _is_image(file):
        ending = Path(file.parts[-1]).suffix
        kind = f"ends in '{ending}'" if ending else "has no ending"
        return f"its name {kind}; images end in {', '.join(SUFFIXES)}"
    if not _is_text(file.place):
        return "its path is not valid UTF-8, so no table can hold it"
    return None


def _record(file: File, with_splits: bool, group: str | None) -> dict[str, str | None]:
    below = file.parts[1:] if with_splits else file.parts
    return {
        "place": file.place,
        "label": _label(below[0]),
        "split": SPLIT_NAMES[file.parts[0].lower()] if with_splits else None,
        "group": None if group is None else _group(group, file.place),
        "source": below[1] if len(below) > 2 else "",
    }


def _group(pattern: str, place: str) -> str | None:
    """The first captured text, or the whole match of a pattern that captures nothing."""
    match = re.search(pattern, place)
    if match is None:
        return None
    if match.re.groups == 0:
        return match.group()
    return next((text for text in match.groups() if text is not None), None)


def _reject(parts: tuple[str, ...], place: str, with_splits: bool, reason: str) -> Rejected:
    """A rejection with the split and the class that the folders in ``parts[:-1]`` tell."""
    folders = [_readable(part) for part in parts[:-1]]
    split = SPLIT_NAMES[folders.pop(0).lower()] if with_splits and folders else None
    return Rejected(_readable(place), _label(folders[0]) if folders else None, split, reason)


def _empty_classes(
    tree: Tree, rows: list[dict[str, str | None]], with_splits: bool
) -> list[Rejected]:
    """Class folders (in the split layout: of each split) from which no image was taken."""
    depth = 2 if with_splits else 1
    filled = {tuple(str(row["place"]).split("/")[:depth]) for row in rows}
    return [
        _reject((*parts, ""), "/".join(parts), with_splits, "the class folder has no images")
        for parts in tree.folders
        if len(parts) == depth and parts not in filled
    ]


def _check(root: Path, records: pd.DataFrame, rejected: list[Rejected], group: str | None) -> None:
    labels = sorted(set(records["label"]))
    where = _readable(str(root))
    if len(labels) < 2:
        listed = f"images of {len(labels)} classes ({_some(labels)})" if labels else "no images"
        reasons = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:_SHOWN])
        raise SourceError(
            f"The folder {where} does not have images of at least two classes. Received: {listed}, "
            f"{len(rejected)} rejected{f' ({reasons})' if reasons else ''}. Set dataset.root to "
            "the folder that holds one sub-folder for each class, or the train, val and test "
            "folders that do."
        )
    if group is not None and records["group"].isna().all():
        raise SourceError(
            f"The 'group' pattern matches none of {len(records)} paths. Received: {group!r}; "
            f"paths look like {_some(list(records['place']))}. Correct dataset.group."
        )


def _with_table(
    records: pd.DataFrame, rejected: list[Rejected], path: Path, group: str | None
) -> tuple[pd.DataFrame, str]:
    """Records with what the table says, and a sentence on it; its rows without an image are added
    to ``rejected``."""
    table = metadata.from_table(path.expanduser())
    if group is not None and metadata.GROUP in table:
        raise SourceError(
            f"The groups must come from one place. Received: the pattern {group!r} and the column "
            f"'{metadata.GROUP}' of {path}. Take away dataset.group, or rename the column."
        )
    places = {item.path for item in rejected}
    joined, extra, without = metadata.join(records, table, places.__contains__, path)
    rejected += extra
    missing = ""
    if without:
        missing = f" {without:,} of {len(joined):,} images have no row there."
    return joined, f" More of each is known from the table {path.name}.{missing}"


def _is_image(file: File) -> bool:
    return file.parts[-1].lower().endswith(SUFFIXES)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(name: str) -> str:
    """The name with what is not UTF-8 in it spelt out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _label(folder: str) -> str:
    # macOS writes an accent as a character of its own: the same class in two spellings.
    return unicodedata.normalize("NFC", folder)


def _some(names: list[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(repr(_readable(name)) for name in names[:_SHOWN]) + more
