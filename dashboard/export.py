"""Downloads of a selection: a table of predictions, and an archive of the images."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from cache import Dataset, Workspace
from cache.errors import CacheError
from dashboard import evidence
from dashboard.images import pixels
from pipelines.methods.pixels import encode, to_channels, to_display
from pipelines.methods.spreadsheet import to_csv

MOST_IMAGES = 2_000
"""Most images of one archive."""

MOST_BYTES = 400_000_000
"""Size of an archive, in bytes, after which no further image goes in."""

_COLUMNS = ("sample_id", "split", "label", "predicted", "correct", "confidence", "margin", "loss")
_ORIGIN = ("path", "group", "leaked")


def predictions_csv(rows: pd.DataFrame, classes: Sequence[str]) -> bytes:
    """A table of samples and what the run answered, as CSV in UTF-8.

    Args:
        rows: Rows of ``data.answers``, or of ``data.samples`` where nothing was answered yet, in
            the order wanted.
        classes: Names of the classes, in the order of the probabilities.

    Returns:
        Columns ``sample_id``, ``split``, ``label``, ``predicted``, ``correct``, ``confidence``,
        ``margin``, ``loss`` (nats), ``path``, ``group``, ``leaked``, ``p <class>`` for each
        class, and what the occlusion maps say, where there are some (``evidence at the border`` …);
        of these what there is.
    """
    names = {f"p_{place}": f"p {name}" for place, name in enumerate(classes)}
    of_maps = [str(name) for name in rows.columns if evidence.is_of_map(str(name))]
    names |= {name: evidence.label(name) for name in of_maps}
    there = [name for name in (*_COLUMNS, *_ORIGIN, *names) if name in rows]
    return to_csv(rows[there].rename(columns=names), "%.6g")


def images_zip(workspace: Workspace, rows: pd.DataFrame) -> bytes:
    """An archive of images, named ``split/true/predicted/sample_id``, or ``split/true/sample_id``
    where nothing was predicted yet.

    Images that came as files go in as those files; others as PNG, one for each view of the
    dataset. ``predictions.csv`` (or ``samples.csv``) lists them, and ``left_out.csv`` says which
    are not there and why: beyond ``MOST_IMAGES`` or ``MOST_BYTES``, or a file that is gone.

    Args:
        workspace: Where the images are.
        rows: As for :func:`predictions_csv`.
    """
    dataset = workspace.dataset
    answered = "predicted" in rows
    buffer = io.BytesIO()
    left_out: list[tuple[str, str]] = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        folders = ("split", "label", "predicted") if answered else ("split", "label")
        columns = (rows[name] for name in ("sample_id", "path", *folders))
        for place, (sample_id, path, *within) in enumerate(zip(*columns, strict=True)):
            if place >= MOST_IMAGES:
                left_out.append((sample_id, f"beyond the {MOST_IMAGES:,} images of one archive"))
                continue
            if buffer.tell() >= MOST_BYTES:
                left_out.append((sample_id, f"beyond {MOST_BYTES // 1_000_000:,} MB"))
                continue
            folder = PurePosixPath(*(_safe(str(part)) for part in within))
            try:
                for ending, content in _files(workspace, dataset, sample_id, path):
                    archive.writestr(str(folder / f"{sample_id}{ending}"), content)
            except (CacheError, OSError) as error:
                left_out.append((sample_id, str(error)))
        name = "predictions.csv" if answered else "samples.csv"
        archive.writestr(name, predictions_csv(rows, dataset.classes))
        if left_out:
            missing = pd.DataFrame(left_out, columns=["sample_id", "reason"])
            archive.writestr("left_out.csv", to_csv(missing))
    return buffer.getvalue()


def _files(
    workspace: Workspace, dataset: Dataset, sample_id: str, path: object
) -> Iterator[tuple[str, bytes]]:
    """Ending of the name and content of each file of a sample."""
    if dataset.root is not None and isinstance(path, str):
        original = Path(dataset.root) / path
        yield original.suffix, original.read_bytes()
        return
    image = pixels(workspace, sample_id)
    if len(dataset.views) == 1:
        yield ".png", _png(image)
        return
    for place, view in enumerate(dataset.views):
        yield f" {_safe(view)}.png", _png(to_channels(image, (place,)))


def _png(image: np.ndarray) -> bytes:
    return encode(to_display(image), lossless=True)


def _safe(name: str) -> str:
    """A name that is one folder on every system: no separators, no leading or closing dots."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", name).strip(" .") or "_"
