"""Comparing two models, and one model with what is possible.

Sources: Q. McNemar, "Note on the sampling error of the difference between correlated proportions
or percentages", Psychometrika 12 (1947), 153-157, in its exact form. Avoidable bias and variance
after A. Ng, "Machine Learning Yearning" (2018), chapters 20 to 22.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods.intervals import Difference, Rate, difference


@dataclass(frozen=True)
class Paired:
    """Two models on the same samples.

    Attributes:
        n: Samples both were asked.
        only_first: Samples that only the first has right.
        only_second: Samples that only the second has right.
        p_value: Two-sided exact McNemar test of equal accuracy; 1 where they never differ.
    """

    n: int
    only_first: int
    only_second: int
    p_value: float


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
    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    discordant = only_first + only_second
    if discordant == 0:
        p_value = 1.0
    else:
        p_value = min(1.0, 2.0 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    return Paired(len(first), only_first, only_second, p_value)


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
