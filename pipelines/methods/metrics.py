"""Figures of a classifier's predictions, all from one confusion matrix.

Classes are integer codes here: the position of the class in the workspace's order. Rows of a
matrix are true classes, columns predicted ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.methods.intervals import CONFIDENCE, Rate, percentiles, rate, wilson

CHUNK = 8_000_000
"""Cells of resampled matrices held at once while bootstrapping (64 MB)."""


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count samples by true and predicted class.

    Args:
        labels: True classes as codes, shape (n,).
        predicted: Predicted classes as codes, shape (n,).
        classes: How many classes there are.

    Returns:
        int64 of shape (classes, classes), rows true, columns predicted.

    Raises:
        ValueError: The lengths differ or a code is outside 0 .. classes - 1.
    """
    true_codes = np.asarray(labels, dtype=np.int64)
    predicted_codes = np.asarray(predicted, dtype=np.int64)
    if true_codes.shape != predicted_codes.shape:
        raise ValueError(
            "The labels and predictions of confusion_matrix must be equally many. Received: "
            f"{true_codes.shape} and {predicted_codes.shape}. Select the same samples in both."
        )
    for name, codes in (("labels", true_codes), ("predicted", predicted_codes)):
        if codes.size and (codes.min() < 0 or codes.max() >= classes):
            raise ValueError(
                f"The '{name}' of confusion_matrix must be codes from 0 to {classes - 1}. "
                f"Received: {codes.min()} to {codes.max()}. Give codes in the order of the classes."
            )
    flat = np.bincount(true_codes * classes + predicted_codes, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64, copy=False)


def accuracy(matrix: np.ndarray, confidence: float = CONFIDENCE) -> Rate:
    """Share of the samples on the diagonal of a confusion matrix, with its Wilson interval."""
    return rate(int(np.trace(matrix)), int(matrix.sum()), confidence)


def per_class(
    matrix: np.ndarray, classes: Sequence[str], confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """Precision, recall, F1 and support of each class, with intervals.

    Precision and recall get Wilson intervals. F1 gets one without resampling: with
    J = TP / (TP + FP + FN), F1 = 2 J / (1 + J) is a rising function of J (D. Hand, P. Christen,
    N. Kirielle, "F*: an interpretable transformation of the F-measure", Machine Learning 110
    (2021), 451-456), and given TP + FP + FN the count TP is binomial with share J, so that the
    ends of J's Wilson interval, transformed, are an interval for F1. It costs nothing for 200
    classes, and agrees with the bootstrap where classes are well filled.

    Args:
        matrix: Confusion matrix, shape (k, k), rows true.
        classes: Their k names.
        confidence: Between 0 and 1.

    Returns:
        One row a class, in order: ``class``, ``support`` (samples of the class), ``predicted``
        (samples predicted so), ``right``, then ``precision``, ``recall``, ``f1``, each with
        ``_low`` and ``_high``. nan where undefined: recall of a class without samples, precision
        of a class never predicted, F1 where both.

    Raises:
        ValueError: The matrix does not have one row and column a class.
    """
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            "The matrix of per_class must have a row and a column for each class. Received: "
            f"shape {matrix.shape} for {len(classes)} classes. Give all classes of the workspace."
        )
    right, support, predicted = _margins(matrix)
    union = support + predicted - right
    jaccard_low, jaccard_high = wilson(right, union, confidence)
    recall_low, recall_high = wilson(right, support, confidence)
    precision_low, precision_high = wilson(right, predicted, confidence)
    return pd.DataFrame(
        {
            "class": list(classes),
            "support": support,
            "predicted": predicted,
            "right": right,
            "precision": _share(right, predicted),
            "precision_low": precision_low,
            "precision_high": precision_high,
            "recall": _share(right, support),
            "recall_low": recall_low,
            "recall_high": recall_high,
            "f1": f_score(right, support, predicted),
            "f1_low": 2.0 * jaccard_low / (1.0 + jaccard_low),
            "f1_high": 2.0 * jaccard_high / (1.0 + jaccard_high),
        }
    )


def macro_f1(
    matrix: np.ndarray, resamples: int = 1000, confidence: float = CONFIDENCE, seed: int = 0
) -> Rate:
    """Mean F1 over the classes, with a bootstrap interval.

    Classes with neither samples nor predictions are left out of the mean. Resampling n samples
    with replacement draws the confusion matrix from a multinomial over its cells, so the matrix
    is all that is needed and the cost does not grow with n.

    Args:
        matrix: Confusion matrix, shape (k, k), rows true.
        resamples: How many matrices to draw.
        confidence: Between 0 and 1.
        seed: Same seed, same interval.
    """
    n = int(matrix.sum())
    if n == 0:
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    rows, columns = np.nonzero(matrix)
    shares = matrix[rows, columns] / n
    generator = np.random.default_rng(seed)
    size = len(matrix)
    right = rows == columns
    values: list[np.ndarray] = []
    step = max(1, CHUNK // len(shares))
    for start in range(0, resamples, step):
        drawn = generator.multinomial(n, shares, size=min(step, resamples - start))
        f1 = f_score(
            totals(drawn[:, right], rows[right], size),
            totals(drawn, rows, size),
            totals(drawn, columns, size),
        )
        values.append(np.nanmean(f1, axis=1))
    low, high = percentiles(np.concatenate(values), confidence)
    return Rate(float(np.nanmean(f_score(*_margins(matrix)))), low, high, n)


def top_confusions(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """The cells off the diagonal, most frequent first (ties in the order of the classes).

    Args:
        matrix: Confusion matrix, shape (k, k), rows true.
        classes: Their k names.

    Returns:
        Columns ``true`` and ``predicted`` (names), ``count``, ``share`` (of all errors),
        ``cumulative`` (that share summed so far) and ``of_class`` (share of the samples of the
        true class). Empty where nothing is wrong.
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")
    rows, columns, counts = rows[order], columns[order], counts[order]
    names = np.asarray(classes, dtype=object)
    share = counts / max(int(counts.sum()), 1)
    return pd.DataFrame(
        {
            "true": pd.Series(names[rows], dtype="str"),
            "predicted": pd.Series(names[columns], dtype="str"),
            "count": counts,
            "share": share,
            "cumulative": np.cumsum(share),
            "of_class": counts / matrix.sum(axis=1)[rows],
        }
    )


def f_score(
    right: np.ndarray, support: np.ndarray, predicted: np.ndarray, beta: float = 1.0
) -> np.ndarray:
    """F-score of classes, from counts that broadcast together.

    With beta 2 recall weighs more than precision (C. J. van Rijsbergen, "Information Retrieval",
    1979, chapter 7, where F is 1 minus the measure E).

    Args:
        right: Samples of the class that are predicted so.
        support: Samples of the class.
        predicted: Samples predicted so.
        beta: How many times as much recall counts as precision.

    Returns:
        float64; nan where a class has neither samples nor predictions.
    """
    weight = beta * beta
    return _share((1.0 + weight) * right, weight * support + predicted)


def totals(drawn: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Sum counts by class.

    Args:
        drawn: Counts, shape (rows, cells).
        codes: Class of each cell, shape (cells,).
        size: How many classes there are.

    Returns:
        Shape (rows, size), of the type of the counts.
    """
    summed = np.zeros((len(drawn), size), dtype=drawn.dtype)
    if codes.size:
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        summed[:, present] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return summed


def _margins(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, samples and predictions of each class, each of shape (k,)."""
    return np.diagonal(matrix).copy(), matrix.sum(axis=1), matrix.sum(axis=0)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / whole, dtype=np.float64)
