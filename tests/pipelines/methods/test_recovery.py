from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.recovery import average_precision, found_among, table

WRONG = np.array([True, False, True, False, False])


def test_average_precision_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    assert average_precision(WRONG, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(WRONG, np.array([1.0, 0, 1, 0, 0])) == 1
    # A flag alone: half found at once, the rest with everything.
    flag = np.array([1.0, 0, 0, 0, 0])
    assert average_precision(WRONG, flag) == pytest.approx((1 + 2 / 5) / 2)


def test_found_among_the_highest() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    assert [found_among(WRONG, scores, n) for n in (1, 2, 3, 5)] == [1, 1, 2, 2]


def test_equal_scores_count_as_chance_would_find_them() -> None:
    flag = np.array([1.0, 0, 0, 0, 0])
    assert found_among(WRONG, flag, 2) == pytest.approx(1 + 1 / 4)
    assert found_among(WRONG, np.zeros(5), 2) == pytest.approx(2 * 2 / 5)


def test_what_is_found_among_equal_scores_is_told_to_a_tenth() -> None:
    methods = {
        "threshold_rule": {
            "average_precision": 0.409,
            "found_among_n": 11.17567567,
            "precision_at_n": 11.17567567 / 27,
            "flags": {"flagged": 74},
        },
        "suspicion": {
            "average_precision": 0.978,
            "found_among_n": 25.0,
            "precision_at_n": 25 / 27,
        },
        "confident_learning": {"flags": {"flagged": 31}},
    }
    told = table({"flipped": 27, "methods": methods})
    assert told.to_numpy().tolist() == [
        ["suspicion", "0.978", "0.926 (25 of 27)"],
        ["the AJNA threshold rule", "0.409", "0.414 (11.2 of 27)"],
    ]
    assert list(told.columns) == ["ranked by", "average precision", "precision at 27"]
