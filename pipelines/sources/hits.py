"""Source ``hits``: the pickle of the HiTS study of occlusion maps.

A dict with ``images`` (n, 21, 21, 4) in [0, 1] and ``labels`` (n,). Each image is a stamp around a
candidate of the High cadence Transient Survey, prepared as for Deep-HiTS (Cabrera-Vives et al.
2017, ApJ 836, 97).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipelines.errors import SourceError
from pipelines.sources.base import Loaded, Progress
from pipelines.sources.checks import file_signature, keep_rows, not_numbers
from pipelines.sources.unpickling import read_arrays

CHANNELS = ("template", "science", "difference", "snr difference")
CLASSES = ("artefact", "transient")
STAMP = (21, 21, 4)

_SHOWN = 5


class Options(Protocol):
    """What :func:`load` needs to know: the pickle file."""

    @property
    def path(self) -> Path: ...


def signature(options: Options) -> str:
    """Names the present content of the file.

    Raises:
        SourceError: There is no such file.
    """
    return file_signature(options.path)


def load(options: Options, progress: Progress) -> Loaded:
    """Reads the stamps.

    Args:
        options: The file, and optionally ``transient_label``: which of the labels 0 and 1 means
            a transient. It is 1 if not said; the study names its classes without numbers.
        progress: Told once, when the stamps are read.

    Returns:
        One record a stamp. Stamps with pixels that are not numbers are rejected.

    Raises:
        SourceError: The file cannot be opened, asks for anything else than arrays of numbers, or
            its arrays are not those of the study.
    """
    path = Path(options.path).expanduser()
    images, numbers = _checked(read_arrays(path), path)
    transient = int(getattr(options, "transient_label", 1))
    labels = np.where(numbers == transient, CLASSES[1], CLASSES[0])
    bad = np.flatnonzero(not_numbers(images, path))
    reasons = dict.fromkeys(bad.tolist(), "it has pixels that are not numbers (NaN or infinite)")
    records, rows, rejected = keep_rows(labels, None, reasons)
    progress(len(rows), len(images))
    return Loaded(
        title="HiTS",
        description=(
            "Stamps of 21 x 21 pixels around candidates of the High cadence Transient Survey: "
            "template, science, difference, SNR difference. "
            f"Label {transient} is read as transient."
        ),
        simulated=None,
        root=None,
        channels=CHANNELS,
        classes=CLASSES,
        records=records,
        images=(images if not rejected else images[rows]).astype(np.float32, copy=False),
        rejected=rejected,
    )


def _checked(content: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of the study, or an error that says what else there is."""
    if not isinstance(content, dict) or not {"images", "labels"} <= set(content):
        got = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise SourceError(
            f"The pickle {path} must hold a dict with 'images' and 'labels'. Received: {got}. "
            "Use the file of the HiTS study."
        )
    images, labels = content["images"], content["labels"]
    if isinstance(labels, list) and all(isinstance(label, int) for label in labels):
        labels = np.array(labels, dtype=int)
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f" or images.shape[1:] != STAMP:
        got = (
            f"{images.dtype} of shape {images.shape}"
            if isinstance(images, np.ndarray)
            else type(images).__name__
        )
        raise SourceError(
            f"The 'images' in {path} must be an array of floats of shape (n, 21, 21, 4). "
            f"Received: {got}. Use the file of the HiTS study, or the source 'arrays'."
        )
    if not isinstance(labels, np.ndarray) or labels.shape != images.shape[:1] or not len(labels):
        got = labels.shape if isinstance(labels, np.ndarray) else type(labels).__name__
        raise SourceError(
            f"The 'labels' in {path} must be one number for each image. Received: labels of shape "
            f"{got}, {len(images)} images. Use the file of the HiTS study."
        )
    strange = np.flatnonzero(~np.isin(labels, (0, 1)))
    if len(strange):
        rows = ", ".join(str(row) for row in strange[:_SHOWN])
        raise SourceError(
            f"The 'labels' in {path} must be 0 or 1. Received: {labels[strange[0]]!r} and others "
            f"in {len(strange)} rows (first: {rows}). Use the file of the HiTS study."
        )
    return images, labels
