from __future__ import annotations

import numpy as np
import pytest

from dashboard.confusions import MOST_CONFUSIONS, class_table, confusion_table, finding, summary
from pipelines.methods.intervals import rate
from pipelines.methods.metrics import macro_f1

CLASSES = ["cat", "dog", "emu", "fox"]
MATRIX = np.array([[40, 6, 1, 0], [4, 30, 2, 0], [0, 0, 20, 1], [1, 0, 0, 15]])


def spaced(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_finding_names_what_weighs_most() -> None:
    assert spaced(finding(MATRIX, CLASSES, "test")) == (
        "15 of 120 test images are wrong (12.5 %, 95 % interval 7.7 to 19.6); three pairs of "
        "classes make 80 % of them: cat taken for dog (6), dog taken for cat (4), dog taken for "
        "emu (2)."
    )


def test_few_confusions_are_all_named() -> None:
    matrix = np.array([[9, 1], [0, 10]])
    said = spaced(finding(matrix, ["*a*", "b"], "val"))
    assert said.startswith("1 of 20 val images is wrong (5.0 %, ")
    assert said.endswith(r": \*a\* taken for b (1).")


def test_the_positive_class_is_named() -> None:
    matrix = np.array([[90, 10], [30, 70]])
    said = finding(matrix, ["NORMAL", "PNEUMONIA"], "test", positive="PNEUMONIA")
    assert "30 PNEUMONIA missed (false negatives)" in said
    assert "10 NORMAL taken for PNEUMONIA (false positives)" in said
    figures = spaced(summary(matrix, ["NORMAL", "PNEUMONIA"], "PNEUMONIA", macro_f1(matrix)))
    assert "Accuracy 80.0 % (160 of 200" in figures
    assert "precision 87.5 % (70 of 80;" in figures
    assert "sensitivity 70.0 % (70 of 100;" in figures
    assert "specificity 90.0 % (90 of 100;" in figures


def test_spread_out_mistakes_are_said_to_be_so() -> None:
    matrix = np.ones((30, 30), np.int64)
    said = finding(matrix, [str(place) for place in range(30)], "test")
    assert said.endswith("; they spread over 870 pairs of classes, none with more than 1 of them.")


def test_leaks_are_counted_out() -> None:
    clean = MATRIX - np.diag([5, 0, 0, 0])
    clean[0, 1] -= 2
    said = spaced(finding(MATRIX, CLASSES, "test", clean=clean))
    assert said.endswith("Without the 7 that leaked from train: 13 of 113 (11.5 %, 95 % interval "
                         "6.8 to 18.7).")  # fmt: skip


def test_no_mistakes_still_have_an_interval() -> None:
    said = spaced(finding(np.diag([10, 20]), ["a", "b"], "test"))
    assert said == "None of 30 test images is wrong (0.0 %, 95 % interval 0.0 to 11.4)."


def test_a_split_emptied_of_leaks() -> None:
    said = spaced(finding(np.diag([2, 1]), ["a", "b"], "test", clean=np.zeros((2, 2), np.int64)))
    assert "Without the 3 that leaked from train: 0 of 0 (–" in said


def test_classes_have_figures_and_intervals() -> None:
    table = class_table(MATRIX, CLASSES, "dog").set_index("class")
    dog = table.loc["dog (positive)"]
    assert (dog["support"], dog["wrong"]) == (36, 6)
    wanted = rate(30, 36)
    assert dog["recall"] == pytest.approx(100 * wanted.value)
    assert dog["recall_interval"] == f"{100 * wanted.low:.1f} to {100 * wanted.high:.1f}"
    assert dog["precision"] == pytest.approx(100 * 30 / 36)
    assert dog["f1"] == pytest.approx(100 * 60 / 72)


def test_a_class_that_is_not_there_has_no_figures() -> None:
    matrix = np.array([[3, 0], [0, 0]])
    missing = class_table(matrix, ["a", "b"], None).iloc[1]
    assert np.isnan(missing[["recall", "precision", "f1"]].to_numpy(float)).all()
    assert missing["recall_interval"] == "–"


def test_confusions_come_most_frequent_first() -> None:
    table = confusion_table(MATRIX, CLASSES)
    assert table["pair"].tolist()[:2] == ["cat → dog", "dog → cat"]
    assert table["count"].tolist() == [6, 4, 2, 1, 1, 1]
    first = table.iloc[0]
    assert (first["share"], first["of_class"]) == pytest.approx((40.0, 100 * 6 / 47))
    wanted = rate(6, 47)
    assert first["of_class_interval"] == f"{100 * wanted.low:.1f} to {100 * wanted.high:.1f}"
    assert table["cumulative"].iloc[-1] == pytest.approx(100)
    assert confusion_table(np.diag([1, 2]), ["a", "b"]).empty


def test_two_hundred_classes_are_cut() -> None:
    matrix = np.ones((200, 200), np.int64)
    names = [str(place) for place in range(200)]
    assert len(confusion_table(matrix, names)) == MOST_CONFUSIONS
    assert len(class_table(matrix, names, None)) == 200
