"""Stamps of three classes that a small network learns in a moment, for tests of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("left", "right", "low")


def stamps(count: int = 120, side: int = 12, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, side, side, channels), and the class (count,): where the bright square is."""
    rng = np.random.default_rng(3)
    labels = np.arange(count) % 3
    images = rng.integers(0, 90, (count, side, side, channels)).astype(np.uint8)
    for label, (row, column) in enumerate([(2, 2), (2, 8), (8, 5)]):
        images[labels == label, row : row + 3, column : column + 3] += 120
    return images, labels


def recipe_of(folder: Path, **image: Any) -> dict[str, Any]:
    """A dataset's recipe of stamps that are written to a file in the folder."""
    images, labels = stamps(**image)
    path = folder / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(CLASSES))
    return {"source": "arrays", "path": str(path), "splits": {"val": 0.2, "test": 0.2}}
