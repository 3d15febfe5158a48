from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipelines.methods.comparison import (
    Paired,
    agreement,
    gaps,
    holm,
    mcnemar,
    paired_difference,
)
from pipelines.methods.intervals import difference, rate


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_exact_binomial_test(answers: list[tuple[bool, bool]]) -> None:
    first, second = np.array(answers).T
    found = mcnemar(first, second)
    expected = 1.0
    if found.only_first + found.only_second:
        expected = binomtest(found.only_first, found.only_first + found.only_second).pvalue
    assert found.p_value == pytest.approx(expected)
    assert found.n == len(answers)
    assert found.both == sum(one and other for one, other in answers)
    assert found.neither == sum(not one and not other for one, other in answers)
    swapped = mcnemar(second, first)
    assert (swapped.only_first, swapped.only_second) == (found.only_second, found.only_first)
    assert swapped.p_value == found.p_value


def test_mcnemar_agrees_with_a_published_value() -> None:
    # M. P. Fay, "Two-sided exact tests and matching confidence intervals for discrete data",
    # R Journal 2 (2010), 53-58, and his package exact2x2: 2 and 9 of 44 pairs differ, p = .06543.
    first = np.repeat([True, True, False, False], [21, 2, 9, 12])
    second = np.repeat([True, False, True, False], [21, 2, 9, 12])
    found = mcnemar(first, second)
    assert (found.n, found.only_first, found.only_second) == (44, 2, 9)
    assert round(found.p_value, 5) == 0.06543


def test_mcnemar_refuses_other_samples() -> None:
    with pytest.raises(ValueError, match=r"Received: \(2,\) and \(3,\)"):
        mcnemar(np.zeros(2, bool), np.zeros(3, bool))


def test_gaps_add_up_to_the_error_on_val() -> None:
    found = gaps(rate(980, 1000), rate(450, 500), ideal=0.99)
    assert found.bias.value == pytest.approx(0.01)
    assert found.variance.value == pytest.approx(0.08)
    assert found.bias.low < found.bias.value < found.bias.high
    assert found.variance.low > 0.0


def test_gaps_refuse_a_percentage() -> None:
    with pytest.raises(ValueError, match=r"Received: ideal=99\.0"):
        gaps(rate(1, 2), rate(1, 2), ideal=99.0)


def test_paired_difference_agrees_with_a_published_interval() -> None:
    # M. Fagerland, S. Lydersen, P. Laake, "Statistical Analysis of Contingency Tables" (2017),
    # chapter 8: complete response before and after consolidation (Cavo and others 2012), as
    # printed by the authors' R package contingencytables.
    found = paired_difference(Paired(161, 59, 6, 16, p_value=0.0525))
    assert (round(found.low, 4), round(found.high, 4)) == (-0.1186, -0.0046)
    assert found.value == pytest.approx(-10 / 161)


def test_paired_difference_of_unrelated_answers_is_that_of_independent_ones() -> None:
    found = paired_difference(Paired(100, 56, 24, 14, p_value=1.0))
    expected = difference(rate(80, 100), rate(70, 100))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_paired_difference_is_narrower_the_more_alike_the_answers_are() -> None:
    widths = []
    for both in (50, 60, 70):
        found = paired_difference(Paired(100, both, 80 - both, 70 - both, p_value=1.0))
        assert found.value == pytest.approx(0.1)
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]


@given(st.tuples(*[st.integers(0, 200)] * 4))
def test_paired_difference_holds_the_difference_and_is_symmetric(
    cells: tuple[int, int, int, int],
) -> None:
    both, mine, theirs, _ = cells
    found = paired_difference(Paired(sum(cells), both, mine, theirs, 1.0))
    if sum(cells) == 0:
        assert np.isnan([found.value, found.low, found.high]).all()
        return
    assert -1.0 - 1e-9 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1.0 + 1e-9
    turned = paired_difference(Paired(sum(cells), both, theirs, mine, 1.0))
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-12)


def test_holm_steps_down_and_never_falls() -> None:
    # By hand: .005 x 4, .01 x 3, .03 x 2, and .04 x 1, which may not fall below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_agreement_counts_equal_answers_two_by_two() -> None:
    answers = np.array([[0, 1, 2, 2], [0, 1, 1, 2], [1, 1, 0, 0]])
    assert agreement(answers).tolist() == [[4, 3, 1], [3, 4, 1], [1, 1, 4]]
