from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.mistakes import ORDERS, Filters, describe, find, leaked, nothing_found, orders, tally

CLASSES = ["cat", "dog", "emu"]


@pytest.fixture
def answers() -> pd.DataFrame:
    """Eight images; a letter each, so that a test can be read."""
    rows = [
        ("a", "test", "cat", "cat", 0.90, False),
        ("b", "test", "cat", "dog", 0.80, True),
        ("c", "test", "dog", "dog", 0.70, False),
        ("d", "test", "dog", "cat", 0.50, False),
        ("e", "test", "cat", "dog", 0.80, False),
        ("f", "val", "cat", "dog", 0.99, False),
        ("g", "train", "emu", "cat", 0.60, False),
        ("h", "test", "emu", "emu", 0.40, True),
    ]
    frame = pd.DataFrame(
        rows, columns=["sample_id", "split", "label", "predicted", "confidence", "leaked"]
    )
    correct = frame["label"] == frame["predicted"]
    return frame.assign(
        split=frame["split"].astype(pd.CategoricalDtype(["train", "val", "test"])),
        label=frame["label"].astype(pd.CategoricalDtype(CLASSES)),
        predicted=frame["predicted"].astype(pd.CategoricalDtype(CLASSES)),
        confidence=frame["confidence"].astype("float32"),
        correct=correct,
        loss=np.where(correct, 0.1, frame["confidence"]).astype("float32"),
        margin=(2 * frame["confidence"] - 1).astype("float32"),
    )


def ids(answers: pd.DataFrame, filters: Filters, order: str = "highest loss") -> str:
    return "".join(answers["sample_id"].to_numpy()[find(answers, filters, order)])


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters("test"), "bed"),
        (Filters("val"), "f"),
        (Filters("test", answer="right"), "ach"),
        (Filters("test", answer="all"), "bedach"),
        (Filters("test", ("cat",), ("dog",), "all"), "be"),
        (Filters("test", ("cat",), answer="all"), "bea"),
        (Filters("test", predicted=("dog",), answer="all"), "bec"),
        (Filters("test", ("cat", "emu"), answer="all"), "beah"),
        (Filters("test", ("cat",), ("emu",), "all"), ""),
        (Filters("test", without_leaks=True), "ed"),
        (Filters("test", answer="all", low=70, high=80), "bec"),
        (Filters("test", answer="all", low=90), "a"),
        (Filters("test", answer="all", high=40), "h"),
    ],
)
def test_filters_let_exactly_these_through(
    answers: pd.DataFrame, filters: Filters, wanted: str
) -> None:
    assert ids(answers, filters) == wanted


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("highest loss", "bedach"),
        ("most confident", "abecdh"),
        ("least confident", "hdcbea"),
        ("smallest margin", "hdcbea"),
        ("largest margin", "abecdh"),
    ],
)
def test_orders(answers: pd.DataFrame, order: str, wanted: str) -> None:
    assert ids(answers, Filters("test", answer="all"), order) == wanted


def test_every_order_is_of_a_column(answers: pd.DataFrame) -> None:
    columns = {column for column, _ in ORDERS.values()}
    assert columns == {"loss", "confidence", "margin", "map_border", "map_drop"}
    assert {ORDERS[name][0] for name in orders(answers)} == columns & set(answers)


def test_the_matrix_counts_a_split(answers: pd.DataFrame) -> None:
    assert tally(answers, "test").tolist() == [[1, 2, 0], [1, 1, 0], [0, 0, 1]]
    assert tally(answers, "test", without_leaks=True).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert tally(answers, "train").tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_each_cell_of_the_matrix_is_as_many_images_as_the_filters_find(
    answers: pd.DataFrame,
) -> None:
    matrix = tally(answers, "test")
    for row, true in enumerate(CLASSES):
        for column, predicted in enumerate(CLASSES):
            found = find(answers, Filters("test", (true,), (predicted,), "all"), "highest loss")
            assert len(found) == matrix[row, column]


def test_leaks_are_counted_by_split(answers: pd.DataFrame) -> None:
    assert (leaked(answers, "test"), leaked(answers, "val")) == (2, 0)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters("test"), "wrong answers"),
        (
            Filters("test", ("cat",), ("dog",), "all", 20, 90.5),
            "all answers, true cat, predicted dog, confidence 20 to 90.5 %",
        ),
        (Filters("test", low=20), "wrong answers, confidence at least 20 %"),
        (Filters("test", high=20), "wrong answers, confidence at most 20 %"),
        (Filters("test", ("a", "b", "c", "d", "e")), "wrong answers, true a or b or c and 2 more"),
        (Filters("test", ("*x*",)), r"wrong answers, true \*x\*"),
        (Filters("test", without_leaks=True), "wrong answers, without leaked images"),
    ],
)
def test_filters_in_words(filters: Filters, words: str) -> None:
    assert describe(filters).replace("\N{NARROW NO-BREAK SPACE}", " ") == words


def test_an_empty_gallery_says_why() -> None:
    assert nothing_found(Filters("val"), 0).startswith("No val image is wrong.")
    assert nothing_found(Filters("val", ("cat",)), 0).startswith("No val image is wrong.")
    assert "Reset" in nothing_found(Filters("val", ("cat",)), 7)
    assert "Reset" in nothing_found(Filters("val", ("cat",), answer="right"), 0)


def test_a_hundred_thousand_images_are_found_at_once() -> None:
    n, k = 100_000, 200
    generator = np.random.default_rng(0)
    names = pd.CategoricalDtype([f"class {place}" for place in range(k)])
    label, predicted = generator.integers(0, k, (2, n))
    frame = pd.DataFrame(
        {
            "split": pd.Categorical(["test"] * n, ["train", "val", "test"]),
            "label": pd.Categorical.from_codes(label, dtype=names),
            "predicted": pd.Categorical.from_codes(predicted, dtype=names),
            "correct": label == predicted,
            "confidence": generator.random(n, dtype=np.float32),
            "leaked": False,
            "loss": generator.random(n, dtype=np.float32),
        }
    )
    found = find(frame, Filters("test", low=50), "highest loss")
    assert (np.diff(frame["loss"].to_numpy()[found]) <= 0).all()
    assert len(found) == ((label != predicted) & (frame["confidence"] >= 0.5)).sum()
    assert tally(frame, "test").sum() == n
