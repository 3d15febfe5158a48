"""The occlusion maps of the HiTS study as it made them, and the same with its fault put right.

The study hides the patch wherever it lies wholly inside the image, paints the score of the
predicted class into the patch's area, and sums all these pictures; the sum is standardised, clipped
to one standard deviation and moved to [0, 1]. The sum is not divided by how many patches cover a
pixel (1 at a corner, size² in the middle), so that even a constant classifier gets a map: mean
.581, standard deviation .356 at 21x21 with patch 3. :func:`corrected` divides. The study's second
classifier pads its images, and there the patch moves over the padded image (625 positions in place
of 361), which covers all pixels alike: :func:`padded_scores`.

Source: the occlusion notebooks of the HiTS study (rows H5, H6 and B60-B65 of its record).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.methods.occlusion.engine import Engine
from pipelines.methods.occlusion.patches import of_class

_COPIES = 512


def inside(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the centres whose patch lies wholly inside the image.

    Raises:
        ValueError: The stride is not 1, or the patch is larger than the image.
    """
    patches = engine.patches
    if patches.stride != 1 or patches.size > min(patches.height, patches.width):
        raise ValueError(
            "The study's map moves a patch that fits into the image pixel by pixel. "
            f"Received: size={patches.size}, stride={patches.stride} for "
            f"{patches.height}x{patches.width}. Open the engine with stride 1 and a smaller patch."
        )
    first = patches.size // 2
    rows = np.arange(first, first + patches.height - patches.size + 1)
    columns = np.arange(first, first + patches.width - patches.size + 1)
    return rows, columns


def scores(
    engine: Engine, images: np.ndarray, hidden: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Probability of each image's class at the study's positions.

    Args:
        engine: Of stride 1.
        images: float32 (b, height, width, channels).
        hidden: What hidden pixels show; zeros in the study.
        classes: Integers (b,); the predicted ones in the study.

    Returns:
        float32 (b, height - size + 1, width - size + 1): 361 positions for 21x21 and patch 3.

    Raises:
        ValueError: As for :func:`inside`, :meth:`Engine.at` and
            :func:`pipelines.methods.occlusion.patches.of_class`.
    """
    return of_class(engine.at(images, hidden, *inside(engine)), classes)


def padded_scores(
    predict: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    hidden: np.ndarray,
    of: int,
    size: int,
) -> np.ndarray:
    """Probability of a class at the positions of the study's second classifier.

    The image is padded by the size of the patch on each side, and the patch moves over all of it:
    at the border it hides little of the image, or nothing.

    Args:
        predict: From images float32 (m, height, width, channels), m of at most a few hundred, to
            probabilities (m, classes).
        image: float32 (height, width, channels).
        hidden: What hidden pixels show, of that shape.
        of: The class.
        size: Side of the patch.

    Returns:
        float32 (1, height + size + 1, width + size + 1): 625 positions for 21x21 and patch 3.
    """
    height, width = image.shape[:2]
    places = [(top, left) for top in range(-size, height + 1) for left in range(-size, width + 1)]
    found = np.empty(len(places), np.float32)
    for start in range(0, len(places), _COPIES):
        some = places[start : start + _COPIES]
        copies = np.repeat(image[None], len(some), axis=0)
        for copy, (top, left) in zip(copies, some, strict=True):
            rows, columns = (slice(max(at, 0), max(at + size, 0)) for at in (top, left))
            copy[rows, columns] = hidden[rows, columns]
        found[start : start + len(some)] = predict(copies)[:, of]
    return found.reshape(1, height + size + 1, width + size + 1)


def padded_merged(found: np.ndarray, size: int) -> np.ndarray:
    """The study's map of its second classifier: merged as the first, the padding cut off again.

    Args:
        found: As :func:`padded_scores` gives them.
        size: Side of the patch.

    Returns:
        float32 (b, height, width).
    """
    return merged(found, size)[:, size:-size, size:-size]


def painted(found: np.ndarray, size: int) -> np.ndarray:
    """Every score painted into its patch, all summed: float64 (b, height, width).

    Args:
        found: As :func:`scores` gives them.
        size: Side of the patch.
    """
    count, rows, columns = found.shape
    sums = np.zeros((count, rows + size - 1, columns + size - 1))
    for down in range(size):
        for right in range(size):
            sums[:, down : down + rows, right : right + columns] += found
    return sums


def coverage(rows: int, columns: int, size: int) -> np.ndarray:
    """How many patches cover each pixel, float64 (rows + size - 1, columns + size - 1)."""
    covered: np.ndarray = painted(np.ones((1, rows, columns)), size)[0]
    return covered


def merged(found: np.ndarray, size: int) -> np.ndarray:
    """The study's map: painted, summed, standardised, clipped to +-1, moved to [0, 1].

    Args:
        found: As :func:`scores` gives them.
        size: Side of the patch.

    Returns:
        float32 (b, height, width). Values of different maps cannot be compared.
    """
    return standardised(painted(found, size))


def of_maps(maps: np.ndarray, size: int, stride: int) -> np.ndarray:
    """The study's map of maps that are there already, exact or estimated.

    Where the patch moves pixel by pixel and fits into the image, the scores of the study's
    positions are the inner part of a map, and are painted and summed as it did. Positions further
    apart are no pixels: there the map itself is standardised.

    Args:
        maps: (b, rows, columns), the probability with the patch centred at each position.
        size: Side of the patch.
        stride: Pixels from one position to the next.

    Returns:
        float32 of the same shape. Values of different maps cannot be compared.
    """
    rows, columns = maps.shape[1:]
    if stride != 1 or size > min(rows, columns):
        return standardised(maps)
    first = size // 2
    inner = maps[:, first : first + rows - size + 1, first : first + columns - size + 1]
    return merged(inner, size)


def corrected(found: np.ndarray, size: int) -> np.ndarray:
    """The mean score of the patches that cover each pixel: raw probabilities.

    Args:
        found: As :func:`scores` gives them.
        size: Side of the patch.

    Returns:
        float32 (b, height, width); constant where the scores are. :func:`standardised` brings it
        to the scale of the study's map.
    """
    means: np.ndarray = painted(found, size) / coverage(found.shape[1], found.shape[2], size)
    return means.astype(np.float32)


def standardised(maps: np.ndarray) -> np.ndarray:
    """Each map less its mean, divided by its standard deviation, clipped to +-1, moved to [0, 1].

    A map that is constant has no standard deviation: it becomes one half throughout.

    Args:
        maps: (b, height, width).

    Returns:
        float32 of the same shape.
    """
    maps = maps.astype(np.float64)
    centred = maps - maps.mean(axis=(1, 2), keepdims=True)
    spread = centred.std(axis=(1, 2), keepdims=True)
    # What rounding leaves of a constant map is no spread.
    flat = spread <= 1e-7 * np.abs(maps).max(axis=(1, 2), keepdims=True)
    scaled = np.where(flat, 0.0, centred / np.where(flat, 1.0, spread))
    moved: np.ndarray = (np.clip(scaled, -1, 1) + 1) / 2
    return moved.astype(np.float32)
