"""An approximate index checked, measured beside others against the exact answer, and chosen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from annoy import AnnoyIndex

from pipelines.errors import StageError
from pipelines.methods.annoy_index import build, by_vector, load
from pipelines.methods.intervals import Rate, percentiles
from pipelines.methods.neighbours import Metric, Progress, query_ms

TARGET = 0.99
"""Recall@10 that an index should reach."""

MEASURED_AT = (10, 50)
SEARCH_K = (100, 300, 1000, 3000, 10_000)
QUERIES = 200
"""Members that an index is asked for when it is measured."""

LEAST_FOUND = 0.9
"""Share of the samples that an index must find by their own vectors."""

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Measured:
    """One setting of an index against the exact neighbours.

    Attributes:
        trees: Trees of the index.
        search_k: Nodes that a query may look at.
        recall: By number of neighbours (10, and 50 where as many are known): the share of the true
            ones that is found, with a bootstrap interval over queries.
        ms: Median milliseconds of a query.
        bytes: Size of the file.
        build_seconds: What building it took.
    """

    trees: int
    search_k: int
    recall: dict[int, Rate]
    ms: float
    bytes: int
    build_seconds: float

    def written(self) -> dict[str, float]:
        """As a row of the grid in ``index.json``."""
        return {
            "trees": self.trees,
            "search_k": self.search_k,
            "recall@10": self.recall[10].value,
            "ms": self.ms,
            "bytes": self.bytes,
            "build_seconds": self.build_seconds,
        }


class Found(Protocol):
    """Neighbours of every vector, as a graph or the cache has them."""

    @property
    def positions(self) -> np.ndarray:
        """int (n, k), the nearest first; -1 for none."""

    @property
    def distances(self) -> np.ndarray:
        """float (n, k); nan for none."""


def check(
    index: AnnoyIndex,
    vectors: np.ndarray,
    search_k: int,
    metric: Metric = "euclidean",
    seed: int = 0,
    sample: int = 1000,
) -> tuple[int, int]:
    """Ask an index for a sample of the vectors it is of: each must find its own sample.

    One that differs from it by no more than rounding counts too, as a copy does. A vector without
    a direction is no member that could be asked for where only directions count.

    Args:
        index: See :func:`pipelines.methods.annoy_index.load`.
        vectors: float32 (n, d), in the order of the samples.
        search_k: Nodes that a query may look at.
        metric: That of the index.
        seed: Of the sample.
        sample: How many to ask for, at most.

    Returns:
        How many were asked for, and how many were found.

    Raises:
        StageError: The index has more or fewer members than there are vectors, or fewer than
            :data:`LEAST_FOUND` are found: it is of other vectors, or useless.
    """
    n = len(vectors)
    if index.get_n_items() != n:
        raise StageError(
            f"The index must have a member for each of the {n} samples. "
            f"Received: {index.get_n_items()}. Run the pipeline's index stage again."
        )
    asked = np.random.default_rng(seed).permutation(n)[:sample]
    lengths = np.linalg.norm(vectors[asked].astype(np.float64), axis=1)
    if metric == "cosine":
        asked, lengths = asked[lengths > 0], lengths[lengths > 0]
    found = 0
    for item, length in zip(asked.tolist(), lengths.tolist(), strict=True):
        near = index.get_nns_by_vector(vectors[item], 1, search_k)
        if near and (near[0] == item or _as_good(vectors[near[0]], vectors[item], length, metric)):
            found += 1
    if found < LEAST_FOUND * len(asked):
        raise StageError(
            f"The index must find at least {LEAST_FOUND:.0%} of the samples by their own vectors. "
            f"Received: {found} of {len(asked)}. Where the vectors are in order, give it more "
            "trees or a larger search_k: index.trees and index.search_k of the embedding."
        )
    return len(asked), found


def make(
    vectors: np.ndarray,
    neighbours: Found,
    path: Path,
    *,
    metric: Metric,
    trees: int,
    search_k: int | Literal["auto"],
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build an index, check it, and measure it beside others.

    Args:
        vectors: float32 (n, d).
        neighbours: Those of every vector, exact or nearly so.
        path: The file of the index.
        metric: ``euclidean`` or ``cosine``.
        trees: Of the index.
        search_k: Nodes that a query may look at; ``auto`` takes the fewest measured ones that
            reach the :data:`TARGET`.
        seed: Of the trees and of the sample of queries.
        progress: Called with the steps done and their number.

    Returns:
        What ``index.json`` holds: the setting, how it was checked, its ``recall`` and ``ms`` a
        query, ``exact_ms`` a query without it, which of both to ``use``, and the ``grid``.

    Raises:
        StageError: The index does not find its own members, see :func:`check`.
    """
    grid = sorted({max(1, trees // 2), trees, 2 * trees})
    nodes = sorted({*SEARCH_K, *([] if search_k == "auto" else [search_k])})
    rows = measure(
        vectors, neighbours, grid, nodes, metric, seed, keep={trees: path}, progress=progress
    )
    chosen = choose(rows, trees, search_k)
    index = load(path, vectors.shape[1], metric)
    asked, answered = check(index, vectors, chosen.search_k, metric, seed)
    alone = query_ms(vectors, max(MEASURED_AT), metric, seed)
    return {
        "trees": trees,
        "search_k": chosen.search_k,
        "metric": metric,
        "dim": vectors.shape[1],
        "bytes": chosen.bytes,
        "build_seconds": chosen.build_seconds,
        "checked": {"asked": asked, "answered": answered},
        "recall": {str(at): _written(share) for at, share in chosen.recall.items()},
        "ms": chosen.ms,
        "exact_ms": alone,
        "use": "exact" if alone <= chosen.ms else "annoy",
        "queries": min(len(vectors), QUERIES),
        "grid": [row.written() for row in rows],
    }


def measure(
    vectors: np.ndarray,
    neighbours: Found,
    trees: Sequence[int],
    search_k: Sequence[int],
    metric: Metric = "euclidean",
    seed: int = 0,
    *,
    keep: Mapping[int, Path] | None = None,
    progress: Progress | None = None,
) -> list[Measured]:
    """Recall, time and size over a grid of settings: a row each, by trees, then search_k.

    Args:
        vectors: float32 (n, d).
        neighbours: Those of every vector.
        trees: An index is built for each.
        search_k: Each is asked of each index, in rising order.
        metric: That of the neighbours.
        seed: Of the trees and of the sample of queries.
        keep: Where the indices of some numbers of trees go; the others are thrown away.
        progress: Called with the indices measured and their number.
    """
    asked = np.random.default_rng(seed).permutation(len(vectors))[:QUERIES]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for done, several in enumerate(trees, start=1):
            path = (keep or {}).get(several, Path(folder) / f"{several}.ann")
            started = time.perf_counter()
            build(vectors, path, several, metric, seed)
            seconds = time.perf_counter() - started
            index = load(path, vectors.shape[1], metric)
            size = path.stat().st_size
            for nodes in sorted(search_k):
                recall, ms = _ask(index, vectors, asked, neighbours, nodes, metric, seed)
                rows.append(Measured(several, nodes, recall, ms, size, seconds))
            index.unload()
            if progress:
                progress(done, len(trees))
    return rows


def choose(
    rows: Sequence[Measured], trees: int, search_k: int | Literal["auto"] = "auto"
) -> Measured:
    """The setting to use of an index of so many trees.

    Args:
        rows: What was measured.
        trees: Of the index.
        search_k: That of the row; ``auto`` for the fewest nodes that reach the :data:`TARGET`
            at 10 neighbours, or else those that find most.

    Raises:
        ValueError: No such setting was measured.
    """
    its = [row for row in rows if row.trees == trees and search_k in ("auto", row.search_k)]
    if not its:
        known = ", ".join(f"{row.trees}/{row.search_k}" for row in rows) or "nothing"
        raise ValueError(
            "The 'trees' and 'search_k' of choose must be among the measured ones. Received: "
            f"{trees}/{search_k}; measured: {known}. Measure this setting too."
        )
    good = [row for row in its if row.recall[10].value >= TARGET]
    if good:
        return min(good, key=lambda row: row.search_k)
    return max(its, key=lambda row: (row.recall[10].value, -row.search_k))


def _as_good(found: np.ndarray, wanted: np.ndarray, length: float, metric: Metric) -> bool:
    """Whether a vector can, in single precision, not be told from the wanted one of a length."""
    if metric == "cosine":
        own = float(np.linalg.norm(found.astype(np.float64)))
        return own > 0 and float(found.astype(np.float64) @ wanted) >= (1 - 1e-6) * own * length
    return float(np.linalg.norm(found.astype(np.float64) - wanted)) <= 1e-6 * length


def _written(share: Rate) -> dict[str, float]:
    return {"value": share.value, "low": share.low, "high": share.high, "n": share.n}


def _ask(
    index: AnnoyIndex,
    vectors: np.ndarray,
    asked: np.ndarray,
    neighbours: Found,
    search_k: int,
    metric: Metric,
    seed: int,
) -> tuple[dict[int, Rate], float]:
    """Recall by number of neighbours, and the median milliseconds of a query, of one setting."""
    width = neighbours.positions.shape[1]
    shares, times = np.full((len(asked), len(MEASURED_AT)), np.nan), []
    for row, item in enumerate(asked.tolist()):
        started = time.perf_counter()
        found = by_vector(index, vectors[item], max(MEASURED_AT), search_k, metric, item)
        times.append((time.perf_counter() - started) * 1000)
        there = int((neighbours.positions[item] >= 0).sum())
        for column, at in enumerate(MEASURED_AT):
            truth = min(at, there)
            if truth and (at <= width or column == 0):
                # One that is as near as the last of the true ones is as good.
                bar = (
                    float(neighbours.distances[item, truth - 1]) * (1 + _TOLERANCE) + _TOLERANCE**2
                )
                shares[row, column] = min(
                    1.0, np.count_nonzero(found.distances[:at] <= bar) / truth
                )
    recall = {}
    for column, at in enumerate(MEASURED_AT):
        known = shares[~np.isnan(shares[:, column]), column]
        if len(known):
            drawn = np.random.default_rng(seed).integers(0, len(known), (1000, len(known)))
            low, high = percentiles(known[drawn].mean(axis=1))
            recall[at] = Rate(float(known.mean()), low, high, len(known))
    return recall, float(np.median(times))
