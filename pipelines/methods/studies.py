"""Class coincidence as the published studies counted it, so that their figures can be compared.

Source: the search notebooks of the AJNA study (rows C13, V15 and V17 of its record). A batch of
images is drawn, then queries from the batch with replacement; the nearest of each are looked for
inside the batch, and **the query counts as the first of its own neighbours**. So 1 of every k
answers is right by construction, the gallery is a few hundred images, and nothing stands beside
the figure that says what chance would give. :mod:`pipelines.methods.coincidence` does it right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BATCHES = (256, 512)
QUERIES = 1000


@dataclass(frozen=True)
class Protocol:
    """What the protocol counts.

    Attributes:
        value: Share of all answers that bear the query's label, the queries themselves among them.
        without_query: The same answers without the queries: of k - 1 each.
        hits: int64 (c,), answers of each class's queries that bear their label.
        answers: int64 (c,), how many answers each class's queries got.
        queries: How many queries were drawn.
        batch: Images of the largest batch.
        k: Answers a query, the query itself included.
    """

    value: float
    without_query: float
    hits: np.ndarray
    answers: np.ndarray
    queries: int
    batch: int
    k: int


def batch_protocol(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int,
    k: int,
    queries: int = QUERIES,
    seed: int = 0,
) -> Protocol:
    """Class coincidence by the studies' protocol, over all full batches of one shuffling.

    A last batch of fewer than half the size is left out: in the studies a batch of 13 images was
    averaged in, where 20 answers cannot be right.

    Args:
        vectors: float32 (n, d), the images that are searched; in the studies the test split.
        labels: Integers (n,) from 0.
        batch: Images of a batch.
        k: Answers a query, the query itself included; at least 2.
        queries: How many queries to draw from each batch, with replacement.
        seed: Of the shuffling and the drawing.

    Raises:
        ValueError: There are fewer than k images in the smallest batch that counts.
    """
    n = len(vectors)
    generator = np.random.default_rng(seed)
    order = generator.permutation(n)
    batches = [order[start : start + batch] for start in range(0, n, batch)]
    batches = [rows for rows in batches if 2 * len(rows) >= min(batch, n)]
    smallest = min((len(rows) for rows in batches), default=0)
    if not 2 <= k <= smallest:
        raise ValueError(
            "The 'k' of batch_protocol must lie between 2 and the images of a batch. "
            f"Received: k={k}, {smallest} images. Give more images, or a smaller k."
        )
    classes = int(labels.max()) + 1
    hits, answers = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for rows in batches:
        drawn = generator.integers(0, len(rows), queries)
        found = _nearest(vectors[rows].astype(np.float64), k)
        right = (labels[rows][found] == labels[rows][:, None]).sum(axis=1)
        np.add.at(hits, labels[rows][drawn], right[drawn])
        np.add.at(answers, labels[rows][drawn], k)
    asked = queries * len(batches)
    total = int(hits.sum())
    return Protocol(
        value=total / (asked * k),
        without_query=(total - asked) / (asked * (k - 1)),
        hits=hits,
        answers=answers,
        queries=asked,
        batch=max(len(rows) for rows in batches),
        k=k,
    )


def _nearest(vectors: np.ndarray, k: int) -> np.ndarray:
    """Positions (n, k) of each one's nearest, itself first, by euclidean distance."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    distances = squares[:, None] - 2 * vectors @ vectors.T + squares
    # Rounding must not put a copy of the query before the query.
    np.fill_diagonal(distances, -np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]
