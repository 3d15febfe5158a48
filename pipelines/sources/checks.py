"""What several sources check and build alike."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from cache import fingerprint
from pipelines.errors import SourceError
from pipelines.sources.base import Rejected

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names that data gives to its splits, in lower case, and the split each means."""

_CHUNK = 4096


def natural_order(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key that puts ``class 2`` before ``class 10``."""
    parts = re.split(r"([0-9]+)", name)
    key = [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]
    return key, name


def file_signature(path: Path) -> str:
    """Names the present content of a file of arrays, see :func:`cache.fingerprint.file_signature`.

    Raises:
        SourceError: There is no such file.
    """
    try:
        return fingerprint.file_signature(path.expanduser())
    except OSError as error:
        raise unopened(path, error) from error


def unopened(path: Path, error: OSError) -> SourceError:
    """The error for a file of arrays that cannot be opened."""
    return SourceError(
        f"The file of the images cannot be opened: {error.strerror or error}. Received: {path}. "
        "Set dataset.path to a file."
    )


def not_numbers(images: np.ndarray, path: Path) -> np.ndarray:
    """Finds the images with a pixel that is NaN or infinite.

    Args:
        images: Array (n, height, width, channels). Of floats, all others must lie in [0, 1].
        path: The file they come from, for the message.

    Returns:
        Mask of n.

    Raises:
        SourceError: Pixels lie outside [0, 1].
    """
    bad = np.zeros(len(images), bool)
    if not np.issubdtype(images.dtype, np.floating):
        return bad
    low, high, outside = 0.0, 1.0, 0
    for start in range(0, len(images), _CHUNK):
        some = images[start : start + _CHUNK]
        rows = some.reshape(len(some), -1)
        least, most = rows.min(axis=1), rows.max(axis=1)
        strange = ~(np.isfinite(least) & np.isfinite(most))
        bad[start : start + _CHUNK] = strange
        least, most = least[~strange], most[~strange]
        outside += int(((least < 0) | (most > 1)).sum())
        low, high = float(least.min(initial=low)), float(most.max(initial=high))
    if outside:
        raise SourceError(
            f"The images in {path} must have floating-point pixels from 0 to 1. "
            f"Received: pixels from {low:g} to {high:g}, in {outside} of {len(images)} images. "
            "Scale them to [0, 1], or store them as uint8 or uint16."
        )
    return bad


def keep_rows(
    labels: np.ndarray, splits: np.ndarray | None, reasons: dict[int, str]
) -> tuple[pd.DataFrame, np.ndarray, list[Rejected]]:
    """Makes the records of arrays, without the rows that cannot be used.

    Args:
        labels: Class name of each row.
        splits: Split of each row or None, or None where no split came.
        reasons: Why a row is left out, by row.

    Returns:
        The records, the rows they came from, and the rejections.
    """
    rows = np.array([row for row in range(len(labels)) if row not in reasons], dtype=int)
    given = np.full(len(labels), None, dtype=object) if splits is None else splits
    records = pd.DataFrame(
        {
            "place": [f"row {row}" for row in rows],
            "label": [str(label) for label in labels[rows]],
            "split": pd.Series(list(given[rows]), dtype=object),
            "group": pd.Series([None] * len(rows), dtype=object),
            "source": "",
        }
    )
    rejected = [
        Rejected(f"row {row}", str(labels[row]) or None, given[row], reason)
        for row, reason in sorted(reasons.items())
    ]
    return records, rows, rejected
