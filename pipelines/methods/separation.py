"""How far apart labels lie in an embedding: mean distances, and the silhouette.

P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
analysis", J. Comput. Appl. Math. 20 (1987), 53-65.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods.neighbours import Metric

SAMPLE = 3_000
"""Vectors that are looked at, at most: all pairs of them are."""


@dataclass(frozen=True)
class Separation:
    """Distances of a sample of vectors to each other.

    Attributes:
        within: Mean distance of two with the same label; None where there are none.
        between: Mean distance of two with different labels; None where there are none.
        silhouette: Mean silhouette by label, in [-1, 1]: 1 where labels are far apart, 0 where
            they touch; None where it is not defined (one label, or each its own).
        n: How many vectors were looked at.
    """

    within: float | None
    between: float | None
    silhouette: float | None
    n: int


def separation(
    vectors: np.ndarray, labels: np.ndarray, metric: Metric = "euclidean", seed: int = 0
) -> Separation:
    """Measure how far apart labels lie.

    Args:
        vectors: float32 (n, d).
        labels: Integers (n,).
        metric: ``euclidean`` or ``cosine``.
        seed: Of the sample, where there are more than :data:`SAMPLE`.
    """
    from sklearn.metrics import pairwise_distances, silhouette_score

    chosen = np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE]
    labels = labels[chosen]
    distances = pairwise_distances(np.asarray(vectors[chosen], np.float64), metric=metric)
    np.fill_diagonal(distances, 0)
    pairs = np.triu(np.ones(distances.shape, bool), 1)
    same = labels[:, None] == labels[None, :]
    several = len(np.unique(labels))
    defined = 2 <= several < len(labels)
    return Separation(
        within=_mean(distances[pairs & same]),
        between=_mean(distances[pairs & ~same]),
        silhouette=float(silhouette_score(distances, labels, metric="precomputed"))
        if defined
        else None,
        n=len(chosen),
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
