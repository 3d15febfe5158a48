"""How far reviewers agree beyond chance.

Sources: J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
Measurement 20 (1960), 37-46. Its interval: J. L. Fleiss, J. Cohen and B. S. Everitt, "Large sample
standard errors of kappa and weighted kappa", Psychological Bulletin 72 (1969), 323-327.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.methods.intervals import CONFIDENCE, normal_quantile, wilson

_NO_ERROR = 1e-7
"""A standard error below this is 0 but for roundings."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of two reviewers on the images that both judged.

    Attributes:
        kappa: Cohen's kappa: 1 for complete agreement, 0 for that of chance, negative below; nan
            where neither ever used more than one and the same judgement, or nothing was judged
            by both.
        low: Lower end of its interval; nan where one of them used but one judgement: kappa is 0
            then whatever the other says, and tells nothing.
        high: Upper end of its interval.
        observed: Share of images that they judge alike.
        expected: That share if each judged at random, in the proportions that are their own.
        n: Images that both judged.
    """

    kappa: float
    low: float
    high: float
    observed: float
    expected: float
    n: int


def cohen_kappa(
    first: npt.ArrayLike, second: npt.ArrayLike, confidence: float = CONFIDENCE
) -> Agreement:
    """Cohen's kappa of two reviewers, with its interval.

    The interval is the asymptotic one of Fleiss, Cohen and Everitt, cut at -1 and 1. Where its
    width would be 0 however few images there are, as where the two agree on every image, it is the
    Wilson interval of the observed share, corrected for chance as kappa is.

    Args:
        first: Judgements of the first reviewer, text of shape (n,).
        second: Those of the second reviewer on the same images, in the same order.
        confidence: Between 0 and 1.

    Raises:
        ValueError: The arrays are not equally long.
    """
    one, other = np.asarray(first, dtype=str), np.asarray(second, dtype=str)
    if one.shape != other.shape:
        raise ValueError(
            "The two arrays of cohen_kappa must be of the same images. Received: "
            f"{one.shape} and {other.shape}. Join the judgements by sample_id."
        )
    n = len(one)
    if n == 0:
        return Agreement(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    kinds, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    counts = np.zeros((len(kinds), len(kinds)))
    np.add.at(counts, (places[:n], places[n:]), 1)
    shares = counts / n
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    alike = int(np.count_nonzero(one == other))
    observed, expected = alike / n, float(rows @ columns)
    if len(kinds) == 1:
        return Agreement(np.nan, np.nan, np.nan, observed, expected, n)
    kappa = (observed - expected) / (1.0 - expected)
    if 1 in (np.count_nonzero(rows), np.count_nonzero(columns)):
        return Agreement(kappa, np.nan, np.nan, observed, expected, n)
    error = _standard_error(shares, kappa, expected, n)
    if alike == n or error < _NO_ERROR:
        ends = (float(end) for end in wilson(alike, n, confidence))
        low, high = ((end - expected) / (1.0 - expected) for end in ends)
    else:
        half = normal_quantile(confidence) * error
        low, high = kappa - half, kappa + half
    return Agreement(kappa, max(-1.0, low), min(1.0, high), observed, expected, n)


def pairwise(judgements: pd.DataFrame) -> dict[tuple[str, str], Agreement]:
    """Agreement of every two reviewers who judged some of the same images.

    Args:
        judgements: One row a reviewer and image: ``sample_id``, ``reviewer``, ``judgement``.

    Returns:
        By the two names, the first one before the second.
    """
    wide = judgements.pivot(index="sample_id", columns="reviewer", values="judgement")
    found = {}
    for first, second in combinations(sorted(wide.columns), 2):
        both = wide[[first, second]].dropna()
        if len(both):
            found[first, second] = cohen_kappa(both[first], both[second])
    return found


def _standard_error(shares: np.ndarray, kappa: float, expected: float, n: int) -> float:
    """Standard error of kappa after Fleiss, Cohen and Everitt, without weights.

    Args:
        shares: Share of the images that the first judges as row and the second as column.
        kappa: Cohen's kappa.
        expected: Share of agreement by chance.
        n: Number of images.
    """
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    alike = np.diag(shares)
    margins = (rows + columns) * (1.0 - kappa)
    on = float(alike @ (1.0 - margins) ** 2)
    crossed = shares * (columns[:, None] + rows[None, :]) ** 2
    off = (1.0 - kappa) ** 2 * float(crossed.sum() - np.trace(crossed))
    variance = on + off - (kappa - expected * (1.0 - kappa)) ** 2
    return float(np.sqrt(max(variance, 0.0) / n) / (1.0 - expected))
