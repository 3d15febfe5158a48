from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipelines.methods.comparison import gaps, mcnemar
from pipelines.methods.intervals import rate


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_exact_binomial_test(answers: list[tuple[bool, bool]]) -> None:
    first, second = np.array(answers).T
    found = mcnemar(first, second)
    expected = 1.0
    if found.only_first + found.only_second:
        expected = binomtest(found.only_first, found.only_first + found.only_second).pvalue
    assert found.p_value == pytest.approx(expected)
    assert found.n == len(answers)
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
