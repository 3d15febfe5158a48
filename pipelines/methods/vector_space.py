"""Vectors as a search needs them: looked through, in blocks, centred and scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pipelines.methods.topk import Side

Metric = Literal["euclidean", "cosine"]

BLOCK = 1024
"""Vectors that are worked on at a time."""

LARGEST = 1e15
"""Numbers beyond it are refused: their squares would leave float32."""


class Space:
    """Vectors as the matrix products need them: centred and scaled, or of length 1.

    Centring keeps the products small beside the distances, scaling keeps them within float32.
    """

    def __init__(self, metric: Metric, gallery: np.ndarray, *others: np.ndarray) -> None:
        self.metric = metric
        self.centre = np.zeros(gallery.shape[1], np.float32)
        self.scale = np.float32(1)
        if metric == "euclidean":
            total = sum(gallery[span].sum(axis=0, dtype=np.float64) for span in spans(gallery))
            self.centre = (total / len(gallery)).astype(np.float32)
            largest = max(
                float(squares(array[span] - self.centre).max())
                for array in (gallery, *others)
                for span in spans(array)
            )
            self.scale = np.float32(min(largest**-0.5, 1e30) if largest > 0 else 1)

    @property
    def error(self) -> np.float32:
        """Relative error of a squared distance, with room for the rounding of the vectors."""
        return np.float32((len(self.centre) + 32) * 2.0**-24)

    def block(self, vectors: np.ndarray) -> np.ndarray:
        """A block of vectors, float32 of the same shape."""
        if self.metric == "cosine":
            norms = np.sqrt(squares(vectors))[:, None]
            return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
        return (vectors - self.centre) * self.scale

    def side(self, vectors: np.ndarray) -> Side:
        """What the compiled search needs to know of some vectors."""
        from pipelines.methods.topk import Side

        # Read-only like a memory map, so that the search is compiled for one kind of array.
        vectors = np.asarray(vectors)[:]
        vectors.flags.writeable = False
        if self.metric == "cosine":
            lengths = np.concatenate([squares(vectors[span]) for span in spans(vectors)])
            return Side(vectors, np.ones(len(vectors), np.float32), lengths)
        norms = np.concatenate([squares(self.block(vectors[span])) for span in spans(vectors)])
        # Added to all alike, it changes no order; it covers what underflows.
        norms += 1e-24
        return Side(vectors, norms.astype(np.float32), np.full(len(vectors), -1.0))


def checked(vectors: np.ndarray, name: str) -> np.ndarray:
    """Vectors as contiguous float32 (n, d).

    Raises:
        ValueError: They have another shape, or a number that is not finite or too large.
    """
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise ValueError(
            f"The '{name}' of a search must have the shape (n, d), d >= 1. "
            f"Received: {vectors.shape}. Give one row a vector."
        )
    vectors = np.ascontiguousarray(vectors, np.float32)
    for span in spans(vectors):
        good = np.abs(vectors[span]).max(axis=1) <= LARGEST
        if not good.all():
            row = span.start + int(np.flatnonzero(~good)[0])
            raise ValueError(
                f"The '{name}' of a search must be finite numbers up to {LARGEST:g}. Received: "
                f"{np.abs(vectors[row]).max()} in row {row}. Look at what made these vectors: a "
                "training that diverged, or an image with infinite pixels."
            )
    return vectors


def spans(rows: np.ndarray | int) -> list[slice]:
    """The blocks of some rows."""
    total = rows if isinstance(rows, int) else len(rows)
    return [slice(start, min(start + BLOCK, total)) for start in range(0, total, BLOCK)]


def squares(rows: np.ndarray) -> np.ndarray:
    """Squared norm of each row, float64 (n,)."""
    wide = rows.astype(np.float64)
    total: np.ndarray = np.einsum("ij,ij->i", wide, wide)
    return total
