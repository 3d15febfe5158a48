"""Source ``arrays``: a NumPy archive (.npz) of images and labels.

``images`` (n, height, width) or (n, height, width, channels), uint8, uint16 or float in [0, 1];
``labels`` (n,), text or whole numbers. Optional: ``split`` (n,) with train, val or test, empty for
samples without one; ``names``, the class names in order, which number labels count from 0;
``group`` (n,), what must not be split, such as the patient; ``source`` (n,), where an image came
from; and any ``meta_NAME`` (n,) of text, numbers or dates, missing where text is empty.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from pipelines.errors import SourceError
from pipelines.sources import metadata
from pipelines.sources.base import Loaded, Progress
from pipelines.sources.checks import (
    SPLIT_NAMES,
    file_signature,
    keep_rows,
    natural_order,
    not_numbers,
    unopened,
)

_KNOWN = ("images", "labels", "split", "names", metadata.GROUP, metadata.SOURCE)
_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}
_SHOWN = 5


class Options(Protocol):
    """What :func:`load` needs to know: the .npz file."""

    @property
    def path(self) -> Path: ...


def signature(options: Options) -> str:
    """Names the present content of the file.

    Raises:
        SourceError: There is no such file.
    """
    return file_signature(options.path)


def load(options: Options, progress: Progress) -> Loaded:
    """Reads the archive.

    Args:
        options: The file.
        progress: Told once, when all is read.

    Returns:
        One record an image. Rejected are images with pixels that are not numbers, and rows with
        an empty label.

    Raises:
        SourceError: The file cannot be opened or is no such archive, or an array in it has a
            shape, a type or values that cannot be used.
    """
    path = Path(options.path).expanduser()
    arrays = _read(path)
    images = _images(arrays["images"], path)
    labels, classes = _labels(arrays["labels"], arrays.get("names"), len(images), path)
    splits = _splits(arrays["split"], len(images), path) if "split" in arrays else None
    told = _metadata(arrays, len(images), path)
    reasons = {int(row): "its label is empty" for row in np.flatnonzero(labels == "")}
    for row in np.flatnonzero(not_numbers(images, path)):
        reasons[int(row)] = "it has pixels that are not numbers (NaN or infinite)"
    records, rows, rejected = keep_rows(labels, splits, reasons)
    records = metadata.give(records, told.iloc[rows].reset_index(drop=True))
    progress(len(rows), len(images))
    kept = images if not rejected else images[rows]
    count = images.shape[3]
    return Loaded(
        title=path.stem,
        description=f"Arrays of the file {path.name}.",
        simulated=None,
        root=None,
        channels=_CHANNELS.get(count, tuple(f"channel {i + 1}" for i in range(count))),
        classes=tuple(name for name in classes if name),
        records=records,
        images=kept.astype(np.float32, copy=False) if kept.dtype.kind == "f" else kept,
        rejected=rejected,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    form = "an .npz archive with the arrays 'images' and 'labels'"
    remedy = "Write it with numpy.savez(path, images=..., labels=...)."
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("one .npy array")
            strange = [
                name
                for name in archive.files
                if name not in _KNOWN and not re.fullmatch(rf"{metadata.PREFIX}\w+", name)
            ]
            if strange or not {"images", "labels"} <= set(archive.files):
                raise SourceError(
                    f"The file {path} must be {form}, and optionally 'split', 'names', 'group', "
                    f"'source' and any 'meta_NAME'. Received: {sorted(archive.files)}. {remedy}"
                )
            return {name: _member(archive, name, path) for name in archive.files}
    except OSError as error:
        raise unopened(path, error) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"The file {path} must be {form}. Received: a file of another kind, or not whole "
            f"({error}). {remedy}"
        ) from error


def _member(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        array: np.ndarray = archive[name]
    except (ValueError, EOFError, OSError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(
            f"The array '{name}' in {path} cannot be read. Received: {error}. Arrays of Python "
            "objects (as of images of mixed shape) are not read: give all images one shape, or "
            "store them as files and use the source 'folder'."
        ) from error
    return array


def _images(images: np.ndarray, path: Path) -> np.ndarray:
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise SourceError(
            f"The 'images' in {path} must have the shape (n, height, width) or (n, height, width, "
            f"channels), nothing of it 0. Received: {images.shape}. Reshape the array."
        )
    native = images.astype(images.dtype.newbyteorder("="), copy=False)
    if native.dtype.kind != "f" and native.dtype not in (np.uint8, np.uint16):
        raise SourceError(
            f"The 'images' in {path} must be uint8, uint16, or floats from 0 to 1. "
            f"Received: {images.dtype}. Convert them, as with images.astype('uint8') where the "
            "values lie in 0..255."
        )
    return native[..., None] if native.ndim == 3 else native


def _labels(
    labels: np.ndarray, names: np.ndarray | None, count: int, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class name of each row ("" where there is none), and the classes in order."""
    if labels.shape == (count, 1):
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise SourceError(
            f"The 'labels' in {path} must be one for each image. Received: labels of shape "
            f"{labels.shape}, {count} images. Correct the array."
        )
    listed = None if names is None else _names(names, path)
    if labels.dtype.kind in "US":
        texts = _texts(labels)
        classes = listed or tuple(sorted(set(texts.tolist()), key=natural_order))
        _inside(np.isin(texts, [*classes, ""]), texts, f"one of the names {list(classes)}", path)
        return texts, classes
    if labels.dtype.kind not in "iub":
        raise SourceError(
            f"The 'labels' in {path} must be text or whole numbers. Received: {labels.dtype}. "
            "Convert them, as with labels.astype(int)."
        )
    numbers = labels.astype(np.int64)
    if listed is None:
        classes = tuple(str(number) for number in np.unique(numbers))
        return numbers.astype(str), classes
    inside = (numbers >= 0) & (numbers < len(listed))
    _inside(inside, numbers, f"from 0 to {len(listed) - 1}, to count the {len(listed)} names", path)
    return np.array(listed)[numbers], listed


def _names(names: np.ndarray, path: Path) -> tuple[str, ...]:
    texts = _texts(names).tolist() if names.dtype.kind in "US" and names.ndim == 1 else []
    if len(set(texts)) != len(texts) or len(texts) < 2 or "" in texts:
        raise SourceError(
            f"The 'names' in {path} must be at least two different class names. "
            f"Received: {names.tolist() if names.size <= 20 else names.shape}. Correct the array."
        )
    return tuple(texts)


def _splits(splits: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Split of each row, None where it is empty."""
    if splits.shape != (count,) or splits.dtype.kind not in "US":
        raise SourceError(
            f"The 'split' in {path} must be one text for each image: train, val or test. "
            f"Received: {splits.dtype} of shape {splits.shape}, {count} images. Correct the array."
        )
    texts = np.char.lower(_texts(splits))
    known = np.isin(texts, [*SPLIT_NAMES, ""])
    _inside(known, texts, "train, val or test, or empty", path, array="split")
    return np.array([SPLIT_NAMES.get(str(text)) for text in texts], dtype=object)


def _metadata(arrays: dict[str, np.ndarray], count: int, path: Path) -> pd.DataFrame:
    """What else is known of each row, one column an array."""
    told: dict[str, pd.Series] = {}
    for name, values in arrays.items():
        naming = name in (metadata.GROUP, metadata.SOURCE)
        if not naming and not name.startswith(metadata.PREFIX):
            continue
        wanted = "text or one whole number" if naming else "text, number or date"
        column = metadata.from_array(values) if values.shape == (count,) else None
        if column is None or (naming and values.dtype.kind not in "USiu"):
            raise SourceError(
                f"The '{name}' in {path} must be one {wanted} for each image. Received: "
                f"{values.dtype} of shape {values.shape}, {count} images. Correct the array."
            )
        whole = naming and values.dtype.kind in "iu"
        told[name] = column.astype("str").astype(object) if whole else column
    return pd.DataFrame(told, index=range(count))


def _inside(
    good: np.ndarray, values: np.ndarray, wanted: str, path: Path, array: str = "labels"
) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        received = sorted(set(values[bad].tolist()))
        rows = ", ".join(str(row) for row in bad[:_SHOWN])
        raise SourceError(
            f"The '{array}' in {path} must be {wanted}. Received: {received[:_SHOWN]} in "
            f"{len(bad)} rows (first: {rows}). Correct these rows."
        )


def _texts(values: np.ndarray) -> np.ndarray:
    texts = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
    return np.char.strip(texts)
