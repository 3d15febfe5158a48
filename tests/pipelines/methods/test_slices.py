from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.methods.slices import by_error


def test_one_batch_that_makes_the_plateau_is_found() -> None:
    rng = np.random.default_rng(0)
    month = pd.Series(np.repeat(["2018-03", "2018-04", "2018-05"], [60, 200, 200]))
    camera = pd.Series(rng.choice(["a", "b"], 460))
    wrong = np.zeros(460, bool)
    wrong[:30] = True
    wrong[60:80] = True
    first, *others = by_error({"month": month, "camera": camera}, wrong)
    assert (first.column, first.value, first.out_of_line) == ("month", "2018-03", True)
    assert (first.errors.count, first.errors.n) == (30, 60)
    assert (first.others.count, first.others.n) == (20, 400)
    assert first.errors.value > first.others.high
    assert not any(each.out_of_line for each in others if each.column == "camera")


def test_the_test_is_fishers_and_adjusted_for_all_slices() -> None:
    poured = pd.Series(["milk"] * 5 + ["tea"] * 5)
    wrong = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], bool)
    slices = by_error({"poured": poured}, wrong)
    # 4 of 5 against 1 of 5: 2 * (25 + 1) / 252, for each of the two slices.
    assert [each.p_value for each in slices] == pytest.approx([2 * 52 / 252] * 2)


def test_columns_that_slice_nothing_are_left_out() -> None:
    wrong = np.zeros(300, bool)
    columns = {
        "same": pd.Series(["x"] * 300),
        "each its own": pd.Series([f"{row}" for row in range(300)]),
        "rare": pd.Series(["x"] * 297 + ["y"] * 3),
        "unknown": pd.Series([None] * 300, dtype="object"),
    }
    assert by_error(columns, wrong) == []
    halves = pd.Series(["x"] * 100 + ["y"] * 100 + [None] * 100)
    assert [each.errors.n for each in by_error({"half": halves}, wrong)] == [100, 100]
