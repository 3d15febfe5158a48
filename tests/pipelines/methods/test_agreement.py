from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from pipelines.methods.agreement import cohen_kappa, pairwise


def judged(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Judgements of two reviewers that give a table of counts."""
    counts = np.array(table)
    rows, columns = np.indices(counts.shape)
    return np.repeat(rows.ravel(), counts.ravel()), np.repeat(columns.ravel(), counts.ravel())


@pytest.mark.parametrize(
    ("table", "kappa", "digits"),
    [
        # J. Cohen 1960, table 2: 200 patients, .70 observed, .41 expected.
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.492, 3),
        # J. L. Fleiss, "Statistical methods for rates and proportions" (1981), table 13.1.
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.68, 2),
    ],
)
def test_kappa_agrees_with_published_values(
    table: list[list[int]], kappa: float, digits: int
) -> None:
    assert round(cohen_kappa(*judged(table)).kappa, digits) == kappa


@pytest.mark.parametrize(
    ("table", "kappa", "low", "high"),
    [
        # SAS/STAT user's guide, PROC FREQ, agreement study: two dermatologists, 88 patients.
        (
            [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]],
            *(0.3449, 0.2030, 0.4868),
        ),
        # The output of SAS that statsmodels is tested against.
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], 0.4842, 0.2137, 0.7547),
    ],
)
def test_the_interval_agrees_with_published_values(
    table: list[list[int]], kappa: float, low: float, high: float
) -> None:
    found = cohen_kappa(*judged(table))
    assert [round(each, 4) for each in (found.kappa, found.low, found.high)] == [kappa, low, high]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
def test_kappa_is_that_of_scikit_learn_inside_its_interval(said: list[tuple[str, str]]) -> None:
    first, second = zip(*said, strict=True)
    found = cohen_kappa(first, second)
    if len({*first, *second}) == 1:
        assert np.isnan(found.kappa)
        return
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert found.n == len(said)
    if 1 in (len({*first}), len({*second})):
        assert np.isnan(found.low) and np.isnan(found.high)
        return
    assert -1.0 <= found.low <= found.kappa <= found.high <= 1.0
    assert found.low < found.high
    swapped = cohen_kappa(second, first)
    assert (swapped.low, swapped.high) == pytest.approx((found.low, found.high))


def test_complete_agreement_on_a_few_images_is_not_certain() -> None:
    few, many = (cohen_kappa(*[["right", "wrong"] * n] * 2) for n in (3, 300))
    assert few.kappa == few.high == many.kappa == many.high == 1.0
    assert few.low < 0.3 and 0.97 < many.low < 1.0


def test_complete_disagreement_on_a_few_images_is_not_certain() -> None:
    few, many = (cohen_kappa(["a", "b"] * n, ["b", "a"] * n) for n in (2, 200))
    assert few.kappa == few.low == many.kappa == many.low == -1.0
    assert few.high > -0.1 and -1.0 < many.high < -0.9


def test_where_one_uses_a_single_judgement_kappa_is_not_certain_to_be_zero() -> None:
    found = cohen_kappa(["right"] * 20, ["right"] * 18 + ["bad"] * 2)
    assert found.kappa == 0.0 and found.observed == found.expected == 0.9
    assert np.isnan(found.low) and np.isnan(found.high)


def test_one_judgement_alone_says_nothing_about_chance() -> None:
    found = cohen_kappa(["right"] * 5, ["right"] * 5)
    assert found.observed == found.expected == 1.0 and found.n == 5
    assert all(np.isnan(each) for each in (found.kappa, found.low, found.high))
    nothing = cohen_kappa([], [])
    assert nothing.n == 0 and np.isnan(nothing.observed)


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Received: \(2,\) and \(1,\)"):
        cohen_kappa(["right", "bad"], ["right"])


def test_every_two_reviewers_are_compared_on_what_both_judged() -> None:
    rows = [
        *(("s1", "ben", "bad"), ("s2", "ben", "label cat"), ("s3", "ben", "label dog")),
        *(("s1", "Anna", "bad"), ("s2", "Anna", "label cat"), ("s4", "Anna", "bad")),
        *(("s2", "cy", "label dog"), ("s3", "cy", "label dog"), ("s9", "dora", "bad")),
    ]
    found = pairwise(pd.DataFrame(rows, columns=["sample_id", "reviewer", "judgement"]))
    assert list(found) == [("Anna", "ben"), ("Anna", "cy"), ("ben", "cy")]
    assert [each.n for each in found.values()] == [2, 1, 2]
    assert found["Anna", "ben"].kappa == 1.0
    assert found["ben", "cy"].observed == 0.5
    assert pairwise(pd.DataFrame(columns=["sample_id", "reviewer", "judgement"])) == {}
