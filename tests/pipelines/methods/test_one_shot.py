"""The one-shot classifier: references from train, and what follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods import one_shot

RNG = np.random.default_rng(0)


def clusters(per_class: int = 20, classes: int = 3, spread: float = 0.1) -> tuple:
    labels = np.repeat(np.arange(classes), per_class)
    vectors = np.eye(classes)[labels] * 10 + RNG.normal(size=(len(labels), classes)) * spread
    return vectors.astype(np.float32), labels


def test_the_first_reference_is_the_medoid_and_the_next_help_most() -> None:
    vectors = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    rows = np.arange(5)
    # Sums of distances: 24, 21, 20, 28, 32: the medoid is 2. With it, 10 saves 8 + 8 of 9 + 8.
    assert one_shot.references(vectors, rows, 2, "medoids").tolist() == [2, 3]
    assert sorted(one_shot.references(vectors, rows, 9, "medoids").tolist()) == rows.tolist()


def test_references_are_of_the_rows_given() -> None:
    vectors, _ = clusters()
    rows = np.array([4, 9, 33, 50])
    for choice in ("medoids", "random"):
        chosen = one_shot.references(vectors, rows, 3, choice, seed=2)
        assert len(set(chosen.tolist())) == 3
        assert set(chosen.tolist()) <= set(rows.tolist())


def test_of_very_many_images_a_sample_is_enough() -> None:
    vectors = np.arange(5000.0)[:, None]
    (medoid,) = one_shot.references(vectors, np.arange(5000), 1, "medoids")
    assert medoid == pytest.approx(2500, abs=150)


def test_the_rules_differ_as_they_should() -> None:
    """The nearest reference is of class 0, the nearest mean distance that of class 1."""
    references = [np.array([[1.0], [9.0]]), np.array([[2.0], [2.5]])]
    query = np.zeros((1, 1))
    assert one_shot.classify(query, references, "min").tolist() == [0]
    assert one_shot.classify(query, references, "mean").tolist() == [1]


def test_separated_classes_need_one_reference() -> None:
    vectors, labels = clusters()
    train, test = np.arange(0, 60, 2), np.arange(1, 60, 2)
    shots = one_shot.evaluate(vectors, labels, train, test, unseen=[2])
    assert len(shots) == 5 * 2 * 2
    for shot in shots:
        assert (shot.accuracy.value, shot.accuracy.n, shot.classes) == (1.0, 20, 3)
        assert shot.unseen is not None
        assert (shot.unseen.value, shot.unseen.n) == (1.0, 10)


def test_test_images_are_no_references() -> None:
    """With random labels nothing can be right more often than by chance, unless test leaks in."""
    vectors = RNG.normal(size=(600, 8))
    labels = RNG.integers(0, 2, 600)
    shots = one_shot.evaluate(vectors, labels, np.arange(300), np.arange(300, 600))
    assert all(abs(shot.accuracy.value - 0.5) < 0.12 for shot in shots)
    assert all(shot.unseen is None for shot in shots)


def test_classes_without_references_are_left_out() -> None:
    vectors, labels = clusters()
    train = np.arange(40)
    (first, *_) = one_shot.evaluate(vectors, labels, train, np.arange(30, 60))
    assert (first.classes, first.accuracy.n) == (2, 10)
    assert one_shot.evaluate(vectors, labels, np.arange(20), np.arange(60)) == []
    assert one_shot.evaluate(vectors, labels, train, np.array([], int)) == []
