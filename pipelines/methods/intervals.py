"""Intervals for rates, for differences of rates, and for anything that can be resampled.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
JASA 22 (1927), 209-212. R. G. Newcombe, "Interval estimation for the difference between
independent proportions", Statistics in Medicine 17 (1998), 873-890 (method 10). B. Efron,
"Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979), 1-26.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
"""Confidence of every interval that is not asked for otherwise."""


@dataclass(frozen=True)
class Rate:
    """A figure with its interval: a share between 0 and 1, unless said otherwise where it is made.

    Attributes:
        value: The rate; nan where n is 0.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: How many samples it is of.
        count: How many of them it counts, or None where the figure is no plain share (macro F1).
    """

    value: float
    low: float
    high: float
    n: int
    count: int | None = None


@dataclass(frozen=True)
class Difference:
    """The difference of two figures with its interval: of shares, in [-1, 1]."""

    value: float
    low: float
    high: float


def wilson(
    successes: npt.ArrayLike, n: npt.ArrayLike, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of proportions.

    Args:
        successes: Counts of successes, any shape.
        n: Counts of trials, of a shape that broadcasts with ``successes``.
        confidence: Between 0 and 1.

    Returns:
        Lower and upper ends, float64 of the broadcast shape; nan where n is 0.

    Raises:
        ValueError: A count is negative, there are more successes than trials, or the confidence
            is not between 0 and 1.
    """
    hits, trials = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    if bool(np.any((hits < 0) | (hits > trials))):
        wrong = int(np.flatnonzero((hits < 0) | (hits > trials))[0])
        raise ValueError(
            "The 'successes' of wilson must lie between 0 and n. Received: "
            f"successes={hits.flat[wrong]:g}, n={trials.flat[wrong]:g}. Check the counts."
        )
    z = normal_quantile(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / trials
        scale = 1.0 + z * z / trials
        centre = (share + z * z / (2.0 * trials)) / scale
        half = z / scale * np.sqrt(share * (1.0 - share) / trials + (z / (2.0 * trials)) ** 2)
    # The ends are exactly 0 and 1 at no and at full success; rounding would miss them by 1e-17.
    low = np.where(hits == 0, np.where(trials > 0, 0.0, np.nan), centre - half)
    high = np.where(hits == trials, np.where(trials > 0, 1.0, np.nan), centre + half)
    return low, high


def rate(successes: int, n: int, confidence: float = CONFIDENCE) -> Rate:
    """A share with its Wilson interval.

    Args:
        successes: How many.
        n: Of how many; 0 gives a rate of nan.
        confidence: Between 0 and 1.

    Raises:
        ValueError: See :func:`wilson`.
    """
    low, high = wilson(successes, n, confidence)
    value = successes / n if n else float("nan")
    return Rate(float(value), float(low), float(high), int(n), int(successes))


def difference(first: Rate, second: Rate) -> Difference:
    """Interval of ``first - second`` for two independent rates (Newcombe's method 10).

    For a second figure that is known and not estimated (a published human error, say) give it
    no width: ``Rate(value, value, value, n=0)``.
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Difference(value, float(value - below), float(value + above))


def bootstrap(
    statistic: Callable[..., float],
    *samples: np.ndarray,
    resamples: int = 1000,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic.

    Args:
        statistic: Called with the resampled arrays, gives one number.
        *samples: Arrays of equal length along their first axis, resampled together (by row).
        resamples: How many times to resample.
        confidence: Between 0 and 1.
        seed: Same seed, same interval.

    Returns:
        Lower and upper ends; both nan where the arrays are empty.

    Raises:
        ValueError: No array is given, lengths differ, or a number is out of range.
    """
    lengths = {len(sample) for sample in samples}
    if len(lengths) != 1:
        raise ValueError(
            "The samples of bootstrap must be arrays of one length. "
            f"Received: lengths={sorted(lengths)}. Give at least one array, all equally long."
        )
    if resamples < 1:
        raise ValueError(
            "The 'resamples' of bootstrap must be an integer >= 1. "
            f"Received: resamples={resamples}. Use 1000 or more."
        )
    rows = lengths.pop()
    if rows == 0:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    values = np.empty(resamples)
    for index in range(resamples):
        drawn = generator.integers(0, rows, rows)
        values[index] = statistic(*(sample[drawn] for sample in samples))
    return percentiles(values, confidence)


def percentiles(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The two percentiles of resampled values that enclose ``confidence`` of them.

    Args:
        values: Statistic of each resample, shape (resamples,); nan values are left out.
        confidence: Between 0 and 1.
    """
    tail = (1.0 - _checked(confidence)) / 2.0
    known = values[~np.isnan(values)]
    if known.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return float(low), float(high)


def normal_quantile(confidence: float) -> float:
    """Two-sided normal quantile: 1.96 for .95."""
    return NormalDist().inv_cdf(0.5 + _checked(confidence) / 2.0)


def _checked(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(
            "The 'confidence' of an interval must lie between 0 and 1. "
            f"Received: confidence={confidence}. Use .95, for instance."
        )
    return confidence
