"""Neighbours of all: against a loop of Annoy queries, and against scikit-learn's brute force.

The baselines are loops over queries, timed on a tenth of them and scaled up; Annoy's index is
built in full, with the setting that takes least time of those that reach the recall. Both ways of
:func:`pipelines.methods.neighbours.all_nearest` are shown against Annoy: the descent is what it
takes above its ``EXACT_UP_TO``. What the descent compiles, once a process, is not timed but told.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.common import Row, embedded, paired, run, scaled, seconds
from pipelines.methods import annoy_index
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
    trees, search_k = _best_annoy(vectors, truth)
    found = []
    for method in ("pynndescent", "exact"):
        up_to = 0 if method == "pynndescent" else len(vectors)
        timed = paired(
            partial(all_nearest, vectors, K, exact_up_to=up_to),
            lambda: _annoy_loop(vectors, part, trees, search_k),
            rounds,
            # The index is built once, however many queries there are.
            whole=lambda seconds, built: built + (seconds - built) * len(vectors) / len(part),
        )
        recall = timed.result.recall
        seen = f"recall@10 {recall.value:.4f}" if recall else "all found"
        found.append(
            Row(
                case,
                f"all_nearest, {method}",
                f"Annoy, {trees} trees, search_k {search_k}",
                timed.seconds,
                timed.baseline,
                timed.ratio,
                f">= {than_annoy}x",
                timed.ratio >= than_annoy,
                f"{seen}; {len(part):,} of Annoy's queries timed"
                + (f"; the first call compiles for {compiled:.0f} s" if recall else ""),
            )
        )
    found.append(_brute(case, vectors, part, truth, rounds, than_brute))
    return found


def _brute(
    case: str,
    vectors: np.ndarray,
    part: np.ndarray,
    truth: Graph,
    rounds: int,
    target: float,
) -> Row:
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(vectors)
    timed = paired(
        lambda: all_nearest(vectors, K, exact_up_to=len(vectors)),
        lambda: brute.kneighbors(vectors[part], return_distance=False),
        rounds,
        whole=lambda seconds, _: seconds * len(vectors) / len(part),
    )
    theirs = timed.baseline_result
    others = [row[row != own][:K] for row, own in zip(theirs, part, strict=True)]
    same = float((np.stack(others) == truth.positions[part]).all(axis=1).mean())
    return Row(
        f"{case}, exact",
        "all_nearest, exact",
        "scikit-learn, brute",
        timed.seconds,
        timed.baseline,
        timed.ratio,
        f">= {target}x",
        timed.ratio >= target,
        f"{same:.2%} of the queries have identical neighbours in the same order; "
        f"{len(part):,} of scikit-learn's queries timed",
    )


def _best_annoy(vectors: np.ndarray, truth: Graph) -> tuple[int, int]:
    """The trees and search_k of least time among those that reach the recall."""
    measured = annoy_index.measure(
        vectors, truth, (10, 20, 50), (500, 1000, 2000, 4000, 8000, 16_000)
    )
    good = [row for row in measured if row.recall[10].value >= RECALL]
    if not good:
        good = [max(measured, key=lambda row: row.recall[10].value)]
    best = min(good, key=lambda row: row.build_seconds + row.ms / 1000 * len(vectors))
    return best.trees, best.search_k


def _annoy_loop(vectors: np.ndarray, part: np.ndarray, trees: int, search_k: int) -> float:
    """Build an index, ask it for some members; the seconds that building took."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index.ann"
        took, _ = seconds(lambda: annoy_index.build(vectors, path, trees))
        index = annoy_index.load(path, vectors.shape[1])
        for item in part.tolist():
            index.get_nns_by_item(item, K + 1, search_k, True)
    return took


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
