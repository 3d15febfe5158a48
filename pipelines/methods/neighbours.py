"""The nearest vectors of each vector: exact, approximate above a size, and one at a time.

Exact search computes blocks of matrix products and keeps the k nearest with
:mod:`pipelines.methods.topk`; among all vectors each pair of blocks is computed once. Above
:data:`EXACT_UP_TO` vectors the graph of all neighbours comes from nearest-neighbour descent
(W. Dong, C. Moses, K. Li, "Efficient k-nearest neighbor graph construction for generic similarity
measures", WWW 2011), and its recall is measured against exact queries.

Distances are euclidean, or ``1 - cosine``; a zero vector has the cosine distance 1 to everything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np

from pipelines.methods.intervals import Rate, bootstrap
from pipelines.methods.vector_space import Metric as Metric
from pipelines.methods.vector_space import Space, checked, spans, squares

if TYPE_CHECKING:
    from pipelines.methods.topk import Candidates, Side

T = TypeVar("T")
Method = Literal["exact", "pynndescent"]
Progress = Callable[[int, int], None]

EXACT_UP_TO = 100_000
"""Vectors up to which the graph of all neighbours is computed exactly.

There, on two cores, 64 numbers a vector take a quarter of a minute and 1,024 one and a half; the
descent is faster once it runs, but compiles for most of a minute in every process.
"""

RECALL_AT = 10
RECALL_QUERIES = 1000

_LEAST_WIDTH = 30

_CANDIDATES = 20
"""Neighbours of neighbours that the descent tries at a time: a third of what it would take by
itself, which takes a fifth less time and finds as good as all the same."""


@dataclass(frozen=True)
class Nearest:
    """Neighbours of some queries, the nearest first, ties by position.

    Attributes:
        positions: int32 (q, k), positions in the gallery; -1 where there are fewer than k.
        distances: float32 (q, k); nan where there are fewer than k.
    """

    positions: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Graph(Nearest):
    """Neighbours of every vector among all others.

    Attributes:
        method: How they were found.
        recall: Share of the 10 nearest that were found, over a sample of queries, with a bootstrap
            interval over them; None where the search was exact.
    """

    method: Method
    recall: Rate | None


def exact(
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    metric: Metric = "euclidean",
    exclude: np.ndarray | None = None,
    *,
    progress: Progress | None = None,
) -> Nearest:
    """The k nearest gallery vectors of each query, as brute force in float64 finds them.

    Args:
        queries: float32 (q, d), finite.
        gallery: float32 (n, d), finite.
        k: At least 1. Where the gallery has fewer, the rest is -1 and nan.
        metric: ``euclidean`` or ``cosine``.
        exclude: int (q,), the gallery position that a query never gets (its own); -1 for none.
        progress: Called with the blocks of queries done and their number.

    Raises:
        ValueError: A shape, the k or the metric is not as above, or a value is not finite or
            above 1e15.
    """
    from pipelines.methods import topk

    queries, gallery = checked(queries, "queries"), checked(gallery, "gallery")
    _check_search(queries, gallery, k, metric)
    left_out = _exclusions(exclude, len(queries))
    nearest = _padded(len(queries), k)
    if not len(queries) or not len(gallery):
        return nearest
    space = Space(metric, gallery, queries)
    everything, asked, c = space.side(gallery), space.side(queries), space.error

    def search(span: slice) -> None:
        side = asked.rows(span)
        found = topk.no_candidates(len(side.vectors), k)
        block = -2 * space.block(side.vectors)
        for part in spans(len(gallery)):
            products = block @ space.block(gallery[part]).T
            bias = (1 - c) * everything.norms[part]
            own = left_out[span]
            topk.scan_rows(products, bias, part.start, own, k, c, side, everything, found)
        _settle(k, c, side, everything, found, nearest, span)

    _work(search, spans(len(queries)), progress)
    return nearest


def all_nearest(
    vectors: np.ndarray,
    k: int,
    metric: Metric = "euclidean",
    *,
    exact_up_to: int = EXACT_UP_TO,
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph:
    """The k nearest others of every vector.

    Args:
        vectors: float32 (n, d), finite.
        k: At least 1. Where there are fewer others, the rest is -1 and nan.
        metric: ``euclidean`` or ``cosine``.
        exact_up_to: Up to so many vectors every neighbour is found; above, nearly all are.
        seed: Of the approximate search, and of the queries that measure its recall.
        progress: Called with the pairs of blocks done and their number; the approximate search
            calls it at its end only.

    Raises:
        ValueError: As for :func:`exact`.
    """
    vectors = checked(vectors, "vectors")
    _check_search(vectors, vectors, k, metric)
    if len(vectors) <= max(exact_up_to, 2 * max(k, _LEAST_WIDTH)):
        found = _all_exact(vectors, k, metric, progress)
        return Graph(found.positions, found.distances, "exact", None)
    found = _descent(vectors, k, metric, seed)
    share = recall(vectors, found, metric, min(k, RECALL_AT), seed)
    if progress:
        progress(1, 1)
    return Graph(found.positions, found.distances, "pynndescent", share)


def one_query(
    vector: np.ndarray,
    vectors: np.ndarray,
    k: int,
    metric: Metric = "euclidean",
    exclude: int = -1,
) -> Nearest:
    """The k nearest of one vector, with numpy alone: for a click, not for a data set.

    Args:
        vector: float32 (d,).
        vectors: float32 (n, d), a memory map for instance.
        k: At least 1.
        metric: ``euclidean`` or ``cosine``.
        exclude: A position that is not to be found; -1 for none.

    Returns:
        Arrays of shape (k,), or shorter where there are fewer: what :func:`exact` finds, without
        its padding.

    Raises:
        ValueError: As for :func:`exact`; the values of ``vectors`` are not looked at.
    """
    asked = checked(vector[None], "vector")
    _check_search(asked, vectors, k, metric)
    wanted = min(k, len(vectors) - (exclude >= 0))
    if wanted < 1:
        return Nearest(np.empty(0, np.int32), np.empty(0, np.float32))
    rough = np.concatenate([_rough(asked[0], vectors[span], metric) for span in spans(vectors)])
    if exclude >= 0:
        rough[exclude] = np.inf
    # A sum of d float32 numbers is right to d roundings; the rest covers what underflows.
    error = (vectors.shape[1] + 32) * 2.0**-22
    limit = float(np.partition(rough, wanted - 1)[wanted - 1]) * (1 + error) + 1e-30
    places = np.flatnonzero(rough <= (limit + error if metric == "cosine" else limit))
    measured = measure(asked[0], vectors[places], metric)
    order = np.lexsort((places, measured))[:wanted]
    distances = np.sqrt(measured[order]) if metric == "euclidean" else measured[order]
    return Nearest(places[order].astype(np.int32), distances.astype(np.float32))


def query_ms(vectors: np.ndarray, k: int, metric: Metric = "euclidean", seed: int = 0) -> float:
    """Median milliseconds that :func:`one_query` takes for one of these vectors, in memory."""
    times = []
    for position in np.random.default_rng(seed).integers(0, len(vectors), 15).tolist():
        started = time.perf_counter()
        one_query(vectors[position], vectors, k, metric, position)
        times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times))


def measure(vector: np.ndarray, others: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared euclidean, or cosine, distances of one vector to others, float64 (n,)."""
    one, many = vector.astype(np.float64), others.astype(np.float64)
    if metric == "euclidean":
        return squares(many - one)
    scale = np.sqrt(squares(many) * squares(one[None]))
    cosine = np.einsum("ij,j->i", many, one) / np.where(scale > 0, scale, 1.0)
    distances: np.ndarray = np.maximum(0.0, 1.0 - cosine)
    return distances


def recall(vectors: np.ndarray, found: Nearest, metric: Metric, at: int, seed: int = 0) -> Rate:
    """Share of every vector's ``at`` nearest others that are among the first ``at`` found.

    A neighbour counts where it is no farther than the true one of last rank, so that a choice
    among equally near ones is no error.

    Args:
        vectors: float32 (n, d).
        found: Neighbours of every vector, at least ``at`` each.
        metric: That of the search.
        at: How many ranks to look at.
        seed: Of the sample of :data:`RECALL_QUERIES` queries, and of the bootstrap over them.
    """
    asked = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:RECALL_QUERIES])
    truth = exact(vectors[asked], vectors, at, metric, asked)
    shares = np.mean(found.distances[asked, :at] <= truth.distances[:, -1:], axis=1)
    low, high = bootstrap(np.mean, shares, seed=seed)
    return Rate(float(shares.mean()), low, high, len(asked))


def _all_exact(vectors: np.ndarray, k: int, metric: Metric, progress: Progress | None) -> Nearest:
    """Every pair of blocks once: its product serves the rows' queries and the columns'."""
    from pipelines.methods import topk

    nearest = _padded(len(vectors), k)
    if not len(vectors):
        return nearest
    space = Space(metric, vectors)
    everything, c = space.side(vectors), space.error
    found = topk.no_candidates(len(vectors), k)
    own = np.arange(len(vectors), dtype=np.int32)
    parts = spans(vectors)
    locks = [Lock() for _ in parts]

    def search(pair: tuple[int, int]) -> None:
        rows, columns = parts[pair[0]], parts[pair[1]]
        products = (-2 * space.block(vectors[rows])) @ space.block(vectors[columns]).T
        with locks[pair[0]]:
            bias = (1 - c) * everything.norms[columns]
            side, mine, first = everything.rows(rows), found.rows(rows), columns.start
            topk.scan_rows(products, bias, first, own[rows], k, c, side, everything, mine)
        if pair[0] != pair[1]:
            with locks[pair[1]]:
                bias = (1 - c) * everything.norms[rows]
                side, mine = everything.rows(columns), found.rows(columns)
                topk.scan_columns(products, bias, rows.start, k, c, side, everything, mine)

    def end(span: slice) -> None:
        _settle(k, c, everything.rows(span), everything, found.rows(span), nearest, span)

    # Along diagonals: pairs that are worked on at the same time share no block.
    count = len(parts)
    _work(
        search, [(row, row + off) for off in range(count) for row in range(count - off)], progress
    )
    _work(end, parts, None)
    return nearest


def _descent(vectors: np.ndarray, k: int, metric: Metric, seed: int) -> Nearest:
    """Nearly all of the k nearest others of every vector, with their exact distances."""
    from pynndescent import NNDescent

    from pipelines.methods import topk

    # With few neighbours the descent finds its way badly: it is given some more.
    width = max(k, _LEAST_WIDTH)
    index = NNDescent(
        vectors,
        metric=metric,
        n_neighbors=width + 1,
        max_candidates=_CANDIDATES,
        random_state=seed,
    )
    graph = np.asarray(index.neighbor_graph[0], np.int32)
    own = np.arange(len(vectors), dtype=np.int32)
    # Itself goes to the end of its row, where enough copies of it have pushed it anyway.
    order = np.argsort(graph == own[:, None], axis=1, kind="stable")
    graph = np.ascontiguousarray(np.take_along_axis(graph, order, axis=1)[:, :width])
    everything = Space(metric, vectors).side(vectors)
    counts = np.full(len(vectors), width, np.int32)
    wide = _padded(len(vectors), width)

    def end(span: slice) -> None:
        side, places, distances = everything.rows(span), wide.positions[span], wide.distances[span]
        topk.settle(width, side, everything, counts[span], graph[span], places, distances)

    _work(end, spans(vectors), None)
    nearest = Nearest(wide.positions[:, :k].copy(), wide.distances[:, :k].copy())
    # Rows that the descent left unfinished, and zero vectors, to which all are equally near.
    odd = np.flatnonzero((graph < 0).any(axis=1) | (everything.squares == 0))
    if len(odd):
        truth = exact(vectors[odd], vectors, k, metric, odd)
        nearest.positions[odd], nearest.distances[odd] = truth.positions, truth.distances
    return nearest


def _settle(
    k: int,
    c: np.float32,
    queries: Side,
    gallery: Side,
    found: Candidates,
    nearest: Nearest,
    span: slice,
) -> None:
    """The end of an exact search, written into the rows ``span`` of the result."""
    from pipelines.methods import topk

    topk.reduce_all(k, c, queries, gallery, found)
    places, distances = nearest.positions[span], nearest.distances[span]
    topk.settle(k, queries, gallery, found.counts, found.positions, places, distances)


def _work(call: Callable[[T], None], tasks: Sequence[T], progress: Progress | None) -> None:
    """Call a function with every task, one thread a core; each does its own matrix products."""
    from threadpoolctl import threadpool_limits

    done = 0
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(_cores()) as pool,
    ):
        for _ in pool.map(call, tasks):
            done += 1
            if progress:
                progress(done, len(tasks))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rough(vector: np.ndarray, block: np.ndarray, metric: Metric) -> np.ndarray:
    """Squared euclidean, or cosine, distances of one vector to others, float32 (n,)."""
    if metric == "euclidean":
        gaps = block - vector
        rough: np.ndarray = np.einsum("ij,ij->i", gaps, gaps)
        return rough
    return measure(vector, block, metric).astype(np.float32)


def _padded(queries: int, k: int) -> Nearest:
    return Nearest(np.full((queries, k), -1, np.int32), np.full((queries, k), np.nan, np.float32))


def _exclusions(exclude: np.ndarray | None, queries: int) -> np.ndarray:
    if exclude is None:
        return np.full(queries, -1, np.int32)
    if exclude.shape != (queries,):
        raise ValueError(
            "The 'exclude' of a search must be one gallery position a query. "
            f"Received: shape {exclude.shape} for {queries} queries. Use -1 for none."
        )
    return exclude.astype(np.int32)


def _check_search(queries: np.ndarray, gallery: np.ndarray, k: int, metric: str) -> None:
    if queries.shape[1:] != gallery.shape[1:]:
        raise ValueError(
            "The queries of a search must be as long as the gallery's vectors. Received: "
            f"{queries.shape[1:]} and {gallery.shape[1:]}. Use vectors of one embedding."
        )
    if k < 1:
        raise ValueError(
            f"The 'k' of a search must be an integer >= 1. Received: k={k}. "
            "Set 'neighbours' of the embedding in the recipe."
        )
    if metric not in get_args(Metric):
        raise ValueError(
            f"The 'metric' of a search must be one of {', '.join(get_args(Metric))}. "
            f"Received: {metric}. Set 'metric' of the embedding in the recipe."
        )
