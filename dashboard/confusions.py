"""What the errors page says of a confusion matrix: its opening sentence and its tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.widgets.messages import plain
from pipelines.methods import metrics, number
from pipelines.methods.intervals import Rate, rate, wilson

MOST_CONFUSIONS = 500
"""Rows of the table of confusions."""

SPREAD = 0.15
"""Share of the mistakes below which the three most frequent confusions are not worth naming."""


def finding(
    matrix: np.ndarray,
    classes: Sequence[str],
    split: str,
    *,
    positive: str | None = None,
    clean: np.ndarray | None = None,
) -> str:
    """The page's opening sentence, in Markdown.

    Args:
        matrix: Confusion matrix of all images of the split.
        classes: Names of the classes.
        split: Which split.
        positive: The positive class, if one is named.
        clean: The same without leaked images, where there are any.
    """
    n = int(matrix.sum())
    wrong = n - int(np.trace(matrix))
    error = rate(wrong, n)
    if wrong == 0:
        sentence = f"None of {n:,} {split} images is wrong ({_error(error)})"
    else:
        verb = "is" if wrong == 1 else "are"
        sentence = f"{wrong:,} of {n:,} {split} images {verb} wrong ({_error(error)})"
    sentence += _pairs(matrix, classes, positive) + "."
    if clean is not None:
        left = int(clean.sum())
        still = left - int(np.trace(clean))
        sentence += (
            f" Without the {n - left:,} that leaked from train: {still:,} of {left:,} "
            f"({_error(rate(still, left))})."
        )
    return sentence


def summary(matrix: np.ndarray, classes: Sequence[str], positive: str | None, f1: Rate) -> str:
    """The figures behind the opening sentence, in Markdown.

    Args:
        matrix: Confusion matrix.
        classes: Names of the classes.
        positive: The positive class, if one is named.
        f1: Macro F1 with its interval.
    """
    parts = [
        f"Accuracy {number.rate(metrics.accuracy(matrix))}",
        f"macro F1 {number.short_rate(f1)}",
    ]
    if positive is not None and positive in classes and len(classes) == 2:
        place = list(classes).index(positive)
        other = 1 - place
        figures = (
            ("precision", matrix[place, place], matrix[:, place].sum()),
            ("sensitivity", matrix[place, place], matrix[place].sum()),
            ("specificity", matrix[other, other], matrix[other].sum()),
        )
        named = ", ".join(
            f"{name} {number.rate(rate(int(part), int(whole)))}" for name, part, whole in figures
        )
        parts.append(f"with {plain(positive)} as the positive class {named}")
    return "; ".join(parts) + "."


def class_table(matrix: np.ndarray, classes: Sequence[str], positive: str | None) -> pd.DataFrame:
    """Per-class figures as the sortable table shows them, rates in percent.

    Returns:
        One row a class, in order: ``class``, ``support``, ``wrong``, then ``recall``,
        ``precision`` and ``f1``, each followed by its ``_interval``.
    """
    table = metrics.per_class(matrix, classes)
    shown = pd.DataFrame(
        {
            "class": [
                f"{name} (positive)" if name == positive else name for name in table["class"]
            ],
            "support": table["support"],
            "wrong": table["support"] - table["right"],
        }
    )
    for name in ("recall", "precision", "f1"):
        shown[name] = 100 * table[name]
        shown[f"{name}_interval"] = [
            number.interval(low, high)
            for low, high in zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
        ]
    return shown


def confusion_table(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """The most frequent confusions, at most ``MOST_CONFUSIONS`` of them, rates in percent.

    Returns:
        Columns ``pair``, ``true``, ``predicted``, ``count``, ``share`` and ``cumulative`` (of all
        mistakes), ``of_class`` (share of the true class) and its ``of_class_interval``.
    """
    table = metrics.top_confusions(matrix, classes).head(MOST_CONFUSIONS)
    support = dict(zip(classes, matrix.sum(axis=1).tolist(), strict=True))
    low, high = wilson(table["count"], table["true"].map(support).astype("int64"))
    return pd.DataFrame(
        {
            "pair": table["true"] + " → " + table["predicted"],
            "true": table["true"],
            "predicted": table["predicted"],
            "count": table["count"],
            "share": 100 * table["share"],
            "cumulative": 100 * table["cumulative"],
            "of_class": 100 * table["of_class"],
            "of_class_interval": [
                number.interval(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)
            ],
        }
    )


def _error(error: Rate) -> str:
    ends = number.interval(error.low, error.high)
    return f"{number.percent(error.value)}, 95{number.SPACE}% interval {ends}"


def _pairs(matrix: np.ndarray, classes: Sequence[str], positive: str | None) -> str:
    """Which confusions the mistakes are, as the second half of the opening sentence."""
    table = metrics.top_confusions(matrix, classes)
    if table.empty:
        return ""
    if positive is not None and positive in classes and len(classes) == 2:
        place = list(classes).index(positive)
        missed, alarms = int(matrix[place, 1 - place]), int(matrix[1 - place, place])
        return (
            f": {missed:,} {plain(positive)} missed (false negatives), {alarms:,} "
            f"{plain(classes[1 - place])} taken for {plain(positive)} (false positives)"
        )
    first = table.head(3)
    named = [
        f"{plain(true)} taken for {plain(predicted)} ({count:,})"
        for true, predicted, count in zip(
            first["true"], first["predicted"], first["count"], strict=True
        )
    ]
    if len(table) <= 3:
        return f": {', '.join(named)}"
    share = float(first["cumulative"].iloc[-1])
    if share < SPREAD:
        return (
            f"; they spread over {len(table):,} pairs of classes, "
            f"none with more than {int(table['count'].iloc[0]):,} of them"
        )
    return f"; three pairs of classes make {number.percent(share, 0)} of them: {', '.join(named)}"
