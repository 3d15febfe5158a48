"""Pixels as an embedding: standardised, reduced by principal components. The baseline.

Images of more than 32 pixels a side are averaged down to 32 first, because finer detail moves with
every shift of the object and only adds noise to a distance. Mean, spread and components come from
train alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIDE = 32
"""Longest side, in pixels, that the components are made of."""

MOST_ROWS = 10_000
"""Images that the components are fitted on, at most."""

_MOST_VALUES = 40_000_000


@dataclass(frozen=True)
class PixelPCA:
    """What turns pixels into components.

    Attributes:
        shape: (height, width, channels) of the images.
        mean: float32 (d,), of the averaged-down pixels of train.
        scale: float32 (d,), their standard deviation; 1 where a pixel never changes.
        components: float32 (dim, d), orthonormal rows.
        explained: Share of the variance that the components carry.
        fitted_on: How many images of train they were fitted on.
    """

    shape: tuple[int, int, int]
    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    explained: float
    fitted_on: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Embed images.

        Args:
            images: float32 (b, height, width, channels) in [0, 1].

        Returns:
            float32 (b, dim).
        """
        standard = (shrunk(images) - self.mean) / self.scale
        vectors: np.ndarray = standard @ self.components.T
        return vectors

    def save(self, path: Path) -> None:
        """Write it as ``.npz``."""
        np.savez(
            path,
            shape=np.array(self.shape),
            mean=self.mean,
            scale=self.scale,
            components=self.components,
            explained=np.array(self.explained),
            fitted_on=np.array(self.fitted_on),
        )


def load(path: Path) -> PixelPCA:
    """Read what :meth:`PixelPCA.save` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        height, width, channels = (int(side) for side in kept["shape"])
        return PixelPCA(
            (height, width, channels),
            kept["mean"],
            kept["scale"],
            kept["components"],
            float(kept["explained"]),
            int(kept["fitted_on"]),
        )


def shrunk(images: np.ndarray) -> np.ndarray:
    """Average images down to at most 32 x 32 and lay each out as one row.

    Args:
        images: float32 (b, height, width, channels).

    Returns:
        float32 (b, d). A pixel is the mean over the area that it covers.
    """
    count, height, width, channels = images.shape
    down, across = _areas(height), _areas(width)
    rows = np.matmul(down, images.reshape(count, height, width * channels))
    planes = rows.reshape(count, len(down), width, channels).transpose(0, 1, 3, 2)
    small = np.matmul(planes, across.T)
    return np.ascontiguousarray(small.reshape(count, -1))


def fit(
    read: Callable[[np.ndarray], np.ndarray],
    shape: tuple[int, int, int],
    train: np.ndarray,
    dim: int,
) -> PixelPCA:
    """Fit on train.

    Args:
        read: Gives the images of some positions, float32 (b, height, width, channels) in [0, 1].
        shape: (height, width, channels) of the images.
        train: Positions (n,) of the train split, at least two. Of more than ``MOST_ROWS`` (fewer
            where an image has many values) a random sample is taken, always the same.
        dim: Components wanted; no more are made than pixels that vary, or than images less one.
    """
    from sklearn.decomposition import PCA

    per_image = min(shape[0], SIDE) * min(shape[1], SIDE) * shape[2]
    most = min(MOST_ROWS, _MOST_VALUES // per_image)
    if len(train) > most:
        train = np.sort(np.random.default_rng(0).choice(train, most, replace=False))
    rows = np.empty((len(train), per_image), np.float32)
    for start in range(0, len(train), 256):
        rows[start : start + 256] = shrunk(read(train[start : start + 256]))
    mean = rows.mean(axis=0, dtype=np.float64)
    scale = rows.std(axis=0, dtype=np.float64)
    varies = scale > 1e-6
    scale[~varies] = 1.0
    rows -= mean.astype(np.float32)
    rows /= scale.astype(np.float32)
    if varies.any():
        dim = max(1, min(dim, int(varies.sum()), len(train) - 1))
        fitted = PCA(dim, random_state=0).fit(rows)
        components = np.ascontiguousarray(fitted.components_, dtype=np.float32)
        whole = float(np.square(rows, dtype=np.float64).sum()) / (len(rows) - 1)
        explained = min(float(fitted.explained_variance_.sum()) / whole, 1.0)
    else:
        components, explained = np.eye(1, per_image, dtype=np.float32), 1.0
    return PixelPCA(
        shape,
        mean.astype(np.float32),
        scale.astype(np.float32),
        components,
        explained,
        len(train),
    )


def _areas(side: int) -> np.ndarray:
    """float32 (min(side, 32), side): the share of each pixel in each larger one; rows sum to 1."""
    small = min(side, SIDE)
    edges = np.arange(small + 1) * (side / small)
    pixels = np.arange(side)
    inside = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    shares: np.ndarray = np.clip(inside, 0, None) * (small / side)
    return shares.astype(np.float32)
