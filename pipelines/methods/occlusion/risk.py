"""Estimate or verify: which estimated maps may be shown, and which exact map must be computed.

A score that needs no exact map (the disagreement of two estimators) orders the images by how far
their estimate is to be trusted, low first. How good the score is shows in the risk-coverage curve
(Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017): the
mean error among the share of images that is trusted. A bound is chosen on val and applied to test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.methods.intervals import Rate, bootstrap, rate
from pipelines.methods.occlusion.fidelity import correlations

NONE = float("-inf")
"""The bound below which no image lies: every map is computed."""


@dataclass(frozen=True)
class RiskCoverage:
    """Mean error among the images that are trusted most.

    Attributes:
        coverage: Share of the images that is trusted, float64 (n,), from 1/n to 1.
        risk: Their mean error, float64 (n,).
        area: Mean of the risk over all coverages.
        best: The same had the images been ordered by their error itself.
        random: The same of an order that knows nothing: the mean error.
        gain: Share of what a perfect score gains over a random order that this one gains: 1 of a
            perfect score, 0 of a worthless one; nan where all errors are equal.
    """

    coverage: np.ndarray
    risk: np.ndarray
    area: float
    best: float
    random: float
    gain: float


@dataclass(frozen=True)
class Applied:
    """What a bound does to images that it was not chosen on.

    Attributes:
        bound: Largest score that is accepted.
        accepted: Share of the images whose estimate is shown.
        error: Mean error among them, with a bootstrap interval; nan of none.
        error_of_rest: The same among the others, whose exact map is computed.
    """

    bound: float
    accepted: Rate
    error: Rate
    error_of_rest: Rate


def disagreement(
    one: np.ndarray, other: np.ndarray, kind: Literal["difference", "correlation"] = "difference"
) -> np.ndarray:
    """How far two estimates of each map are apart.

    Take the kind that matches the error that matters: on simulated stamps the difference orders
    mean absolute errors nearly perfectly and says nothing of 1 - Pearson, and the other way round.

    Args:
        one: (n, rows, columns) of one estimator.
        other: The same of another, trained from another seed at least.
        kind: ``difference``, the mean absolute difference of the probabilities; ``correlation``, 1
            - Pearson, which does not mind their level (1 where one of them is constant).

    Returns:
        float64 (n,), 0 where they agree.

    Raises:
        ValueError: The shapes differ.
    """
    if one.shape != other.shape or one.ndim != 3:
        raise ValueError(
            "Two estimates must be of one shape (n, rows, columns). "
            f"Received: {one.shape} and {other.shape}. Draw the same images with both."
        )
    first, second = (np.asarray(maps, np.float64) for maps in (one, other))
    if kind == "difference":
        return np.asarray(np.abs(first - second).mean(axis=(1, 2)))
    positions = one.shape[1] * one.shape[2]
    found = 1 - correlations(first.reshape(-1, positions), second.reshape(-1, positions))
    # Equal constants agree, though they do not correlate.
    found[(first == second).all(axis=(1, 2))] = 0
    return found


def risk_coverage(score: np.ndarray, error: np.ndarray) -> RiskCoverage:
    """How well a score tells faithful estimates from others.

    Images of one score are trusted together: each counts with the mean error of all of them, so
    that their order in the arrays does not matter.

    Args:
        score: (n,), low for what is trusted.
        error: (n,), of which less is better: mean absolute error, 1 - Pearson or the like.

    Raises:
        ValueError: There are no images, lengths differ, or a value is not finite.
    """
    _check(score, error)
    n = len(score)
    counts = np.arange(1, n + 1)
    risk = np.cumsum(_even_out(score, error)) / counts
    best = np.cumsum(np.sort(error)) / counts
    area, ideal, chance = float(risk.mean()), float(best.mean()), float(np.mean(error))
    # Equal errors leave a difference of rounding.
    worth = chance - ideal > 1e-12 * max(abs(chance), 1e-300)
    gain = (chance - area) / (chance - ideal) if worth else float("nan")
    return RiskCoverage(counts / n, risk, area, ideal, chance, gain)


def choose_bound(score: np.ndarray, error: np.ndarray, wanted: float) -> float:
    """The largest bound such that the mean error of the images within it stays within a wish.

    Args:
        score: (n,) of val, low for what is trusted.
        error: (n,) of val, of which less is better.
        wanted: Mean error that is acceptable.

    Returns:
        A score of val; images of up to it are accepted, so those of equal score are together.
        :data:`NONE` where no bound keeps the wish, or there are no images.

    Raises:
        ValueError: Lengths differ or a value is not finite.
    """
    if not len(score) and not len(error):
        return NONE
    _check(score, error)
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    risk = np.cumsum(error[order], dtype=np.float64) / np.arange(1, len(score) + 1)
    last_of_its_score = np.append(ranked[1:] > ranked[:-1], True)
    kept = np.flatnonzero(last_of_its_score & (risk <= wanted))
    return float(ranked[kept[-1]]) if len(kept) else NONE


def apply(bound: float, score: np.ndarray, error: np.ndarray, seed: int = 0) -> Applied:
    """What a bound does to images it was not chosen on.

    Args:
        bound: As :func:`choose_bound` gives it on val.
        score: (n,) of test.
        error: (n,) of test.
        seed: Of the bootstrap.

    Raises:
        ValueError: There are no images, lengths differ, or a value is not finite.
    """
    _check(score, error)
    accepted = score <= bound
    return Applied(
        bound=bound,
        accepted=rate(int(accepted.sum()), len(score)),
        error=_mean(error[accepted], seed),
        error_of_rest=_mean(error[~accepted], seed),
    )


def _even_out(score: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Errors in order of score, each the mean of those with its score."""
    _, group, sizes = np.unique(score, return_inverse=True, return_counts=True)
    sums = np.bincount(group, weights=error)
    return np.asarray(np.repeat(sums / sizes, sizes))


def _mean(values: np.ndarray, seed: int) -> Rate:
    if not len(values):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    low, high = bootstrap(np.mean, values, seed=seed)
    return Rate(float(np.mean(values, dtype=np.float64)), low, high, len(values))


def _check(score: np.ndarray, error: np.ndarray) -> None:
    if score.shape != error.shape or score.ndim != 1 or not len(score):
        raise ValueError(
            "A score and an error are needed of each of at least one image. "
            f"Received: shapes {score.shape} and {error.shape}. Give both of the same images."
        )
    if not (np.isfinite(score).all() and np.isfinite(error).all()):
        raise ValueError(
            "Scores and errors must be finite. Received: "
            f"{int((~np.isfinite(score)).sum())} scores and {int((~np.isfinite(error)).sum())} "
            "errors that are NaN or infinite. Leave flat maps out of errors that are correlations."
        )
