"""Exact maps of many images of a run, kept as they come so that a stop costs little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from pipelines.methods.batching import embed, reader_of
from pipelines.methods.encoders import Encoder
from pipelines.methods.feeding import Inputs
from pipelines.methods.occlusion.engine import Engine
from pipelines.methods.occlusion.patches import filled

Fill = float | list[float] | Literal["blur"]
"""What hidden pixels show: a number, one number a channel, or the image itself, blurred."""

_MEAN_OF = 5000
_AT_A_TIME = 64
_POSITIONS = 40_000


def fill_of(given: float | str, inputs: Inputs, train: np.ndarray) -> Fill:
    """What hidden pixels show, from what a recipe says.

    Args:
        given: A number, ``mean`` or ``blur``.
        inputs: Pixels of all samples.
        train: Positions of the images of train, whose mean it is.

    Returns:
        For ``mean`` one number a channel, over at most 5,000 images.
    """
    if given == "blur":
        return "blur"
    if given != "mean":
        return float(given)
    some = np.sort(np.random.default_rng(0).permutation(train)[:_MEAN_OF])
    read = reader_of(inputs)
    parts = [some[start : start + _AT_A_TIME] for start in range(0, len(some), _AT_A_TIME)]
    total = sum(read(part).sum(axis=(0, 1, 2), dtype=np.float64) for part in parts)
    pixels = len(some) * inputs.shape[0] * inputs.shape[1]
    return [float(value) for value in np.asarray(total / max(pixels, 1)).reshape(-1)]


def drawn(split: np.ndarray, counts: dict[str, int], seed: int) -> np.ndarray:
    """Positions of the images that get a map: so many of each split, drawn at random.

    Args:
        split: Names of the splits (n,).
        counts: How many of each, at most.
        seed: Of the draw. A larger count takes the same images and more.

    Returns:
        int32 (m,), ascending.
    """
    taken = []
    for name, count in counts.items():
        rows = np.flatnonzero(split == name)
        taken.append(np.random.default_rng(seed).permutation(rows)[:count])
    return np.sort(np.concatenate(taken)).astype(np.int32)


def make_maps(
    engine: Engine,
    inputs: Inputs,
    rows: np.ndarray,
    fill: Fill,
    path: Path,
    *,
    work: Path,
    progress: Callable[[float, int], None] = lambda done, total: None,
) -> tuple[tuple[int, int, int], float]:
    """Write the maps of some images, going on from where the work folder stands.

    Args:
        engine: Makes them.
        inputs: Pixels of all samples.
        rows: Positions of the images (m,).
        fill: What hidden pixels show.
        path: Where they go: ``.npy`` float32 (m, rows * columns * classes).
        work: Folder that outlives a stop.
        progress: Called with how many are done, and of how many.

    Returns:
        (rows, columns, classes) of a map, and milliseconds a map, reading and writing included.

    Raises:
        StageError: A probability is not finite.
    """
    read = reader_of(inputs)
    size = engine.patches.size

    def forward(images: np.ndarray) -> np.ndarray:
        maps = engine.maps(images, filled(images, fill, size))
        return maps.reshape(len(maps), -1)

    example = read(rows[:1])
    shape = engine.maps(example, filled(example, fill, size)).shape[1:]
    maker = Encoder("occlusion", int(np.prod(shape)), inputs.shape, forward, lambda image: image)
    ms = embed(
        maker,
        lambda asked: read(rows[asked]),
        len(rows),
        path,
        work=work,
        batch_size=max(1, min(_AT_A_TIME, _POSITIONS // engine.patches.count)),
        progress=progress,
    )
    return (int(shape[0]), int(shape[1]), int(shape[2])), ms
