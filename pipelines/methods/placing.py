"""Where a new vector belongs on a map that stands already. Needs numpy alone."""

from __future__ import annotations

import numpy as np


def place(map_points: np.ndarray, positions: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Where a new vector belongs on a map: amid its neighbours.

    Args:
        map_points: float32 (n, dimensions).
        positions: int (k,), the neighbours of the new vector.
        distances: float (k,), how far they are from it.

    Returns:
        float32 (dimensions,): the mean of its neighbours' places, each weighted by one over its
        distance; the place of its copies, where it has any.
    """
    points = np.asarray(map_points[positions], np.float64)
    copies = distances <= 1e-6 * max(float(np.max(distances)), 1e-12)
    weights = np.where(copies, 1.0, 0.0) if copies.any() else 1.0 / np.asarray(distances)
    return np.asarray(weights @ points / weights.sum(), np.float32)
