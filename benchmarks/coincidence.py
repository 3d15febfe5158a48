"""Exact class coincidence of all samples, neighbour search included, against the study's loop.

The study asks one query at a time: its distances to all, sorted in full. The loop is timed on a
tenth of the queries and scaled up.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import Row, embedded, paired, run, scaled
from pipelines.methods import coincidence
from pipelines.methods.neighbours import all_nearest

K = 50
SHARE = 0.1
TARGET = 25.0


def rows(size: float, rounds: int) -> list[Row]:
    """The one row."""
    vectors, labels = embedded(scaled(5000, size), 1024)
    part = np.arange(0, len(vectors), round(1 / SHARE))
    _at_once(vectors[:300], labels[:300])
    timed = paired(
        lambda: _at_once(vectors, labels),
        lambda: _one_by_one(vectors, labels, part),
        rounds,
        whole=lambda seconds, _: seconds * len(vectors) / len(part),
    )
    apart = float(np.abs(timed.result[part] - timed.baseline_result).max())
    return [
        Row(
            f"class coincidence of all of {len(vectors):,} x 1024, k = 1 … {K}",
            "all_nearest and shares",
            "one euclidean_distances and argsort a query",
            timed.seconds,
            timed.baseline,
            timed.ratio,
            f">= {TARGET:g}x",
            timed.ratio >= TARGET,
            f"largest difference of any share {apart:.2g}; "
            f"{len(part):,} of the loop's queries timed",
        )
    ]


def _at_once(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    graph = all_nearest(vectors, K)
    return coincidence.shares(labels, graph.positions, labels)


def _one_by_one(vectors: np.ndarray, labels: np.ndarray, part: np.ndarray) -> np.ndarray:
    from sklearn.metrics.pairwise import euclidean_distances

    shares = np.empty((len(part), K))
    for row, query in enumerate(part):
        distances = euclidean_distances(vectors[query : query + 1], vectors)[0]
        order = np.argsort(distances)
        near = order[order != query][:K]
        for k in range(1, K + 1):
            shares[row, k - 1] = np.mean(labels[near[:k]] == labels[query])
    return shares


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
