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
from pipelines.methods.resampling import means_of_classes

RESAMPLES = 1000

_AT_ONCE = 200
_PARTS = 8


@dataclass(frozen=True)
class Curve:
    """Class coincidence at 1 … m neighbours, each with a bootstrap interval.

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
        difference: Mean of the first's shares less the second's, over queries or over classes,
            with a bootstrap interval.
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
    units: np.ndarray | None = None,
    at: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
) -> Curve:
    """Class coincidence over k with its bootstrap interval.

    The bootstrap resamples queries, and those of one unit (a patient) together: they are not
    independent. For the macro average it resamples within each class, as the classes are fixed
    and their sizes are not what is estimated.

    Args:
        shares: float (q, k), see :func:`shares`.
        query_labels: (q,), codes or names.
        macro: Average over classes and not over queries.
        seed: Same seed, same interval.
        units: int (q,), queries with the same number are drawn together, see
            :func:`pipelines.methods.splits.units_of`; each for itself if absent.
        at: Numbers of neighbours to tell it at, up to k; all of them if absent.
        resamples: How many times to resample.
    """
    told = np.arange(1, shares.shape[1] + 1) if at is None else np.asarray(at, int)
    shares = shares[:, told - 1]
    classes = pd.factorize(query_labels)[0] if macro else np.zeros(len(shares), int)
    value, means = means_of_classes(
        shares, classes, units, resamples=resamples, streams=told, seed=seed
    )
    tail = (1 - CONFIDENCE) / 2
    ends = np.full((2, len(told)), np.nan)
    there = ~np.isnan(value)
    if there.any():
        ends[:, there] = np.nanquantile(means[:, there], [tail, 1 - tail], axis=0)
    return Curve(told, value, ends[0], ends[1], (~np.isnan(shares)).sum(axis=0))


def by_class(
    shares: np.ndarray,
    query_labels: np.ndarray,
    n_classes: int,
    seed: int = 0,
    *,
    units: np.ndarray | None = None,
) -> list[Curve]:
    """One curve a class, of its own queries.

    Args:
        shares: float (q, k), see :func:`shares`.
        query_labels: int (q,), codes 0 … n_classes - 1.
        n_classes: How many classes there are; one without queries gets a curve of nan.
        seed: Same seed, same intervals.
        units: int (q,), see :func:`curve`.
    """
    return [
        curve(
            shares[own], query_labels[own], seed=seed, units=None if units is None else units[own]
        )
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


def paired(
    first: np.ndarray,
    second: np.ndarray,
    *,
    classes: np.ndarray | None = None,
    units: np.ndarray | None = None,
    seed: int = 0,
) -> Compared:
    """Compare two embeddings by their shares at one k on the same queries.

    Difference, interval and test are of the same mean: over queries, or over classes of the mean
    of each. The test flips the sign of each unit's differences at random (E. J. G. Pitman,
    "Significance tests which may be applied to samples from any populations", 1937): without a
    difference between the embeddings each sign is as likely as the other.

    Args:
        first: float (q,), the first's shares at one k; nan is left out.
        second: float (q,), the second's, of the same queries.
        classes: (q,), labels as codes or names, to average over classes (macro); over queries if
            absent.
        units: int (q,), queries that are drawn, and flipped, together; see :func:`curve`.
        seed: Of the bootstrap and of the flips.

    Raises:
        ValueError: The arrays are not equally long.
    """
    if first.shape != second.shape:
        raise ValueError(
            "The two arrays of paired must be of the same queries. Received: "
            f"{first.shape} and {second.shape}. Use one split and one k for both."
        )
    # Shares come in single precision: without rounding equal differences would differ.
    gaps = (first.astype(np.float64) - second).round(6)
    known = np.flatnonzero(~np.isnan(gaps))
    gaps = gaps[known]
    if not len(gaps):
        unknown = float("nan")
        return Compared(Difference(unknown, unknown, unknown), 1.0, 0)
    labels = np.zeros(len(gaps), int) if classes is None else pd.factorize(classes[known])[0]
    drawn = np.arange(len(gaps)) if units is None else units[known]
    mean = curve(gaps[:, None], labels, macro=True, seed=seed, units=drawn)
    difference = Difference(float(mean.value[0]), float(mean.low[0]), float(mean.high[0]))
    sizes = np.bincount(labels)
    weights = len(gaps) / (len(sizes) * sizes[labels])
    sums = np.bincount(pd.factorize(drawn)[0], weights=weights * gaps)
    return Compared(difference, _sign_flips(sums, seed), len(gaps))


def _sign_flips(sums: np.ndarray, seed: int) -> float:
    """p-value of a sum of terms (n,), each of which might as well have the other sign."""
    rounded = sums.round(9)
    # Many terms are of one size: whole heaps of them are flipped at once.
    sizes, counts = np.unique(np.abs(rounded[rounded != 0]), return_counts=True)
    # Equal sums may differ in their last digits by the order of their terms.
    bar, flips, extreme = abs(rounded.sum()) * (1 - 1e-9) - 1e-9, 10 * RESAMPLES, 0
    rng = np.random.default_rng(seed)
    for _ in range(0, flips, _AT_ONCE):
        signs = 2 * rng.binomial(counts, 0.5, (_AT_ONCE, len(counts))) - counts
        extreme += int(np.count_nonzero(np.abs(signs @ sizes) >= bar))
    return (extreme + 1) / (flips + 1)


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
