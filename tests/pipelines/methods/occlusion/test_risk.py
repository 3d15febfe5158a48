"""Estimate or verify: curves and bounds counted by hand, and what holds of any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.methods.occlusion.risk import (
    NONE,
    apply,
    choose_bound,
    disagreement,
    risk_coverage,
)

SCORE = np.array([0.3, 0.1, 0.2, 0.4])
ERROR = np.array([6.0, 1.0, 2.0, 3.0])

NUMBERS = st.floats(0, 10, width=32).map(lambda value: round(value, 1))


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 12))
    score, error = (draw(hnp.arrays(np.float64, n, elements=NUMBERS)) for _ in range(2))
    return score, error


def test_a_curve_counted_by_hand() -> None:
    found = risk_coverage(SCORE, ERROR)
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert found.risk.tolist() == [1, 1.5, 3, 3]
    assert found.area == pytest.approx(8.5 / 4)
    assert found.best == pytest.approx((1 + 1.5 + 2 + 3) / 4)
    assert found.random == pytest.approx(3)
    assert found.gain == pytest.approx((3 - 2.125) / (3 - 1.875))


def test_equal_scores_are_trusted_together() -> None:
    found = risk_coverage(np.zeros(4), ERROR)
    assert found.risk.tolist() == [3, 3, 3, 3]
    assert found.gain == 0
    assert np.isnan(risk_coverage(SCORE, np.full(4, 0.1)).gain)


@given(scored())
def test_no_score_beats_the_error_itself(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    score, error = drawn
    found = risk_coverage(score, error)
    assert found.best - 1e-9 <= found.area
    assert found.risk[-1] == pytest.approx(error.mean())
    assert risk_coverage(error, error).area == pytest.approx(found.best)
    order = np.random.default_rng(0).permutation(len(score))
    assert risk_coverage(score[order], error[order]).risk == pytest.approx(found.risk)


def test_a_bound_counted_by_hand() -> None:
    assert choose_bound(SCORE, ERROR, 3) == 0.4
    assert choose_bound(SCORE, ERROR, 2) == 0.2
    assert choose_bound(SCORE, ERROR, 1) == 0.1
    assert choose_bound(SCORE, ERROR, 0.5) == NONE
    assert choose_bound(np.zeros(0), np.zeros(0), 1) == NONE
    # A later bound may keep the wish that an earlier one breaks.
    assert choose_bound(np.array([1.0, 2, 3]), np.array([5.0, 0, 1]), 2) == 3


@given(scored(), NUMBERS)
def test_a_bound_keeps_the_wish_and_no_larger_one_does(
    drawn: tuple[np.ndarray, np.ndarray], wanted: float
) -> None:
    score, error = drawn
    bound = choose_bound(score, error, wanted)
    inside = score <= bound
    if inside.any():
        assert error[inside].mean() <= wanted + 1e-9
    for larger in score[score > bound]:
        assert error[score <= larger].mean() > wanted - 1e-9


def test_a_bound_applied_elsewhere() -> None:
    found = apply(0.2, SCORE, ERROR)
    assert (found.accepted.value, found.accepted.count, found.accepted.n) == (0.5, 2, 4)
    assert found.error.value == 1.5
    assert found.error.low == 1 and found.error.high == 2
    assert found.error_of_rest.value == 4.5
    nobody = apply(NONE, SCORE, ERROR)
    assert nobody.accepted.value == 0
    assert np.isnan(nobody.error.value) and nobody.error.n == 0
    assert np.isnan(apply(1, SCORE, ERROR).error_of_rest.value)


def test_disagreement_counted_by_hand() -> None:
    one = np.zeros((3, 2, 2), np.float32)
    one[1:] = [[0, 1], [0, 1]]
    other = one.copy()
    other[0] = 0.25
    other[2] = 1 - one[2]
    assert disagreement(one, other).tolist() == [0.25, 0, 1]
    assert disagreement(one, other, "correlation") == pytest.approx([1, 0, 2])
    constant = np.full((1, 2, 2), 0.5)
    assert disagreement(constant, constant, "correlation").tolist() == [0]


def test_the_disagreement_of_two_noisy_estimates_orders_their_errors() -> None:
    rng = np.random.default_rng(0)
    exact = rng.random((300, 6, 6))
    noise = rng.uniform(0.01, 0.3, (300, 1, 1))
    one, other = (exact + noise * rng.normal(size=exact.shape) for _ in range(2))
    found = risk_coverage(disagreement(one, other), np.abs(exact - one).mean(axis=(1, 2)))
    assert found.gain > 0.9


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4,\) and \(3,\)"):
        risk_coverage(SCORE, ERROR[:3])
    with pytest.raises(ValueError, match="at least one image"):
        apply(1, np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="0 scores and 1 errors"):
        risk_coverage(SCORE, np.array([1, 2, np.nan, 4]))
    with pytest.raises(ValueError, match="one shape"):
        disagreement(np.zeros((2, 3, 3)), np.zeros((2, 3, 4)))
