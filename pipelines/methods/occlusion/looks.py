"""Kinds of maps: groups of maps of one class that look alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods.clustering import MOST, by_size, kmeans_clusters
from pipelines.methods.occlusion.fidelity import FLAT, flat
from pipelines.methods.occlusion.many import Maps, blocks

_LEARNT_FROM = 20_000_000
"""Positions that the groups of a class are learnt from, of all its maps together."""


@dataclass(frozen=True)
class MapClusters:
    """Groups of maps of one class that look alike.

    Attributes:
        assigned: int32 (n,), cluster of each map within its class, from 0, the largest first; -1
            for flat maps.
        means: By class, float32 (clusters, rows, columns): the mean map of each cluster, as raw
            probabilities. A class all of whose maps are flat has none.
        sizes: By class, int64 (clusters,).
    """

    assigned: np.ndarray
    means: dict[int, np.ndarray]
    sizes: dict[int, np.ndarray]


def cluster_maps(
    maps: Maps,
    classes: np.ndarray,
    k: int,
    seed: int = 0,
    least: float = FLAT,
    fewest: int = 1,
) -> MapClusters:
    """Group the maps of each class by their shape.

    Each map is standardised with its own mean and standard deviation, so that a faint and a strong
    drop in one place are of one kind; k-means groups them (Lloyd 1982). Where a class has more maps
    than memory should hold, the groups are learnt from a sample, and the others join the nearest.

    Args:
        maps: (n, rows, columns) of one class an image.
        classes: That class (n,), as integers.
        k: Clusters a class, at least 1.
        seed: Of the first centres and of the sample.
        least: Range from which a map is not flat.
        fewest: Maps that are not flat which a class must have for each of its clusters; it has one
            in any case.

    Raises:
        ValueError: The k is below 1, or the shapes do not go together.
    """
    if k < 1:
        raise ValueError(
            "The 'k' of cluster_maps must be an integer >= 1. "
            f"Received: k={k}. Ask for 4, for instance."
        )
    if len(maps.shape) != 3 or classes.shape != maps.shape[:1]:
        raise ValueError(
            "Maps must be of shape (n, rows, columns), with one class each. "
            f"Received: maps {maps.shape} and {classes.shape}. Give the maps of one class an image."
        )
    shaped = ~np.concatenate([flat(maps[block], least) for block in blocks(maps)])
    found = MapClusters(np.full(len(classes), -1, np.int32), {}, {})
    for label in np.unique(classes[shaped]).tolist():
        rows = np.flatnonzero(shaped & (classes == label))
        count = max(1, min(k, len(rows) // fewest))
        found.assigned[rows] = _grouped(maps, rows, count, seed)
        found.sizes[label] = np.bincount(found.assigned[rows])
        found.means[label] = _means(maps, rows, found.assigned[rows])
    return found


def _grouped(maps: Maps, rows: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Cluster of each of some maps, the largest first."""
    most = max(k, min(MOST, _LEARNT_FROM // (maps.shape[1] * maps.shape[2])))
    if len(rows) <= most:
        return kmeans_clusters(_standardised(maps[rows]), k, seed)
    sample = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    learnt = _standardised(maps[sample])
    known = kmeans_clusters(learnt, k, seed)
    centres = np.stack([learnt[known == c].mean(axis=0) for c in range(known.max() + 1)])
    nearest = [_nearest(_standardised(maps[rows[b]]), centres) for b in blocks(maps, len(rows))]
    return by_size(np.concatenate(nearest))


def _standardised(maps: np.ndarray) -> np.ndarray:
    values = maps.reshape(len(maps), -1).astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    values /= values.std(axis=1, keepdims=True)
    return values.astype(np.float32)


def _nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    # The squared length of a vector is the same for every centre.
    distances = (centres**2).sum(axis=1) - 2 * vectors @ centres.T
    return np.asarray(distances.argmin(axis=1), np.int32)


def _means(maps: Maps, rows: np.ndarray, assigned: np.ndarray) -> np.ndarray:
    sizes = np.bincount(assigned)
    sums = np.zeros((len(sizes), *maps.shape[1:]))
    for block in blocks(maps, len(rows)):
        read = maps[rows[block]]
        for cluster in np.unique(assigned[block]):
            sums[cluster] += read[assigned[block] == cluster].sum(axis=0, dtype=np.float64)
    return np.asarray(sums / sizes[:, None, None], np.float32)
