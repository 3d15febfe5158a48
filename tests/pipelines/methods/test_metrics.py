from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from pipelines.methods.intervals import bootstrap
from pipelines.methods.metrics import (
    accuracy,
    confusion_matrix,
    macro_f1,
    per_class,
    top_confusions,
)

# Published: the chest X-ray study with bigger input (rows normal, pneumonia).
CHEST = np.array([[156, 78], [18, 372]])
CHEST_CLASSES = ("NORMAL", "PNEUMONIA")


def pairs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions that have this confusion matrix."""
    rows, columns = np.indices(matrix.shape)
    counts = matrix.ravel()
    return np.repeat(rows.ravel(), counts), np.repeat(columns.ravel(), counts)


matrices = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.integers(0, 30), min_size=k * k, max_size=k * k).map(
        lambda counts: np.array(counts).reshape(k, k)
    )
)


@given(matrices)
@settings(max_examples=50, deadline=None)
def test_matrix_and_table_agree_with_sklearn(matrix: np.ndarray) -> None:
    labels, predicted = pairs(matrix)
    size = len(matrix)
    if len(labels) == 0:
        return
    found = confusion_matrix(labels, predicted, size)
    expected = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(size))
    np.testing.assert_array_equal(found, expected)

    table = per_class(found, [f"class {code}" for code in range(size)])
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(size), zero_division=np.nan
    )
    np.testing.assert_allclose(table["precision"], precision)
    np.testing.assert_allclose(table["recall"], recall)
    np.testing.assert_allclose(table["f1"], f1)
    np.testing.assert_array_equal(table["support"], support)
    for figure in ("precision", "recall", "f1"):
        known = table.dropna(subset=[figure])
        assert (known[f"{figure}_low"] <= known[figure] + 1e-12).all()
        assert (known[figure] <= known[f"{figure}_high"] + 1e-12).all()
        unknown = table[table[figure].isna()]
        assert unknown[[f"{figure}_low", f"{figure}_high"]].isna().all(axis=None)

    macro = macro_f1(found, resamples=20)
    assert macro.value == pytest.approx(
        sklearn_metrics.f1_score(
            labels, predicted, labels=range(size), average="macro", zero_division=np.nan
        )
    )


def test_published_chest_figures() -> None:
    overall = accuracy(CHEST)
    assert (overall.count, overall.n) == (528, 624)
    assert [round(x, 3) for x in (overall.value, overall.low, overall.high)] == [
        0.846,
        0.816,
        0.872,
    ]
    pneumonia = per_class(CHEST, CHEST_CLASSES).iloc[1]
    rounded = pneumonia[["recall", "recall_low", "recall_high", "precision"]].astype(float).round(3)
    assert rounded.tolist() == [0.954, 0.928, 0.971, 0.827]


def test_f1_interval_agrees_with_the_bootstrap() -> None:
    labels, predicted = pairs(CHEST)

    def f1(true: np.ndarray, guess: np.ndarray) -> float:
        right = np.count_nonzero(true & guess)
        return 2 * right / (np.count_nonzero(true) + np.count_nonzero(guess))

    low, high = bootstrap(f1, labels == 1, predicted == 1, resamples=2000)
    row = per_class(CHEST, CHEST_CLASSES).iloc[1]
    assert row["f1_low"] == pytest.approx(low, abs=0.004)
    assert row["f1_high"] == pytest.approx(high, abs=0.004)


def test_macro_f1_interval_agrees_with_resampling_the_samples() -> None:
    labels, predicted = pairs(CHEST)

    def macro(true: np.ndarray, guess: np.ndarray) -> float:
        return float(sklearn_metrics.f1_score(true, guess, average="macro"))

    low, high = bootstrap(macro, labels, predicted, resamples=400)
    found = macro_f1(CHEST, resamples=2000)
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)
    assert found == macro_f1(CHEST, resamples=2000)


def test_two_hundred_classes_of_a_hundred_thousand_samples_are_quick() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 200, 100_000)
    wrong = generator.random(100_000) < 0.2
    predicted = np.where(wrong, generator.integers(0, 200, 100_000), labels)
    started = time.perf_counter()
    matrix = confusion_matrix(labels, predicted, 200)
    table = per_class(matrix, [str(code) for code in range(200)])
    macro = macro_f1(matrix, resamples=200)
    seconds = time.perf_counter() - started
    assert len(table) == 200
    assert macro.low < macro.value < macro.high
    assert seconds < 10


def test_macro_f1_of_nothing() -> None:
    assert np.isnan(macro_f1(np.zeros((3, 3), dtype=np.int64)).value)


@given(matrices)
@settings(max_examples=50, deadline=None)
def test_top_confusions_count_every_error_once(matrix: np.ndarray) -> None:
    classes = [f"c{code}" for code in range(len(matrix))]
    table = top_confusions(matrix, classes)
    errors = int(matrix.sum() - np.trace(matrix))
    assert table["count"].sum() == errors
    assert table["count"].is_monotonic_decreasing
    assert (table["true"] != table["predicted"]).all()
    if errors:
        assert table["share"].sum() == pytest.approx(1.0)
        assert table["cumulative"].iloc[-1] == pytest.approx(1.0)


def test_top_confusions_of_the_chest_study() -> None:
    table = top_confusions(CHEST, CHEST_CLASSES)
    first = table.iloc[0]
    assert (first["true"], first["predicted"], first["count"]) == ("NORMAL", "PNEUMONIA", 78)
    assert first["share"] == pytest.approx(78 / 96)
    assert first["of_class"] == pytest.approx(78 / 234)


def test_matrix_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="equally many"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 2)
    with pytest.raises(ValueError, match=r"'predicted'.*Received: 0 to 2"):
        confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="for 3 classes"):
        per_class(CHEST, ["a", "b", "c"])
