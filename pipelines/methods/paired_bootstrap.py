"""Figures of several models on the same samples, resampled together.

The difference of two models on the same samples varies less than either: what is hard for one is
mostly hard for the other. Resampling the samples, with all their answers, keeps that (B. Efron,
R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8; for figures of classifiers,
P. Koehn, "Statistical significance tests for machine translation evaluation", EMNLP 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods.intervals import Difference, percentiles
from pipelines.methods.metrics import CHUNK, f_score, totals

RESAMPLES = 1000


@dataclass(frozen=True)
class Figure:
    """A figure of several models.

    Attributes:
        values: float64 (models,).
        resampled: float64 (models, resamples): the same of resampled samples, column by column the
            same ones for all models.
    """

    values: np.ndarray
    resampled: np.ndarray

    def interval(self, model: int) -> tuple[float, float]:
        """Both ends of the 95 % percentile interval of a model's figure."""
        return percentiles(self.resampled[model])

    def difference(self, model: int, other: int) -> Difference:
        """A model's figure minus another's, with the percentile interval of the difference."""
        low, high = percentiles(self.resampled[model] - self.resampled[other])
        return Difference(float(self.values[model] - self.values[other]), low, high)


@dataclass(frozen=True)
class Figures:
    """Figures of several models that have no interval in closed form.

    Attributes:
        macro_f1: Mean F1 over the classes that have samples or predictions.
        f2: F2 of the positive class, or None where none is named.
        loss: Mean loss, in the units of the losses.
    """

    macro_f1: Figure
    f2: Figure | None
    loss: Figure


def resample(
    labels: np.ndarray,
    predicted: np.ndarray,
    losses: np.ndarray,
    classes: int,
    positive: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figures:
    """Compute figures of several models, and of resampled samples.

    Samples with the same label and the same answers of all models are counted together, so that
    beyond drawing them the cost grows with the number of different answers, not of samples.

    Args:
        labels: True classes as codes, shape (n,), at least one.
        predicted: Predicted classes as codes, shape (models, n).
        losses: Shape (models, n).
        classes: How many classes there are.
        positive: Code of the positive class, if one is named.
        resamples: How many times to draw n samples with replacement.
        seed: Same seed, same figures.

    Raises:
        ValueError: There are no samples, or the shapes do not belong together.
    """
    models, n = predicted.shape
    if labels.shape != (n,) or losses.shape != (models, n) or n == 0:
        raise ValueError(
            "The arrays of resample must be of the same samples, at least one. Received: labels "
            f"{labels.shape}, predicted {predicted.shape}, losses {losses.shape}. "
            "Join the predictions by sample_id."
        )
    cell, first = _cells(labels, predicted)
    true, said = labels[first].astype(np.int64), predicted[:, first].astype(np.int64)
    exact = np.ascontiguousarray(losses, dtype=np.float64)
    once = np.bincount(cell, minlength=len(first)).astype(np.float64)[None]
    macro, second = _scores(once, true, said, classes, positive)
    generator = np.random.default_rng(seed)
    drawn_loss = np.empty((models, resamples))
    drawn_macro, drawn_second = np.empty_like(drawn_loss), np.empty_like(drawn_loss)
    step = max(1, CHUNK // len(first))
    for start in range(0, resamples, step):
        end = min(start + step, resamples)
        counts = np.empty((end - start, len(first)))
        for row in range(end - start):
            times = np.bincount(generator.integers(0, n, n), minlength=n).astype(np.float64)
            counts[row] = np.bincount(cell, weights=times, minlength=len(first))
            drawn_loss[:, start + row] = exact @ times / n
        drawn_macro[:, start:end], drawn_second[:, start:end] = _scores(
            counts, true, said, classes, positive
        )
    return Figures(
        Figure(macro[:, 0], drawn_macro),
        None if positive is None else Figure(second[:, 0], drawn_second),
        Figure(exact.mean(axis=1), drawn_loss),
    )


def _cells(labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell of each sample, samples with equal labels and answers sharing one, and the position of
    one sample of each cell."""
    cell = labels.astype(np.int64)
    first = np.empty(0, np.int64)
    for answers in predicted:
        # After each model, since codes of many models side by side would outgrow 64 bits.
        joined = cell * (int(answers.max()) + 1) + answers
        _, first, cell = np.unique(joined, return_index=True, return_inverse=True)
    return cell, first


def _scores(
    counts: np.ndarray,
    true: np.ndarray,
    said: np.ndarray,
    classes: int,
    positive: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Macro F1, and F2 of the positive class, each of shape (models, rows of counts)."""
    support = totals(counts, true, classes)
    macro, second = np.empty((2, len(said), len(counts)))
    for model, answers in enumerate(said):
        right = answers == true
        hits = totals(counts[:, right], true[right], classes)
        predicted = totals(counts, answers, classes)
        macro[model] = np.nanmean(f_score(hits, support, predicted), axis=1)
        if positive is not None:
            right_of, support_of, predicted_of = (
                part[:, positive] for part in (hits, support, predicted)
            )
            second[model] = f_score(right_of, support_of, predicted_of, beta=2.0)
    return macro, second
