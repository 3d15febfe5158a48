from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.recovery import average_precision, found_among

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
