"""Bootstrap of means of classes, where samples may belong together.

Samples of one unit (the images of a patient) are alike: drawn one by one they would seem to be
more than they are, and the interval would be too narrow. Whole units are drawn instead (the
cluster bootstrap: A. C. Davison, D. V. Hinkley, "Bootstrap methods and their application", 1997,
section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_AT_ONCE = 200
_MANY = 1000
_MOST_DRAWN = 20_000_000


def means_of_classes(
    values: np.ndarray,
    classes: np.ndarray,
    units: np.ndarray | None = None,
    *,
    resamples: int,
    streams: Sequence[int] | np.ndarray,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over classes of each class's mean, and the same of resampled units.

    Classes are fixed and their sizes are not what is estimated, so the units of each class are
    drawn for themselves; those of classes that share a unit are drawn together.

    Args:
        values: float (n, m); nan is left out.
        classes: int (n,), from 0 without gaps.
        units: int (n,), samples with the same number are drawn together; each for itself if absent.
        resamples: How many times to resample.
        streams: int (m,), a number for each column: it is drawn alike whatever others stand
            beside it.
        seed: Same seed, same resamples.

    Returns:
        float64 (m,), and float64 (resamples, m): nan where no class has a value.
    """
    columns = values.shape[1]
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0).astype(np.float64)
    own = np.arange(len(values)) if units is None else units
    total, there = np.zeros(columns), np.zeros(columns)
    drawn_total, drawn_there = np.zeros((2, resamples, columns))
    rng = np.random.default_rng(seed)
    for stratum, members in enumerate(_strata(classes, own)):
        rows = np.flatnonzero(np.isin(classes, members))
        drawn, place = np.unique(own[rows], return_inverse=True)
        alone = len(drawn) == len(rows)
        if alone:
            place = np.arange(len(rows))
        parts = []
        for code in members:
            its = classes[rows] == code
            some, mask = filled[rows[its]], known[rows[its]].astype(np.float64)
            counts = mask.sum(axis=0)
            total += _ratio(some.sum(axis=0), counts)
            there += counts > 0
            if not alone:
                some, mask = _summed(some, place[its]), _summed(mask, place[its])
            parts.append((np.unique(place[its]), some, mask))
        if alone and len(members) == 1 and len(rows) > _MANY and known[rows].all():
            drawn_total += _drawn_in_heaps((seed, stratum), streams, filled[rows], resamples)
            drawn_there += 1
            continue
        step = max(1, min(_AT_ONCE, _MOST_DRAWN // len(drawn)))
        for start in range(0, resamples, step):
            part = slice(start, min(start + step, resamples))
            weights = _weights(rng, part.stop - start, len(drawn))
            for which, some, mask in parts:
                times = weights if len(which) == len(drawn) else weights[:, which]
                counts = times @ mask
                drawn_total[part] += _ratio(times @ some, counts)
                drawn_there[part] += counts > 0
    return (
        np.where(there > 0, _ratio(total, there), np.nan),
        np.where(drawn_there > 0, _ratio(drawn_total, drawn_there), np.nan),
    )


def _strata(classes: np.ndarray, units: np.ndarray) -> list[np.ndarray]:
    """Classes that are drawn together, because they share a unit; in their order."""
    count = int(classes.max(initial=-1)) + 1
    nodes = count + int(units.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(classes), np.int8), (classes, units + count)), (nodes, nodes))
    joined = connected_components(edges, directed=False)[1][:count]
    return [np.flatnonzero(joined == each) for each in dict.fromkeys(joined.tolist())]


def _summed(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Sums of the rows (n, m) of each place that there is, in the order of the places."""
    which, row = np.unique(place, return_inverse=True)
    sums = np.zeros((len(which), values.shape[1]))
    np.add.at(sums, row, values)
    return sums


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Means, and 0 where nothing was counted."""
    means: np.ndarray = np.divide(sums, counts, out=np.zeros(counts.shape), where=counts > 0)
    return means


def _drawn_in_heaps(
    seed: tuple[int, int],
    streams: Sequence[int] | np.ndarray,
    values: np.ndarray,
    resamples: int,
) -> np.ndarray:
    """Column means of bootstrap resamples, (resamples, m), each column drawn for itself.

    At k neighbours there are no more than k + 1 different shares: how many of each a resample
    holds is drawn at once, in a time that does not grow with the queries.
    """
    means = np.empty((resamples, values.shape[1]))
    for column, stream in enumerate(streams):
        rng = np.random.default_rng((*seed, stream))
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
