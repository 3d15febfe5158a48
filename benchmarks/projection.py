"""UMAP of 100,000 vectors from the shared neighbours, against ``UMAP().fit`` of the same vectors.

The neighbours stand already, as every embedding's do; a second row counts them in. Both sides are
called once before on few vectors, so that nothing compiles while it is timed.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.common import Row, embedded, paired, run, scaled, seconds
from pipelines.methods.map_quality import trustworthiness
from pipelines.methods.neighbours import all_nearest
from pipelines.methods.projection import umap_map

K = 15
TARGET = 2.3
SAMPLE = 2000
SLACK = 0.005
"""By how much trustworthiness may fall short and still count as no lower: it varies that much."""


def rows(size: float, rounds: int) -> list[Row]:
    """Two rows: the neighbours given, and counted in."""
    few, _ = embedded(600, 64)
    _shared(few)
    _default(few)
    vectors, _ = embedded(scaled(100_000, size), 64)
    searched, graph = seconds(lambda: all_nearest(vectors, 50))
    timed = paired(
        lambda: umap_map(vectors, graph.positions, graph.distances, neighbours=K),
        lambda: _default(vectors),
        rounds,
    )
    ours, theirs = (
        trustworthiness(vectors, mapped, K, sample=SAMPLE).value
        for mapped in (timed.result, timed.baseline_result)
    )
    note = (
        f"trustworthiness {ours:.4f} against {theirs:.4f}, of {min(SAMPLE, len(vectors)):,} points"
    )
    case, kept = f"UMAP of {len(vectors):,} x 64", ours >= theirs - SLACK
    total = timed.seconds + searched
    counted_in = timed.baseline / total
    return [
        Row(
            case,
            "umap_map from the shared neighbours, seeded",
            "UMAP().fit",
            timed.seconds,
            timed.baseline,
            timed.ratio,
            f">= {TARGET}x, no lower trustworthiness",
            timed.ratio >= TARGET and kept,
            note,
        ),
        Row(
            f"{case}, search of 50 neighbours included",
            "all_nearest and umap_map, seeded",
            "UMAP().fit",
            total,
            timed.baseline,
            counted_in,
            ">= 1x",
            counted_in >= 1,
            f"the search took {searched:.1f} s",
        ),
    ]


def _shared(vectors: np.ndarray) -> np.ndarray:
    graph = all_nearest(vectors, 50)
    return umap_map(vectors, graph.positions, graph.distances, neighbours=K)


def _default(vectors: np.ndarray) -> np.ndarray:
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapped: np.ndarray = UMAP().fit(vectors).embedding_
    return mapped


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
