"""Which images of a run are looked at, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import pandas as pd

from dashboard import evidence
from dashboard.conditions import Condition
from dashboard.widgets.messages import plain
from pipelines.methods import metrics, number

Answer = Literal["wrong", "right", "all"]

ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)

ORDERS: Final[dict[str, tuple[str, bool]]] = {
    "highest loss": ("loss", False),
    "most confident": ("confidence", False),
    "least confident": ("confidence", True),
    "smallest margin": ("margin", True),
    "largest margin": ("margin", False),
    "most border evidence": (evidence.BORDER, False),
    "largest drop": (evidence.DROP, False),
    "smallest drop": (evidence.DROP, True),
}
"""Column and whether it ascends, by the name of the order; see :func:`orders`."""


@dataclass(frozen=True)
class Filters:
    """Which images are looked at.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        true: True classes; none for any.
        predicted: Predicted classes; none for any.
        answer: Wrong answers, right ones, or all.
        low: Least probability of the predicted class in percent, or None.
        high: Largest probability of the predicted class in percent, or None.
        without_leaks: Leave out images whose group or pixels also stand in train.
        more: Conditions on further columns, all of which must hold.
    """

    split: str
    true: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    answer: Answer = "wrong"
    low: float | None = None
    high: float | None = None
    without_leaks: bool = False
    more: tuple[Condition, ...] = ()

    @property
    def narrowed(self) -> bool:
        """Whether anything is set beyond the mistakes of a split."""
        return bool(
            self.true
            or self.predicted
            or self.answer != "wrong"
            or self.low is not None
            or self.high is not None
            or self.more
        )


def orders(answers: pd.DataFrame) -> list[str]:
    """The orders that a table has the columns for."""
    return [name for name, (column, _) in ORDERS.items() if column in answers]


def find(answers: pd.DataFrame, filters: Filters, order: str) -> np.ndarray:
    """The images that pass the filters.

    Args:
        answers: Table of samples and predictions, as ``data.answers`` gives it (n rows).
        filters: What to look at.
        order: A key of ``ORDERS``; ties stay in the order of the samples, and what has no value
            comes last.

    Returns:
        Positions of their rows in the table, int64 of shape (found,).
    """
    keep = _rows(answers, filters.split, filters.without_leaks)
    for column, names in (("label", filters.true), ("predicted", filters.predicted)):
        if names:
            keep &= answers[column].isin(names).to_numpy()
    if filters.answer != "all":
        keep &= answers["correct"].to_numpy() == (filters.answer == "right")
    confidence = answers["confidence"].to_numpy()
    if filters.low is not None:
        keep &= confidence >= filters.low / 100
    if filters.high is not None:
        keep &= confidence <= filters.high / 100
    for condition in filters.more:
        keep &= condition.holds(answers)
    found = np.flatnonzero(keep)
    column, ascends = ORDERS[order]
    values = answers[column].to_numpy()[found]
    return found[np.argsort(values if ascends else -values, kind="stable")]


def tally(answers: pd.DataFrame, split: str, without_leaks: bool = False) -> np.ndarray:
    """Confusion matrix of a split, shape (classes, classes), rows true.

    Args:
        answers: Table of samples and predictions.
        split: Which split.
        without_leaks: As in :class:`Filters`.
    """
    keep = _rows(answers, split, without_leaks)
    return metrics.confusion_matrix(
        answers["label"].cat.codes.to_numpy()[keep],
        answers["predicted"].cat.codes.to_numpy()[keep],
        len(answers["label"].cat.categories),
    )


def leaked(answers: pd.DataFrame, split: str) -> int:
    """How many images of a split share their group or their pixels with train."""
    return int((_rows(answers, split, False) & answers["leaked"].to_numpy()).sum())


def describe(filters: Filters) -> str:
    """What the filters let through, in Markdown: ``wrong answers, true 8, predicted 3``."""
    parts = ["all answers" if filters.answer == "all" else f"{filters.answer} answers"]
    for word, names in (("true", filters.true), ("predicted", filters.predicted)):
        if names:
            named = plain(" or ".join(names[:3]))
            parts.append(f"{word} {named}" + (f" and {len(names) - 3} more" * (len(names) > 3)))
    low, high = filters.low, filters.high
    if low is not None and high is not None:
        parts.append(f"confidence {low:g} to {high:g}{number.SPACE}%")
    elif low is not None:
        parts.append(f"confidence at least {low:g}{number.SPACE}%")
    elif high is not None:
        parts.append(f"confidence at most {high:g}{number.SPACE}%")
    parts += [plain(condition.words) for condition in filters.more]
    if filters.without_leaks:
        parts.append("without leaked images")
    return ", ".join(parts)


def mapped(answers: pd.DataFrame, filters: Filters) -> str:
    """How many images of the split have a map, as a sentence, where the filters ask for one."""
    of_maps = [each.column for each in filters.more if evidence.is_of_map(each.column)]
    if not of_maps:
        return ""
    there = _rows(answers, filters.split, filters.without_leaks)
    known = int((there & evidence.covered(answers, of_maps[0])).sum())
    return (
        f"{known:,} of {number.plural(int(there.sum()), f'{filters.split} image')} have "
        "an occlusion map; the others are left out."
    )


def nothing_found(filters: Filters, wrong: int) -> str:
    """What an empty gallery says, as plain text.

    Args:
        filters: What was looked for.
        wrong: How many images of the split are wrong.
    """
    if not filters.narrowed or (wrong == 0 and filters.answer == "wrong"):
        return f"No {filters.split} image is wrong. Choose right or all to see the answers."
    return "No image passes these filters. Reset them, or let more classes or answers through."


def _rows(answers: pd.DataFrame, split: str, without_leaks: bool) -> np.ndarray:
    keep: np.ndarray = (answers["split"] == split).to_numpy(copy=True)
    if without_leaks:
        keep &= ~answers["leaked"].to_numpy()
    return keep
