"""Comparing models with one another on the same samples, and one model with what is possible.

Sources: Q. McNemar, "Note on the sampling error of the difference between correlated proportions
or percentages", Psychometrika 12 (1947), 153-157, in its exact form. R. G. Newcombe, "Improved
confidence intervals for the difference between binomial proportions based on paired data",
Statistics in Medicine 17 (1998), 2635-2650 (method 10). S. Holm, "A simple sequentially rejective
multiple test procedure", Scandinavian Journal of Statistics 6 (1979), 65-70. Avoidable bias and
variance after A. Ng, "Machine Learning Yearning" (2018), chapters 20 to 22.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipelines.methods.intervals import CONFIDENCE, Difference, Rate, difference, rate


@dataclass(frozen=True)
class Paired:
    """Two models on the same samples.

    Attributes:
        n: Samples both were asked.
        both: Samples that both have right.
        only_first: Samples that only the first has right.
        only_second: Samples that only the second has right.
        p_value: Two-sided exact McNemar test of equal accuracy; 1 where they never differ.
    """

    n: int
    both: int
    only_first: int
    only_second: int
    p_value: float

    @property
    def neither(self) -> int:
        """Samples that neither has right."""
        return self.n - self.both - self.only_first - self.only_second


@dataclass(frozen=True)
class Pair:
    """Two of several models on the same samples.

    Attributes:
        first: Name of one.
        second: Name of the other.
        paired: Which of them is right how often, and McNemar's test.
        difference: Accuracy of the first minus that of the second.
        adjusted: The p-value, adjusted for the number of pairs.
    """

    first: str
    second: str
    paired: Paired
    difference: Difference
    adjusted: float


@dataclass(frozen=True)
class Gaps:
    """Where the errors of a model come from, as differences of accuracies.

    Attributes:
        bias: Ideal accuracy minus train accuracy: what a better fit could gain (avoidable bias).
        variance: Train accuracy minus val accuracy: what is lost on unseen samples.
    """

    bias: Difference
    variance: Difference


def mcnemar(first: np.ndarray, second: np.ndarray) -> Paired:
    """Exact McNemar test of two models' right answers on the same samples.

    Args:
        first: Whether the first model is right, bool of shape (n,).
        second: The same for the second model, samples in the same order.

    Raises:
        ValueError: The arrays are not equally long.
    """
    from scipy.special import bdtr

    if first.shape != second.shape:
        raise ValueError(
            "The two arrays of mcnemar must be of the same samples. Received: "
            f"{first.shape} and {second.shape}. Join the predictions by sample_id."
        )
    both = int(np.count_nonzero(first & second))
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    discordant = only_first + only_second
    if discordant == 0:
        p_value = 1.0
    else:
        p_value = min(1.0, 2.0 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    return Paired(len(first), both, only_first, only_second, p_value)


def paired_difference(paired: Paired, confidence: float = CONFIDENCE) -> Difference:
    """Interval of the first share of right answers minus the second, of the same samples.

    Newcombe's method 10: the Wilson intervals of both shares, put together with the correlation of
    the answers, which is taken half a sample nearer to zero where it is positive.

    Args:
        paired: Two models on the same samples.
        confidence: Between 0 and 1.

    Returns:
        All nan where there are no samples.
    """
    if paired.n == 0:
        return Difference(float("nan"), float("nan"), float("nan"))
    first = rate(paired.both + paired.only_first, paired.n, confidence)
    second = rate(paired.both + paired.only_second, paired.n, confidence)
    correlation = _correlation(paired)
    value = (paired.only_first - paired.only_second) / paired.n
    below = _joined(first.value - first.low, second.high - second.value, correlation)
    above = _joined(first.high - first.value, second.value - second.low, correlation)
    return Difference(value, value - below, value + above)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm's step-down method).

    Of all hypotheses whose adjusted value is below .05, the chance that any is rejected wrongly is
    at most .05, however the tests depend on one another.

    Args:
        p_values: Of all tests that were made, in any order.

    Returns:
        The adjusted values in the same order.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def pairs(names: Sequence[str], hits: np.ndarray) -> list[Pair]:
    """Every two models, with McNemar's test, its p-value adjusted for their number (Holm).

    Args:
        names: Names of the models.
        hits: Whether they are right, bool (models, n).
    """
    there = list(combinations(range(len(names)), 2))
    tested = [mcnemar(hits[first], hits[second]) for first, second in there]
    adjusted = holm([paired.p_value for paired in tested])
    return [
        Pair(names[first], names[second], paired, paired_difference(paired), p_value)
        for (first, second), paired, p_value in zip(there, tested, adjusted, strict=True)
    ]


def agreement(answers: np.ndarray) -> np.ndarray:
    """Count the samples on which models agree, two by two.

    Args:
        answers: Of each model, shape (models, n): whether it is right, or which class it says.

    Returns:
        int64 of shape (models, models): samples with equal values; n on the diagonal.
    """
    counts = [[np.count_nonzero(first == second) for second in answers] for first in answers]
    return np.asarray(counts, dtype=np.int64).reshape(len(answers), len(answers))


def gaps(train: Rate, val: Rate, ideal: float = 1.0) -> Gaps:
    """Split the way from the ideal to the val accuracy into avoidable bias and variance.

    Args:
        train: Accuracy on train, in inference mode.
        val: Accuracy on val.
        ideal: Accuracy that is possible at all, 1 minus the human error; it counts as known.

    Raises:
        ValueError: The ideal is not between 0 and 1.
    """
    if not 0.0 <= ideal <= 1.0:
        raise ValueError(
            "The 'ideal' accuracy must lie between 0 and 1. "
            f"Received: ideal={ideal}. Give 1 minus the human error."
        )
    possible = Rate(ideal, ideal, ideal, 0)
    return Gaps(bias=difference(possible, train), variance=difference(train, val))


def _correlation(paired: Paired) -> float:
    """Phi coefficient of two models' right answers, with Newcombe's correction for continuity."""
    n, both, neither = paired.n, paired.both, paired.neither
    first, second = both + paired.only_first, both + paired.only_second
    margins = float(first) * (n - first) * second * (n - second)
    if margins == 0.0:
        return 0.0
    above = float(both) * neither - float(paired.only_first) * paired.only_second
    if above > 0.0:
        above = max(above - n / 2.0, 0.0)
    return above / float(np.sqrt(margins))


def _joined(first: float, second: float, correlation: float) -> float:
    """Distance that two distances make together, as the sides of a triangle do."""
    squared = first * first - 2.0 * correlation * first * second + second * second
    return float(np.sqrt(max(squared, 0.0)))
