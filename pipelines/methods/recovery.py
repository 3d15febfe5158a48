"""How well a finder of wrong labels finds those that are known to be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

METHODS: Final = {
    "suspicion": "suspicion",
    "cleanlab": "cleanlab's self-confidence",
    "neighbours": "neighbours alone",
    "threshold_rule": "the AJNA threshold rule",
}
"""What ranks labels, in words, by the names that the stage ``issues`` gives them."""


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


def table(recovery: Mapping[str, Any]) -> pd.DataFrame:
    """How well each method ranks labels that are known to be wrong, as text.

    Args:
        recovery: As the stage ``issues`` wrote it: ``flipped`` (how many are wrong), and by method
            ``average_precision``, ``found_among_n`` and ``precision_at_n``.

    Returns:
        One row a method: ``ranked by``, ``average precision`` and ``precision at <n>``. Where equal
        scores reach over the n-th place, how many are found among them is what chance would give,
        to a tenth.
    """
    n, told = recovery["flipped"], recovery["methods"]
    ranked = {name: told[name] for name in METHODS if "average_precision" in told.get(name, {})}
    return pd.DataFrame(
        {
            "ranked by": [METHODS[name] for name in ranked],
            "average precision": [f"{each['average_precision']:.3f}" for each in ranked.values()],
            f"precision at {n:,}": [
                f"{each['precision_at_n']:.3f} ({_found(each['found_among_n'])} of {n:,})"
                for each in ranked.values()
            ],
        }
    )


def _found(count: float) -> str:
    return f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"
