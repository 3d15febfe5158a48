"""Clusters of vectors, found without labels, and what they have to do with the labels.

HDBSCAN finds clusters of any shape and leaves out what lies between them (Campello, Moulavi and
Sander 2013); k-means (Lloyd 1982) gives every vector to one of as many clusters as asked for.
Both measure euclidean distances; :func:`comparable` makes those follow the cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.methods.neighbours import Metric

NOISE = -1
"""Cluster of the vectors that HDBSCAN gives to none."""

DIMENSIONS = 15
"""Principal components that HDBSCAN works on, at most: density means little in more."""

MOST = 10_000
"""Vectors that HDBSCAN works on at most; the others join the cluster of their nearest one."""


def comparable(vectors: np.ndarray, metric: Metric) -> np.ndarray:
    """Vectors whose euclidean distances order pairs as the metric does.

    Args:
        vectors: float32 (n, d).
        metric: That of the embedding: for ``cosine`` all vectors get the length 1; what has no
            direction stays as it is.

    Returns:
        float32 (n, d).
    """
    if metric == "euclidean":
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: np.ndarray = np.divide(
        vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0
    )
    return directions


def hdbscan_clusters(vectors: np.ndarray, min_size: int, seed: int = 0) -> np.ndarray:
    """Clusters by density.

    Works on the first :data:`DIMENSIONS` principal components, and where there are more than
    :data:`MOST` vectors on a sample of them.

    Args:
        vectors: float32 (n, d).
        min_size: Fewest vectors of a cluster, at least 2.
        seed: Of the sample and of the components.

    Returns:
        int32 (n,): clusters from 0 in order of size, the largest first; -1 for noise.
    """
    from sklearn.cluster import HDBSCAN

    n = len(vectors)
    if n <= max(min_size, 2):
        return np.full(n, NOISE, np.int32)
    reduced = _components(vectors, seed)
    drawn = np.arange(n)
    if n > MOST:
        drawn = np.sort(np.random.default_rng(seed).permutation(n)[:MOST])
    scaled = max(2, round(min_size * len(drawn) / n))
    found = HDBSCAN(min_cluster_size=scaled, copy=True).fit(reduced[drawn]).labels_
    labels = np.full(n, NOISE, np.int32)
    labels[drawn] = found
    if n > MOST:
        others = np.setdiff1d(np.arange(n), drawn)
        labels[others] = _labels_of_nearest(reduced[others], reduced[drawn], found)
    return by_size(labels)


def kmeans_clusters(vectors: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """As many clusters as asked for, each vector in one.

    Args:
        vectors: float32 (n, d), at least k of them.
        k: How many clusters.
        seed: Of the first centres; the best of three starts counts.

    Returns:
        int32 (n,): clusters from 0 in order of size, the largest first.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind = KMeans if len(vectors) <= MOST else MiniBatchKMeans
    found = kind(n_clusters=min(k, len(vectors)), n_init=3, random_state=seed).fit(vectors).labels_
    return by_size(found)


def describe(assigned: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """What clusters hold.

    Args:
        assigned: int (n,), cluster of each sample; -1 for none.
        labels: int (n,), position of each sample's label in ``classes``.
        classes: Class names.

    Returns:
        ``count`` of clusters; ``noise``, samples in none; ``purity``, share of the clustered
        samples that bear the dominant label of their cluster (None where all are noise);
        ``adjusted_rand_index`` of clusters and labels over all samples, noise as one cluster
        (Hubert and Arabie 1985); ``clusters``, each with ``cluster``, ``size``, ``dominant``
        label and ``purity``.
    """
    from sklearn.metrics import adjusted_rand_score

    count = int(assigned.max(initial=NOISE)) + 1
    inside = assigned >= 0
    table = np.zeros((count, len(classes)), np.int64)
    np.add.at(table, (assigned[inside], labels[inside]), 1)
    clusters = [
        {
            "cluster": cluster,
            "size": int(row.sum()),
            "dominant": classes[int(row.argmax())],
            "purity": float(row.max() / row.sum()),
        }
        for cluster, row in enumerate(table)
    ]
    clustered = int(inside.sum())
    return {
        "count": count,
        "noise": int(len(assigned) - clustered),
        "purity": float(table.max(axis=1).sum() / clustered) if clustered else None,
        "adjusted_rand_index": float(adjusted_rand_score(labels, assigned)),
        "clusters": clusters,
    }


def by_size(labels: np.ndarray) -> np.ndarray:
    """Number clusters anew by size; those of equal size keep their order.

    Args:
        labels: int (n,), from 0; negative for none.

    Returns:
        int32 (n,): from 0, the largest first; -1 for none.
    """
    inside = labels[labels >= 0]
    sizes = np.bincount(inside) if len(inside) else np.zeros(0, np.int64)
    rank = np.empty(len(sizes), np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.int32)
    numbered = np.full(len(labels), NOISE, np.int32)
    numbered[labels >= 0] = rank[inside]
    return numbered


def _components(vectors: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    count = min(DIMENSIONS, *vectors.shape)
    if count == vectors.shape[1]:
        return np.asarray(vectors, np.float64)
    solver = PCA(n_components=count, svd_solver="randomized", random_state=seed)
    return np.asarray(solver.fit_transform(np.asarray(vectors, np.float64)))


def _labels_of_nearest(asked: np.ndarray, known: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    nearest = KNeighborsClassifier(n_neighbors=1).fit(known, labels)
    return np.asarray(nearest.predict(asked))
