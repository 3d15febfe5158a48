"""One vector an image, written in batches: bounded memory, and the same bits after any stop.

Vectors are written batch by batch to a file in the work folder, with a note of how far it has
come, so that what was broken off goes on from its last noted batch. Every batch has the same shape,
the last one filled up with zeros, so that no vector depends on where a process stopped.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cache.artefact import read_json, write_json
from cache.errors import CorruptArtefactError
from pipelines.errors import StageError
from pipelines.methods.encoders import Encoder
from pipelines.methods.feeding import Inputs
from pipelines.methods.fitting import Progress
from pipelines.methods.memory import give_back
from pipelines.methods.parallel import one_ahead

Read = Callable[[np.ndarray], np.ndarray]
"""From positions (b,) to images, float32 (b, height, width, channels)."""

_VALUES = 2_000_000
_MOST_IMAGES = 256
_NOTE = "embedded.json"
_VECTORS = "vectors.npy"
_SECONDS_BETWEEN_NOTES = 5.0


def embed(
    encoder: Encoder,
    read: Read,
    total: int,
    path: Path,
    *,
    work: Path,
    batch_size: int,
    progress: Progress = lambda done, total: None,
) -> float:
    """Write the vectors of all images, going on from where the work folder stands.

    Args:
        encoder: Embeds a batch.
        read: Gives the images of some positions.
        total: How many images there are, at least one.
        path: Where the vectors go: ``.npy`` (total, dim) float32.
        work: Folder that outlives a stop.
        batch_size: Images a batch; the encoder never gets another number.
        progress: Called with how many are done, and ``total``.

    Returns:
        Milliseconds an image, reading included.

    Raises:
        StageError: A vector is not finite.
    """
    partial_path, note = work / _VECTORS, work / _NOTE
    shape = {"total": total, "dim": encoder.dim, "batch_size": batch_size}
    first, seconds = _noted(note, shape)
    if not first:
        partial_path.unlink(missing_ok=True)
        empty = np.lib.format.open_memmap(
            partial_path, mode="w+", dtype=np.float32, shape=(total, encoder.dim)
        )
        del empty
    offset = partial_path.stat().st_size - total * encoder.dim * 4
    starts = range(first, total, batch_size)

    def batch(index: int) -> np.ndarray:
        start = starts[index]
        images = read(np.arange(start, min(start + batch_size, total)))
        missing = batch_size - len(images)
        return np.concatenate([images, np.zeros((missing, *encoder.shape), np.float32)])

    with partial_path.open("r+b") as file:
        noted = begun = time.perf_counter()
        for start, images in zip(starts, one_ahead(batch, len(starts)), strict=True):
            stop = min(start + batch_size, total)
            vectors = np.ascontiguousarray(encoder(images)[: stop - start], np.float32)
            _refuse_infinite(encoder, vectors)
            file.seek(offset + start * encoder.dim * 4)
            file.write(vectors.tobytes())
            progress(stop, total)
            now = time.perf_counter()
            if now - noted > _SECONDS_BETWEEN_NOTES or stop == total:
                # What is noted as done must be on disk before the note is.
                file.flush()
                os.fsync(file.fileno())
                write_json(note, {**shape, "done": stop, "seconds": seconds + now - begun})
                noted = now
    _put(partial_path, path)
    return 1000 * _noted(note, shape)[1] / total


def reader_of(inputs: Inputs) -> Read:
    """Read the pixels of a run, and keep none of them in memory."""

    def read(rows: np.ndarray) -> np.ndarray:
        images = inputs.batch(rows)
        give_back(inputs.array)
        return images

    return read


def batch_size_for(shape: tuple[int, int, int]) -> int:
    """Images a batch: a power of two from 8 to 256, fewer the larger they are.

    Args:
        shape: (height, width, channels) of an image.
    """
    height, width, channels = shape
    fitting = max(1, _VALUES // (height * width * channels))
    return min(_MOST_IMAGES, max(8, 1 << (fitting.bit_length() - 1)))


def seconds_noted(work: Path) -> float:
    """Seconds that the vectors in a work folder took so far."""
    try:
        return float(read_json(work / _NOTE)["seconds"])
    except (CorruptArtefactError, KeyError, TypeError):
        return 0.0


def _noted(note: Path, shape: dict[str, int]) -> tuple[int, float]:
    """How many vectors are written for good, and how many seconds they took."""
    if not note.is_file():
        return 0, 0.0
    try:
        document = read_json(note)
    except CorruptArtefactError:
        return 0, 0.0
    if not isinstance(document, dict) or {key: document.get(key) for key in shape} != shape:
        return 0, 0.0
    return int(document["done"]), float(document["seconds"])


def _refuse_infinite(encoder: Encoder, vectors: np.ndarray) -> None:
    if not np.isfinite(vectors).all():
        raise StageError(
            f"The network of '{encoder.name}' gave values that are not numbers (NaN or infinite). "
            "Its weights are not finite: train it again at a lower learning rate."
        )


def _put(source: Path, target: Path) -> None:
    """Give a file a second name, so that it outlives its artefact; copy it where that cannot be."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
