"""How well a finder of wrong labels finds those that are known to be wrong."""

from __future__ import annotations

import numpy as np


def average_precision(wrong: np.ndarray, scores: np.ndarray) -> float:
    """Mean of the precision over the wrong labels, from the highest score down; equal scores are
    taken together.

    Args:
        wrong: Mask (n,) of the labels that are wrong, at least one.
        scores: (n,), higher where a label is suspected more.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wrong, scores))


def found_among(wrong: np.ndarray, scores: np.ndarray, n: int) -> float:
    """How many of the n highest scores are of wrong labels; divided by n, the precision at n.

    Where equal scores reach over the n-th place it is what chance would give among them.

    Args:
        wrong: Mask of the labels that are wrong.
        scores: Higher where a label is suspected more.
        n: At least one, at most as many as there are.
    """
    last = np.partition(scores, -n)[-n]
    above, level = scores > last, scores == last
    open_places = n - int(above.sum())
    return float(wrong[above].sum() + open_places * wrong[level].mean())
