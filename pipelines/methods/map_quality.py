"""How far a map can be trusted: trustworthiness, continuity, and stability between two seeds.

J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods", ICANN 2001. Both
are 1 where nothing is wrong. Trustworthiness falls where the map puts together what is apart,
continuity where it tears apart what belongs together; each by how far apart, in ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods import neighbours

ALL_UP_TO = 10_000
SAMPLE = 3_000
"""Points that are judged where there are more than :data:`ALL_UP_TO`."""

_CELLS = 20_000_000


@dataclass(frozen=True)
class Quality:
    """How well neighbourhoods are kept.

    Attributes:
        value: Mean over the points that were judged, in [0, 1].
        points: float32 (n,), each point's own; nan where it was not judged.
        n: How many points were judged.
    """

    value: float
    points: np.ndarray
    n: int


def trustworthiness(
    vectors: np.ndarray,
    mapped: np.ndarray,
    k: int,
    *,
    metric: neighbours.Metric = "euclidean",
    sample: int | None = None,
    seed: int = 0,
) -> Quality:
    """Whether neighbours on a map are neighbours among the vectors.

    Args:
        vectors: float32 (n, d).
        mapped: float32 (n, dimensions), the map.
        k: Neighbours looked at, fewer than n / 2.
        metric: Distance among the vectors; on the map it is euclidean.
        sample: How many points to judge; all up to :data:`ALL_UP_TO` if absent, else
            :data:`SAMPLE`.
        seed: Of the sample.

    Raises:
        ValueError: The k is too large.
    """
    return _kept(vectors, metric, mapped, "euclidean", k, sample, seed)


def continuity(
    vectors: np.ndarray,
    mapped: np.ndarray,
    k: int,
    *,
    metric: neighbours.Metric = "euclidean",
    sample: int | None = None,
    seed: int = 0,
) -> Quality:
    """Whether neighbours among the vectors are neighbours on the map; arguments as above."""
    return _kept(mapped, "euclidean", vectors, metric, k, sample, seed)


def stability(first: np.ndarray, second: np.ndarray, k: int, *, seed: int = 0) -> Quality:
    """Share of each point's k neighbours on one map that are its neighbours on another too.

    Args:
        first: float32 (n, dimensions).
        second: The same points, mapped with another seed for instance.
        k: Neighbours looked at.
        seed: Of the sample of points.
    """
    asked = _asked(len(first), None, seed)
    one, other = (
        neighbours.exact(mapped[asked], mapped, k, exclude=asked).positions
        for mapped in (first, second)
    )
    shared = (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1)
    return _quality(shared, asked, len(first))


def _kept(
    ranked: np.ndarray,
    metric: neighbours.Metric,
    near: np.ndarray,
    near_metric: neighbours.Metric,
    k: int,
    sample: int | None,
    seed: int,
) -> Quality:
    """One minus what the neighbours in ``near`` are penalised for their ranks in ``ranked``."""
    n = len(ranked)
    if not 1 <= k < n / 2:
        raise ValueError(
            f"The 'k' of a map's quality must lie between 1 and half the {n} points. "
            f"Received: k={k}. Give a smaller one."
        )
    asked = _asked(n, sample, seed)
    found = neighbours.exact(near[asked], near, k, near_metric, asked).positions
    space: np.ndarray = np.asarray(ranked, np.float32)
    if metric == "cosine":
        length = np.linalg.norm(space, axis=1, keepdims=True)
        space = space / np.where(length > 0, length, 1)
    space = space - space.mean(axis=0)
    squares = np.einsum("ij,ij->i", space, space)
    penalty = np.zeros(len(asked))
    block = max(1, _CELLS // n)
    for start in range(0, len(asked), block):
        rows = slice(start, start + block)
        distances = squares - 2 * space[asked[rows]] @ space.T
        distances[np.arange(len(distances)), asked[rows]] = -np.inf
        for column in found[rows].T:
            own = distances[np.arange(len(distances)), column]
            # The point itself lies before all, so that the nearest other has rank 1.
            rank = (distances < own[:, None]).sum(axis=1)
            penalty[rows] += np.maximum(rank - k, 0)
    return _quality(1 - 2 * penalty / (k * (2 * n - 3 * k - 1)), asked, n)


def _asked(n: int, sample: int | None, seed: int) -> np.ndarray:
    size = sample if sample is not None else n if n <= ALL_UP_TO else SAMPLE
    if size >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])


def _quality(values: np.ndarray, asked: np.ndarray, n: int) -> Quality:
    points = np.full(n, np.nan, np.float32)
    points[asked] = values
    return Quality(float(values.mean()), points, len(asked))
