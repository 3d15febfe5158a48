"""Compiled search for the k smallest distances among blocks of matrix products.

A matrix product in float32 gives every squared distance to within a known error (N. J. Higham,
"Accuracy and stability of numerical algorithms", 2nd ed. (2002), section 3.1). With it a
candidate has a lower and an upper bound, and it is dropped only once k others have upper bounds
below its lower one. What is left over, a few more than k, is measured again in float64 and sorted
by distance and position, so that the answer is that of brute force, ties included.

In all functions here a *score* is ``(1 - c) |g|^2 - 2 q.g`` of a query q and a gallery row g,
both centred and scaled to norms of at most 1: the lower bound of the squared distance, less
terms that are the same for all rows. ``score + 2 c (|g|^2 + |q|^2)`` is the upper bound.

This module compiles machine code; import it in functions, never at the top of another module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

HIGHEST = np.float32(8.0)
"""Above every score there is."""

F = TypeVar("F", bound=Callable[..., Any])

_CHUNK = 64
# Of the steps of Shell's sort: M. Ciura, "Best increments for the average case of Shellsort",
# FCT 2001.
_GAPS = (1750, 701, 301, 132, 57, 23, 10, 4, 1)
# Sums may be reordered, and there is no nan: needed for the inner loops to use vector registers.
_LOOSE = {"reassoc", "nsz", "nnan", "contract"}


def _compiled(function: F) -> F:
    compile_it: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_LOOSE)
    compiled: F = compile_it(function)
    return compiled


class Candidates(NamedTuple):
    """What is still in question for some queries; rows are queries.

    Attributes:
        thresholds: float32 (q,), the largest score that still counts.
        counts: int32 (q,), how many candidates a query has.
        scores: float32 (q, room).
        positions: int32 (q, room), positions in the gallery.
    """

    thresholds: np.ndarray
    counts: np.ndarray
    scores: np.ndarray
    positions: np.ndarray

    def rows(self, span: slice) -> Candidates:
        """Views of some of the queries."""
        return Candidates(*(array[span] for array in self))


class Side(NamedTuple):
    """Queries or gallery, as the compiled functions read them.

    Attributes:
        vectors: float32 (n, d), as they were given.
        norms: float32 (n,), squared norms of the centred and scaled vectors.
        squares: float64 (n,), squared norms of the vectors as given, for the cosine; -1 says that
            the distance is euclidean.
    """

    vectors: np.ndarray
    norms: np.ndarray
    squares: np.ndarray

    def rows(self, span: slice) -> Side:
        """Views of some of the rows."""
        return Side(*(array[span] for array in self))


def no_candidates(queries: int, k: int) -> Candidates:
    """Room for the candidates of some queries, of which k each are wanted."""
    # A query is never offered more than a chunk at once before its candidates are reduced.
    room = k + 32 + k // 4 + _CHUNK
    return Candidates(
        np.full(queries, HIGHEST, np.float32),
        np.zeros(queries, np.int32),
        np.empty((queries, room), np.float32),
        np.empty((queries, room), np.int32),
    )


@_compiled
def scan_rows(
    products: np.ndarray,
    bias: np.ndarray,
    first: int,
    exclude: np.ndarray,
    k: int,
    c: np.float32,
    queries: Side,
    gallery: Side,
    found: Candidates,
) -> None:
    """Offer each query (row of ``products``) all gallery rows (columns) of a block.

    Args:
        products: float32 (q, g), ``-2 q.g``.
        bias: float32 (g,), ``(1 - c) |g|^2``.
        first: Position in the gallery of the block's first row.
        exclude: int32 (q,), a gallery position that a query never gets; -1 for none.
        k: How many are wanted.
        c: Relative error of a product.
        queries: Those of the block.
        gallery: All of it.
        found: Candidates of the block's queries, changed in place.
    """
    width = products.shape[1]
    for row in range(products.shape[0]):
        line, own = products[row], exclude[row]
        scores, positions = found.scores[row], found.positions[row]
        threshold = found.thresholds[row]
        for start in range(0, width, _CHUNK):
            stop = min(start + _CHUNK, width)
            least = HIGHEST
            for column in range(start, stop):
                score = line[column] + bias[column]
                if score < least:
                    least = score
            if least > threshold:
                continue
            count = found.counts[row]
            for column in range(start, stop):
                score = line[column] + bias[column]
                if score <= threshold and first + column != own:
                    scores[count] = score
                    positions[count] = first + column
                    count += 1
            found.counts[row] = count
            if count > len(scores) - _CHUNK:
                _reduce(row, k, c, queries, gallery, found)
                threshold = found.thresholds[row]


@_compiled
def scan_columns(
    products: np.ndarray,
    bias: np.ndarray,
    first: int,
    k: int,
    c: np.float32,
    queries: Side,
    gallery: Side,
    found: Candidates,
) -> None:
    """The same for a block whose columns are the queries and whose rows are of the gallery.

    No query of such a block is among its gallery rows, so that there is nothing to exclude.
    """
    width = products.shape[1]
    thresholds = found.thresholds
    for row in range(products.shape[0]):
        line = products[row]
        add = bias[row]
        for start in range(0, width, _CHUNK):
            stop = min(start + _CHUNK, width)
            least = HIGHEST
            for column in range(start, stop):
                above = line[column] + add - thresholds[column]
                if above < least:
                    least = above
            if least > 0:
                continue
            for column in range(start, stop):
                score = line[column] + add
                if score <= thresholds[column]:
                    count = found.counts[column]
                    found.scores[column, count] = score
                    found.positions[column, count] = first + row
                    found.counts[column] = count + 1
                    if count + 1 > found.scores.shape[1] - _CHUNK:
                        _reduce(column, k, c, queries, gallery, found)


@_compiled
def settle(
    k: int,
    queries: Side,
    gallery: Side,
    counts: np.ndarray,
    candidates: np.ndarray,
    positions: np.ndarray,
    distances: np.ndarray,
) -> None:
    """Measure candidates in float64 and write the k nearest of them.

    Args:
        k: How many are wanted.
        queries: Those whose candidates these are.
        gallery: All of it.
        counts: int32 (q,), how many candidates each query has.
        candidates: int32 (q, room), positions in the gallery; they are reordered.
        positions: int32 (q, k), written; where there are fewer it is left alone.
        distances: float32 (q, k), written likewise.
    """
    exact = np.empty(candidates.shape[1])
    for row in range(len(counts)):
        _rank(row, counts[row], queries, gallery, candidates[row], exact)
        for rank in range(min(k, counts[row])):
            distance = exact[rank]
            positions[row, rank] = candidates[row, rank]
            distances[row, rank] = np.sqrt(distance) if queries.squares[row] < 0 else distance


@_compiled
def reduce_all(k: int, c: np.float32, queries: Side, gallery: Side, found: Candidates) -> None:
    """Drop all candidates that are certainly not among the k nearest."""
    for row in range(len(found.counts)):
        if found.counts[row] > k:
            _reduce(row, k, c, queries, gallery, found)


@_compiled
def _reduce(
    row: int, k: int, c: np.float32, queries: Side, gallery: Side, found: Candidates
) -> None:
    """Drop the candidates of a query that k others are certainly nearer than."""
    scores, positions = found.scores[row], found.positions[row]
    count = found.counts[row]
    upper = np.empty(count, np.float32)
    for place in range(count):
        norms = gallery.norms[positions[place]] + queries.norms[row]
        upper[place] = scores[place] + 2 * c * norms
    threshold = min(_smallest(upper, k), found.thresholds[row])
    kept = 0
    for place in range(count):
        if scores[place] <= threshold:
            scores[kept], positions[kept] = scores[place], positions[place]
            kept += 1
    found.counts[row] = kept
    found.thresholds[row] = threshold
    if kept > k + (len(scores) - _CHUNK - k) // 2:
        # Many equally near, as among copies of one image: only exact distances can tell.
        exact = np.empty(kept)
        held, held_scores = positions[:kept].copy(), scores[:kept].copy()
        _rank(row, kept, queries, gallery, positions, exact)
        for place in range(k):
            for origin in range(kept):
                if held[origin] == positions[place]:
                    scores[place] = held_scores[origin]
        found.counts[row] = k


@_compiled
def _smallest(values: np.ndarray, k: int) -> Any:
    """The k-th smallest value (C. A. R. Hoare, "Algorithm 65: find", 1961); reorders them."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if k - 1 <= right:
            high = right
        elif k - 1 >= left:
            low = left
        else:
            break
    return values[k - 1]


@_compiled
def _rank(
    row: int,
    count: int,
    queries: Side,
    gallery: Side,
    positions: np.ndarray,
    exact: np.ndarray,
) -> None:
    """Measure a query's first ``count`` candidates and sort them by distance, then position."""
    for place in range(count):
        position = positions[place]
        exact[place] = _distance(
            queries.vectors[row],
            gallery.vectors[position],
            queries.squares[row],
            gallery.squares[position],
        )
    for gap in _GAPS:
        for place in range(gap, count):
            distance, position = exact[place], positions[place]
            hole = place
            while hole >= gap and (
                exact[hole - gap] > distance
                or (exact[hole - gap] == distance and positions[hole - gap] > position)
            ):
                exact[hole], positions[hole] = exact[hole - gap], positions[hole - gap]
                hole -= gap
            exact[hole], positions[hole] = distance, position


@_compiled
def _distance(one: np.ndarray, other: np.ndarray, square: float, other_square: float) -> Any:
    """Squared euclidean distance, or the cosine distance, in float64."""
    total = 0.0
    if square < 0:
        for axis in range(len(one)):
            gap = np.float64(one[axis]) - np.float64(other[axis])
            total += gap * gap
        return total
    if square == 0 or other_square == 0:
        return 1.0
    for axis in range(len(one)):
        total += np.float64(one[axis]) * np.float64(other[axis])
    return max(0.0, 1.0 - total / np.sqrt(square * other_square))
