"""Where the patches of an occlusion map lie, and what the hidden pixels show instead.

A *position* is the pixel that a patch is centred on. At stride s the centres are 0, s, 2s … in both
directions, so that a coarse grid is a part of a finer one; at the border a patch is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Patches:
    """The patches of one map.

    Attributes:
        height: Of the image, in pixels.
        width: Of the image, in pixels.
        size: Side of the patch, in pixels.
        stride: Pixels from one centre to the next.

    Raises:
        ValueError: One of them is no integer >= 1.
    """

    height: int
    width: int
    size: int = 3
    stride: int = 1

    def __post_init__(self) -> None:
        for name in ("height", "width", "size", "stride"):
            value: Any = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < 1:
                raise ValueError(
                    f"The '{name}' of occlusion patches must be an integer >= 1. "
                    f"Received: {name}={value!r}. Give it in pixels."
                )

    @property
    def rows(self) -> np.ndarray:
        """Rows of the centres, int32 (ceil(height / stride),)."""
        return np.arange(0, self.height, self.stride, dtype=np.int32)

    @property
    def columns(self) -> np.ndarray:
        """Columns of the centres, int32 (ceil(width / stride),)."""
        return np.arange(0, self.width, self.stride, dtype=np.int32)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of a map."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    @property
    def count(self) -> int:
        """How many positions a map has."""
        rows, columns = self.shape
        return rows * columns

    @property
    def boxes(self) -> np.ndarray:
        """What each patch covers, row by row: int32 (count, 4) of top, left, bottom, right.

        Bottom and right are the first row and column that are not covered any more.
        """
        return boxes(self, self.rows, self.columns)


def span(centres: np.ndarray, size: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """First pixel, and first one beyond, that patches cover in one direction.

    Args:
        centres: Integers (n,).
        size: Side of the patch.
        length: Pixels of the image in that direction.
    """
    first = centres - size // 2
    return np.maximum(first, 0), np.minimum(first + size, length)


def boxes(patches: Patches, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What the patches centred on some rows and columns cover, int32 (rows * columns, 4)."""
    top, bottom = span(rows, patches.size, patches.height)
    left, right = span(columns, patches.size, patches.width)
    covered = np.empty((len(rows), len(columns), 4), np.int32)
    covered[..., 0], covered[..., 2] = top[:, None], bottom[:, None]
    covered[..., 1], covered[..., 3] = left, right
    return covered.reshape(-1, 4)


def filled(images: np.ndarray, fill: Any, size: int) -> np.ndarray:
    """What hidden pixels show.

    Args:
        images: float32 (b, height, width, channels).
        fill: A number, one number a channel (the data's mean, for instance), or ``blur``: the image
            itself under a Gaussian whose sigma is the size of the patch.
        size: Side of the patch, in pixels.

    Returns:
        float32 of the images' shape; read-only where every pixel shows the same.

    Raises:
        ValueError: The fill is none of these.
    """
    if isinstance(fill, str) and fill == "blur":
        from scipy.ndimage import gaussian_filter

        blurred: np.ndarray = gaussian_filter(
            images.astype(np.float32), sigma=(0, size, size, 0), mode="nearest"
        )
        return blurred
    try:
        value = np.asarray(fill, np.float32)
    except (TypeError, ValueError):
        value = np.empty((0, 0), np.float32)
    if value.shape not in ((), (1,), images.shape[3:]) or not np.isfinite(value).all():
        raise ValueError(
            "The 'fill' of an occlusion map must be a finite number, one number a channel, or "
            f"'blur'. Received: fill={fill!r} for {images.shape[3]} channels. "
            "Use 0, the data's mean or 'blur'."
        )
    return np.broadcast_to(value, images.shape)


def of_class(maps: np.ndarray, classes: Any) -> np.ndarray:
    """Maps of one class an image.

    Args:
        maps: float32 (b, rows, columns, classes).
        classes: An integer for all images, or one an image (b,).

    Returns:
        float32 (b, rows, columns).

    Raises:
        ValueError: There is no such class, or not one an image.
    """
    chosen = np.asarray(classes)
    known = maps.shape[3]
    fits = chosen.shape in ((), (len(maps),)) and np.issubdtype(chosen.dtype, np.integer)
    if not fits or ((chosen < 0) | (chosen >= known)).any():
        raise ValueError(
            f"The 'classes' of occlusion maps must be integers from 0 to {known - 1}, one for all "
            f"images or one each. Received: {classes!r} for {len(maps)} images. "
            "Give positions of classes."
        )
    taken = np.broadcast_to(chosen, (len(maps),))[:, None, None, None]
    return np.ascontiguousarray(np.take_along_axis(maps, taken, axis=3)[..., 0])
