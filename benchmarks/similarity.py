"""Search by item in the dashboard: answered from the graph, against computing it at each click.

A click reads the query's row of the mapped graph, and labels and distances of what it finds, from
files as an embedding has them; computing it asks one vector against all, mapped too. Clicks ask
for samples at random, so that no answer is already known.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.common import Row, embedded, run, scaled
from pipelines.methods import coincidence
from pipelines.methods.neighbours import one_query

K = 50
WIDTH = 64
CLICKS = 50
TARGET_MS = 100.0


def rows(size: float, rounds: int) -> list[Row]:
    """The one row: milliseconds a click."""
    n = scaled(100_000, size)
    vectors, labels = embedded(n, WIDTH)
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "vectors.npy", vectors)
        # What the neighbours are does not change what reading them takes.
        np.save(folder / "neighbours.npy", rng.integers(0, n, (n, K), np.int32))
        np.save(folder / "distances.npy", rng.uniform(size=(n, K)).astype(np.float32))
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            asked = rng.integers(0, n, CLICKS).tolist()
            ours.append(_median(lambda query: _read(folder, labels, query), asked))
            theirs.append(_median(lambda query: _computed(folder, labels, query), asked[:10]))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    value = statistics.median(ours)
    return [
        Row(
            f"search by item among {n:,} x {WIDTH}, k = {K}",
            "from the graph",
            "one vector against all",
            value,
            statistics.median(theirs),
            ratio,
            f"under {TARGET_MS:g} ms a click",
            value < TARGET_MS,
            "the search alone; the page around it is drawn either way",
            "ms",
        )
    ]


def _median(click: Callable[[int], float], asked: list[int]) -> float:
    times = []
    for query in asked:
        started = time.perf_counter()
        click(query)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _read(folder: Path, labels: np.ndarray, query: int) -> float:
    found = np.load(folder / "neighbours.npy", mmap_mode="r")[query]
    distances = np.load(folder / "distances.npy", mmap_mode="r")[query]
    return _share(labels, query, np.asarray(found)) + float(distances[0])


def _computed(folder: Path, labels: np.ndarray, query: int) -> float:
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    found = one_query(vectors[query], vectors, K, exclude=query)
    return _share(labels, query, found.positions) + float(found.distances[0])


def _share(labels: np.ndarray, query: int, found: np.ndarray) -> float:
    return float(coincidence.shares(labels[[query]], found[None], labels)[0, -1])


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
