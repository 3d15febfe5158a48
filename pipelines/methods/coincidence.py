"""Class coincidence: the share of a query's nearest neighbours that bear its label.

It is precision@k of a search by example, averaged over queries or (macro) over classes. Queries
are never among their own neighbours, and the chance level stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.methods.intervals import CONFIDENCE, Difference
from pipelines.methods.near_duplicates import chains
from pipelines.methods.neighbours import Metric, exact

RESAMPLES = 1000

_AT_ONCE = 200
_MANY = 3000
_PARTS = 8


@dataclass(frozen=True)
class Curve:
    """Class coincidence at 1 … m neighbours, each with a bootstrap interval over queries.

    Attributes:
        k: int (m,), numbers of neighbours.
        value: float64 (m,); nan where no query has so many neighbours.
        low: float64 (m,), lower ends.
        high: float64 (m,), upper ends.
        n: int (m,), queries that have so many neighbours.
    """

    k: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


@dataclass(frozen=True)
class Chance:
    """What a search would reach that draws its neighbours from the gallery at random.

    Attributes:
        overall: Averaged over queries.
        macro: Averaged over the classes that have queries.
        classes: float64 (c,), for the queries of each class; nan for a class without any.
    """

    overall: float
    macro: float
    classes: np.ndarray


@dataclass(frozen=True)
class Compared:
    """Two embeddings asked the same queries.

    Attributes:
        difference: Mean of the first's shares less the second's, with a bootstrap interval.
        p_value: Two-sided sign-flip permutation test of no difference.
        n: Queries that both answered.
    """

    difference: Difference
    p_value: float
    n: int


def shares(query_labels: np.ndarray, neighbours: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of each query's first 1 … k neighbours that bear its label.

    Args:
        query_labels: (q,), labels as codes or names.
        neighbours: int (q, k), positions in ``labels``, the nearest first; -1 for none.
        labels: (n,), labels of the same kind.

    Returns:
        float32 (q, k); nan from where a query has no more neighbours.
    """
    same = np.empty(neighbours.shape, np.float32)
    for start in range(0, len(neighbours), 4096):
        rows = slice(start, start + 4096)
        same[rows] = labels[neighbours[rows]] == query_labels[rows, None]
    np.cumsum(same, axis=1, out=same)
    same /= np.arange(1, neighbours.shape[1] + 1, dtype=np.float32)
    same[neighbours < 0] = np.nan
    return same


def curve(
    shares: np.ndarray,
    query_labels: np.ndarray,
    macro: bool = False,
    seed: int = 0,
    *,
    at: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
) -> Curve:
    """Class coincidence over k with its bootstrap interval.

    The bootstrap resamples queries; for the macro average within each class, as the classes are
    fixed and their sizes are not what is estimated.

    Args:
        shares: float (q, k), see :func:`shares`.
        query_labels: (q,), codes or names.
        macro: Average over classes and not over queries.
        seed: Same seed, same interval.
        at: Numbers of neighbours to tell it at, up to k; all of them if absent.
        resamples: How many times to resample.
    """
    told = np.arange(1, shares.shape[1] + 1) if at is None else np.asarray(at, int)
    shares = shares[:, told - 1]
    ranks = len(told)
    known = ~np.isnan(shares)
    values = np.where(known, shares, 0.0).astype(np.float64)
    groups = pd.factorize(query_labels)[0] if macro else np.zeros(len(shares), int)
    drawn = np.zeros((resamples, ranks))
    total, there = np.zeros(ranks), np.zeros((resamples, ranks))
    classes = np.zeros(ranks)
    rng = np.random.default_rng(seed)
    for group in range(groups.max(initial=-1) + 1):
        rows = np.flatnonzero(groups == group)
        some, mask = values[rows], known[rows].astype(np.float64)
        sums, counts = some.sum(axis=0), mask.sum(axis=0)
        total += np.divide(sums, counts, out=np.zeros(ranks), where=counts > 0)
        classes += counts > 0
        if len(rows) > _MANY and mask.all():
            drawn += _drawn_in_heaps((seed, group), told, some, resamples)
            there += 1
            continue
        for start in range(0, resamples, _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, resamples))
            weights = _weights(rng, part.stop - start, len(rows))
            counts = weights @ mask
            means = np.divide(weights @ some, counts, out=np.zeros(counts.shape), where=counts > 0)
            drawn[part] += means
            there[part] += counts > 0
    unknown = np.full(ranks, np.nan)
    value = np.divide(total, classes, out=unknown.copy(), where=classes > 0)
    means = np.divide(drawn, there, out=np.zeros(drawn.shape), where=there > 0)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    low, high = (np.where(classes > 0, end, np.nan) for end in (low, high))
    return Curve(told, value, low, high, known.sum(axis=0))


def by_class(
    shares: np.ndarray, query_labels: np.ndarray, n_classes: int, seed: int = 0
) -> list[Curve]:
    """One curve a class, of its own queries.

    Args:
        shares: float (q, k), see :func:`shares`.
        query_labels: int (q,), codes 0 … n_classes - 1.
        n_classes: How many classes there are; one without queries gets a curve of nan.
        seed: Same seed, same intervals.
    """
    return [
        curve(shares[own], query_labels[own], seed=seed)
        for own in (query_labels == code for code in range(n_classes))
    ]


def chance(
    query_labels: np.ndarray, gallery_labels: np.ndarray, within: bool, n_classes: int | None = None
) -> Chance:
    """Class coincidence of a search at random; it is the same at every k.

    Args:
        query_labels: int (q,), codes.
        gallery_labels: int (n,), codes.
        within: Whether the queries belong to the gallery, where they are not found themselves.
        n_classes: How many classes there are; by default up to the largest code.
    """
    several = (
        n_classes or int(max(query_labels.max(initial=-1), gallery_labels.max(initial=-1))) + 1
    )
    asked = np.bincount(query_labels, minlength=several)
    there = np.bincount(gallery_labels, minlength=several).astype(float) - within
    others = len(gallery_labels) - within
    level = there / others if others > 0 else np.full(several, np.nan)
    classes = np.where(asked > 0, level, np.nan)
    if not asked.any():
        return Chance(float("nan"), float("nan"), classes)
    overall = float((np.where(asked > 0, level, 0.0) * asked).sum() / asked.sum())
    return Chance(overall, float(level[asked > 0].mean()), classes)


def paired(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Compared:
    """Compare two embeddings by their shares at one k on the same queries.

    The test flips the sign of each query's difference at random (E. J. G. Pitman, "Significance
    tests which may be applied to samples from any populations", 1937): without a difference
    between the embeddings each sign is as likely as the other.

    Args:
        first: float (q,), the first's shares at one k; nan is left out.
        second: float (q,), the second's, of the same queries.
        seed: Of the bootstrap and of the flips.

    Raises:
        ValueError: The arrays are not equally long.
    """
    if first.shape != second.shape:
        raise ValueError(
            "The two arrays of paired must be of the same queries. Received: "
            f"{first.shape} and {second.shape}. Use one split and one k for both."
        )
    gaps = first.astype(np.float64) - second
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        unknown = float("nan")
        return Compared(Difference(unknown, unknown, unknown), 1.0, 0)
    rng = np.random.default_rng(seed)
    # Shares at one k have few values: whole heaps of equal differences are drawn, and flipped.
    values, counts = np.unique(gaps.round(6), return_counts=True)
    means = rng.multinomial(len(gaps), counts / len(gaps), RESAMPLES) @ values / len(gaps)
    sizes, counts = np.unique(np.abs(gaps[gaps != 0]).round(6), return_counts=True)
    # Equal sums may differ in their last digits by the order of their terms.
    bar, flips, extreme = abs(gaps.round(6).sum()) * (1 - 1e-9) - 1e-9, 10 * RESAMPLES, 0
    for _ in range(0, flips, _AT_ONCE):
        signs = 2 * rng.binomial(counts, 0.5, (_AT_ONCE, len(counts))) - counts
        extreme += int(np.count_nonzero(np.abs(signs @ sizes) >= bar))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    difference = Difference(float(gaps.mean()), float(low), float(high))
    return Compared(difference, (extreme + 1) / (flips + 1), len(gaps))


def without(
    vectors: np.ndarray,
    neighbours: np.ndarray,
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    metric: Metric,
    *,
    pairs: np.ndarray | None = None,
    groups: Sequence[str | None] | np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """Neighbours less those that are too close to the query to say anything of the embedding.

    Left out are the query's near-duplicates, theirs in turn, and the samples of its group
    (patient, night). Queries that lose a neighbour are searched again, exactly, with what they
    need beyond it.

    Args:
        vectors: float32 (n, d), of all samples.
        neighbours: int32 (q, k or more), positions of all samples, the nearest first.
        queries: int (q,), positions of the queries.
        gallery: int (g,), positions of the samples that may be found, in order.
        k: How many neighbours are wanted.
        metric: That of the embedding.
        pairs: int (m, 2), near-duplicates as positions.
        groups: (n,), name of each sample's group, None for a sample of its own.

    Returns:
        int32 (q, k), padded with -1 where the gallery has no more, and how many queries lost a
        neighbour.
    """
    related = _Related(len(vectors), pairs, groups)
    clean = np.full((len(queries), k), -1, np.int32)
    given = neighbours[:, :k]
    clean[:, : given.shape[1]] = given
    affected = np.flatnonzero((related.to(queries, clean) & (clean >= 0)).any(axis=1))
    extra = related.count(queries[affected])
    # Those that need as much are searched together: one patient with many images costs only him.
    order = np.argsort(extra, kind="stable")
    for part in np.array_split(order, min(len(order), _PARTS)) if len(order) else []:
        rows = affected[part]
        wide = min(k + int(extra[part].max()), len(gallery))
        found = exact(vectors[queries[rows]], vectors[gallery], wide, metric).positions
        found = np.where(found >= 0, gallery[found], -1)
        keep = (found >= 0) & ~related.to(queries[rows], found)
        keep &= found != queries[rows, None]
        # What is kept goes to the front, in its order.
        ranked = np.argsort(~keep, axis=1, kind="stable")[:, :k]
        taken = np.take_along_axis(np.where(keep, found, -1), ranked, axis=1)
        clean[rows] = -1
        clean[rows, : taken.shape[1]] = taken
    return clean, len(affected)


class _Related:
    """Which samples are too close to each other: members of one group, or of a chain of pairs."""

    def __init__(
        self,
        count: int,
        pairs: np.ndarray | None,
        groups: Sequence[str | None] | np.ndarray | None,
    ) -> None:
        self.partitions = []
        if pairs is not None and len(pairs):
            self.partitions.append(chains(pairs, count))
        if groups is not None:
            self.partitions.append(pd.factorize(np.asarray(groups, dtype=object))[0])

    def to(self, queries: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Whether each query (q,) is related to each of its others (q, m)."""
        related = np.zeros(others.shape, bool)
        for codes in self.partitions:
            own = codes[queries][:, None]
            related |= (codes[others] == own) & (own >= 0)
        return related

    def count(self, queries: np.ndarray) -> np.ndarray:
        """At most so many samples are related to each query, itself included: int (q,)."""
        most = np.ones(len(queries), np.int64)
        for codes in self.partitions:
            own = codes[queries]
            sizes = np.bincount(codes[codes >= 0], minlength=1)
            most += np.where(own >= 0, sizes[own], 0)
        return most


def _drawn_in_heaps(
    seed: tuple[int, int], ks: np.ndarray, values: np.ndarray, resamples: int
) -> np.ndarray:
    """Column means of bootstrap resamples, (resamples, m), each column drawn for itself.

    The column of a k is drawn alike whatever others stand beside it. At k neighbours there are no
    more than k + 1 different shares: how many of each a resample holds is drawn at once, in a time
    that does not grow with the queries.
    """
    means = np.empty((resamples, values.shape[1]))
    for column, k in enumerate(ks):
        rng = np.random.default_rng((*seed, k))
        heaps, counts = np.unique(values[:, column], return_counts=True)
        drawn = rng.multinomial(len(values), counts / len(values), resamples)
        means[:, column] = drawn @ heaps / len(values)
    return means


def _weights(rng: np.random.Generator, resamples: int, count: int) -> np.ndarray:
    """How often each of ``count`` is drawn in each bootstrap resample, float64."""
    drawn = rng.integers(0, count, (resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    weights: np.ndarray = np.bincount(drawn.ravel(), minlength=resamples * count).astype(np.float64)
    return weights.reshape(resamples, count)
