"""The confusion matrix: which classes are taken for which, and a way to their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dashboard.widgets.component import define, mount, pending

Normalise = Literal["counts", "row", "column"]

_render = define("matrix", "matrix_drawing")


@dataclass(frozen=True)
class MatrixSelection:
    """A cell, or a class, of a confusion matrix.

    Attributes:
        true: Position of the true class, or None for any.
        predicted: Position of the predicted class, or None for any.
    """

    true: int | None = None
    predicted: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is selected."""
        return self.true is not None or self.predicted is not None


@dataclass(frozen=True)
class MatrixEvent:
    """What came of a confusion matrix in this run.

    Attributes:
        selected: What is selected now; falsy for nothing.
        changed: Whether the user changed it since the last run.
    """

    selected: MatrixSelection
    changed: bool


def confusion(
    matrix: np.ndarray,
    classes: Sequence[str],
    *,
    key: str,
    label: str,
    normalise: Normalise = "counts",
    hide_diagonal: bool = False,
    selected: MatrixSelection | None = None,
) -> MatrixEvent:
    """Shows a confusion matrix and lets a person pick a cell or a class of it.

    A click on a cell selects it, one on a class's name all images of that true or predicted
    class, a second one clears; so do the arrow keys and Enter. Colours follow the square root of
    the values, so that single mistakes show beside a heavy diagonal; up to 200 classes stay
    readable: names that do not fit appear for the row and column under pointer or cursor.

    Args:
        matrix: Counts (classes, classes), row = true class, column = predicted class.
        classes: Their names.
        key: Unique in the app.
        label: Accessible name: of what run and split it is.
        normalise: Show counts, shares of the true class (row), or of the predicted one (column).
        hide_diagonal: Leave out the right predictions, colours scaled to the mistakes alone.
        selected: What was selected before the user acted; the caller keeps it.

    Returns:
        What is selected now.

    Raises:
        ValueError: The matrix is not square, or not of as many classes as there are names.
    """
    k = len(classes)
    if matrix.shape != (k, k) or k == 0:
        raise ValueError(
            "A confusion matrix must be square with one row a class. "
            f"Received: shape={matrix.shape}, {k} classes. Pass counts of these classes."
        )
    before = selected or MatrixSelection()
    after = _apply(before, pending(key), k)
    mount(
        _render,
        key=key,
        data={
            "counts": matrix.ravel().astype(int).tolist(),
            "classes": list(classes),
            "label": label,
            "hint": "Click a cell or a class name to see its images.",
            "normalise": normalise,
            "hide_diagonal": hide_diagonal,
            "true": after.true,
            "predicted": after.predicted,
        },
    )
    return MatrixEvent(after, after != before)


def _apply(before: MatrixSelection, event: Mapping[str, Any], k: int) -> MatrixSelection:
    if not event:
        return before
    after = MatrixSelection(event.get("true"), event.get("predicted"))
    for place in (after.true, after.predicted):
        if place is not None and not (type(place) is int and 0 <= place < k):
            return before
    return after
