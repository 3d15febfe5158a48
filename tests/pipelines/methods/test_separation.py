from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from pipelines.methods import separation as module
from pipelines.methods.separation import separation


def test_a_case_measured_by_hand() -> None:
    vectors = np.array([[0, 0], [0, 2], [10, 0], [10, 2]], np.float32)
    found = separation(vectors, np.array([0, 0, 1, 1]))
    assert found.within == pytest.approx(2)
    assert found.between == pytest.approx((10 + np.hypot(10, 2)) / 2)
    assert found.n == 4


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_silhouette_is_that_of_scikit_learn(metric: str) -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(80, 5)).astype(np.float32), np.arange(80) % 3
    vectors[labels == 1] += 2
    expected = silhouette_score(vectors.astype(float), labels, metric=metric)
    assert separation(vectors, labels, metric).silhouette == pytest.approx(expected, abs=1e-6)


def test_shuffled_labels_are_not_apart() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(600, 4)).astype(np.float32)
    found = separation(vectors, rng.integers(0, 3, 600))
    assert found.within == pytest.approx(found.between, rel=0.02)
    assert abs(found.silhouette) < 0.02


def test_one_label_has_nothing_to_be_apart_from() -> None:
    found = separation(np.eye(5, dtype=np.float32), np.zeros(5, int))
    assert (found.between, found.silhouette) == (None, None)
    assert found.within == pytest.approx(np.sqrt(2))


def test_many_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 50)
    vectors = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    assert separation(vectors, np.arange(500) % 2).n == 50
