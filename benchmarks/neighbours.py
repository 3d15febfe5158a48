"""Neighbours of all: against a loop of Annoy queries, and against scikit-learn's brute force.

The baselines are loops over queries, timed on a tenth of them and scaled up; Annoy has the setting
that takes least time of those that reach the recall, and building its index, timed once, is counted
in. Both ways of
:func:`pipelines.methods.neighbours.all_nearest` are shown against Annoy: the descent is what it
takes above its ``EXACT_UP_TO``. What the descent compiles, once a process, is not timed but told.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.common import Row, embedded, in_turn, run, scaled, seconds
from pipelines.methods import annoy_index, index_measuring
from pipelines.methods.neighbours import Graph, all_nearest

K = 50
RECALL = 0.99
SHARE = 0.1
CASES = ((64, 2.5, 1.3), (1024, 4.0, 3.0))
"""Numbers a vector; how many times faster than Annoy, and than brute force, to be."""


def rows(size: float, rounds: int) -> list[Row]:
    """One row for each width, way and baseline."""
    n = scaled(100_000, size)
    compiled, _ = seconds(lambda: all_nearest(embedded(300, 8)[0], K, exact_up_to=0))
    all_nearest(embedded(300, 8)[0], K)
    found = []
    for width, than_annoy, than_brute in CASES:
        vectors, _ = embedded(n, width)
        found += _width(vectors, rounds, than_annoy, than_brute, compiled)
    return found


def _width(
    vectors: np.ndarray, rounds: int, than_annoy: float, than_brute: float, compiled: float
) -> list[Row]:
    case = f"neighbours of all of {len(vectors):,} x {vectors.shape[1]}, k = {K}"
    part = np.arange(0, len(vectors), round(1 / SHARE))
    truth = all_nearest(vectors, K, exact_up_to=len(vectors))
    annoy = _best_annoy(vectors, truth)
    brute = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(vectors)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.ann"
        annoy_index.build(vectors, path, annoy.trees)
        index = annoy_index.load(path, vectors.shape[1])
        times, given = in_turn(
            (
                lambda: all_nearest(vectors, K, exact_up_to=0),
                lambda: all_nearest(vectors, K, exact_up_to=len(vectors)),
                lambda: [
                    index.get_nns_by_item(i, K + 1, annoy.search_k, True) for i in part.tolist()
                ],
                lambda: brute.kneighbors(vectors[part], return_distance=False),
            ),
            rounds,
        )
    descent, exactly, _, theirs = given[-1]
    # An index is built once, however many queries there are.
    every = len(vectors) / len(part)
    rounds_of = {
        "descent": [took[0] for took in times],
        "exact": [took[1] for took in times],
        "annoy": [annoy.build_seconds + took[2] * every for took in times],
        "brute": [took[3] * every for took in times],
    }
    recall = descent.recall
    others = [row[row != own][:K] for row, own in zip(theirs, part, strict=True)]
    same = float((np.stack(others) == exactly.positions[part]).all(axis=1).mean())
    setting = f"Annoy, {annoy.trees} trees, search_k {annoy.search_k}"
    asked = f"{len(part):,} of Annoy's queries timed, of recall@10 {annoy.recall[10].value:.3f}"
    found = f"recall@10 {recall.value:.4f}; the first call compiles for {compiled:.0f} s"
    identical = (
        f"{same:.2%} of the queries have identical neighbours in the same order; "
        f"{len(part):,} of scikit-learn's queries timed"
    )
    lines = (
        ("pynndescent", "descent", setting, "annoy", than_annoy, f"{found}; {asked}"),
        ("exact", "exact", setting, "annoy", than_annoy, f"all found; {asked}"),
        ("exact", "exact", "scikit-learn, brute", "brute", than_brute, identical),
    )
    return [
        _row(case, f"all_nearest, {way}", name, rounds_of[ours], rounds_of[theirs], target, note)
        for way, ours, name, theirs, target, note in lines
    ]


def _row(
    case: str,
    method: str,
    baseline: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    target: float,
    note: str,
) -> Row:
    ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
    return Row(
        case,
        method,
        baseline,
        statistics.median(ours),
        statistics.median(theirs),
        ratio,
        f">= {target}x",
        ratio >= target,
        note,
    )


def _best_annoy(vectors: np.ndarray, truth: Graph) -> index_measuring.Measured:
    """The setting of least time among those that reach the recall."""
    measured = index_measuring.measure(
        vectors, truth, (10, 20, 50), (500, 1000, 2000, 4000, 8000, 16_000)
    )
    good = [row for row in measured if row.recall[10].value >= RECALL]
    if not good:
        good = [max(measured, key=lambda row: row.recall[10].value)]
    return min(good, key=lambda row: row.build_seconds + row.ms / 1000 * len(vectors))


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
