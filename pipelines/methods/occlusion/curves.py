"""Deletion and insertion: does a map name the pixels that the model needs?

The pixels are hidden from the most important one on (deletion), or shown from the most important
one on where all were hidden (insertion), and the probability is followed. A good map lets it fall
at once, or rise at once: a small area under the first curve, a large one under the second. V.
Petsiuk, A. Das, K. Saenko, "RISE: randomized input sampling for explanation of black-box models",
BMVC 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_VALUES = 4_000_000
_MOST = 512


@dataclass(frozen=True)
class Curves:
    """Probability of the class asked for, step by step.

    Attributes:
        shares: Share of the pixels that is hidden (deletion) or shown (insertion) at each step,
            float64 (steps + 1,), from 0 to 1.
        deletion: float32 (n, steps + 1); the first is the whole image.
        insertion: float32 (n, steps + 1); the last is the whole image.
        deletion_area: Area under each curve, float64 (n,) in [0, 1]; small is good.
        insertion_area: The same; large is good.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    deletion_area: np.ndarray
    insertion_area: np.ndarray


def curves(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    hidden: np.ndarray,
    maps: np.ndarray,
    classes: np.ndarray,
    steps: int = 20,
    *,
    stride: int | None = None,
) -> Curves:
    """Hide and show pixels in the order of a map, and follow the probability.

    Each image is asked ``2 * steps`` times; the two curves share their ends.

    Args:
        predict: From images float32 (m, height, width, channels), m of at most a few hundred, to
            probabilities (m, classes).
        images: float32 (n, height, width, channels), as the model reads them.
        hidden: What hidden pixels show, of the shape of ``images`` or broadcastable to it.
        maps: (n, rows, columns), exact or estimated: the lowest probability is the most important
            position. A pixel takes the value of the nearest position; ties go by row and column.
        classes: Class that is followed of each image (n,).
        steps: Into how many equal parts the pixels are cut, at least 1.
        stride: Pixels from one position of a map to the next; None for the one that follows from
            the shapes (the smallest, where several give as many positions).

    Raises:
        ValueError: Shapes or the stride do not go together, or ``steps`` is below 1.
    """
    stride = _check(images, maps, classes, steps, stride)
    n, (height, width) = len(images), images.shape[1:3]
    pixels = height * width
    cuts = np.round(np.linspace(0, pixels, steps + 1)).astype(np.int64)
    ranks = _ranks(maps, height, width, stride)
    hidden = np.broadcast_to(np.asarray(hidden, np.float32), images.shape)
    deletion, insertion = (np.empty((n, steps + 1), np.float32) for _ in range(2))

    def ask(rows: np.ndarray, cut: np.ndarray, showing: np.ndarray) -> np.ndarray:
        before = ranks[rows] < cut[:, None, None]
        kept = (before == showing[:, None, None])[..., None]
        asked = np.where(kept, images[rows], hidden[rows]).astype(np.float32)
        found = np.asarray(predict(asked))
        return np.asarray(found[np.arange(len(rows)), classes[rows]])

    # All questions in one list, so that the batches are as large for one image as for many.
    rows, step = (part.reshape(-1) for part in np.mgrid[:n, : steps + 1])
    inner = (step > 0) & (step < steps)
    places = np.concatenate([np.arange(len(rows)), np.flatnonzero(inner)])
    showing = np.arange(len(places)) >= len(rows)
    size = max(1, min(_MOST, _VALUES // max(1, images[:1].size)))
    answers = np.empty(len(places), np.float32)
    for start in range(0, len(places), size):
        part = slice(start, start + size)
        at = places[part]
        answers[part] = ask(rows[at], cuts[step[at]], showing[part])
    deletion.reshape(-1)[:] = answers[: len(rows)]
    insertion[:, 1:-1] = answers[len(rows) :].reshape(n, steps - 1)
    insertion[:, 0], insertion[:, -1] = deletion[:, -1], deletion[:, 0]
    shares = cuts / pixels
    return Curves(shares, deletion, insertion, _area(deletion, shares), _area(insertion, shares))


def _area(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.asarray(np.trapezoid(values.astype(np.float64), shares, axis=1))


def _ranks(maps: np.ndarray, height: int, width: int, stride: int) -> np.ndarray:
    """Place of each pixel in the order of importance, int64 (n, height, width)."""
    nearest = [
        # Half way counts for the position below or to the right.
        np.minimum((np.arange(length) + stride // 2) // stride, positions - 1)
        for length, positions in zip((height, width), maps.shape[1:], strict=True)
    ]
    values = maps[:, nearest[0][:, None], nearest[1]].reshape(-1, height * width)
    order = np.argsort(values, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(height * width)[None], axis=1)
    return ranks.reshape(-1, height, width)


def _check(
    images: np.ndarray, maps: np.ndarray, classes: np.ndarray, steps: int, stride: int | None
) -> int:
    if steps < 1:
        raise ValueError(
            "The 'steps' of curves must be an integer >= 1. "
            f"Received: steps={steps}. Use 20, for instance."
        )
    if images.ndim != 4 or maps.ndim != 3 or not len(images) == len(maps) == len(classes):
        raise ValueError(
            "Images (n, height, width, channels), maps (n, rows, columns) and classes (n,) must be "
            f"of the same images. Received: shapes {images.shape}, {maps.shape}, {classes.shape}. "
            "Give the map of one class an image."
        )
    size, grid = images.shape[1:3], maps.shape[1:]
    for tried in [stride] if stride is not None else range(1, max(size) + 1):
        if tried >= 1 and grid == (-(-size[0] // tried), -(-size[1] // tried)):
            return tried
    raise ValueError(
        f"There is no stride with which images of {size[0]}x{size[1]} have these positions. "
        f"Received: maps of {grid[0]}x{grid[1]}, stride={stride}. Maps at stride s have "
        "ceil(size / s) rows and columns."
    )
