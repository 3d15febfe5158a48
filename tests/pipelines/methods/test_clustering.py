from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from pipelines.methods import clustering
from pipelines.methods.clustering import describe, hdbscan_clusters, kmeans_clusters

SIZES = (30, 60, 45)


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Three clusters of different size in twenty dimensions, shuffled."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(3), SIZES))
    centres = rng.normal(0, 10, (3, 20))
    vectors = centres[labels] + rng.normal(0, 0.5, (len(labels), 20))
    return vectors.astype(np.float32), labels


def test_both_find_clusters_that_are_there(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, labels = blobs
    for found in (hdbscan_clusters(vectors, 10), kmeans_clusters(vectors, 3)):
        assert found.dtype == np.int32
        assert adjusted_rand_score(labels, found) == 1
        assert np.bincount(found).tolist() == sorted(SIZES, reverse=True)


def test_what_lies_far_from_all_is_noise(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, _ = blobs
    far = np.vstack([vectors, np.full((1, 20), 400, np.float32)])
    assert hdbscan_clusters(far, 10)[-1] == -1


def test_many_vectors_are_sampled_and_the_others_follow(
    blobs: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, labels = blobs
    monkeypatch.setattr(clustering, "MOST", 60)
    found = hdbscan_clusters(vectors, 20)
    assert adjusted_rand_score(labels, found) == 1


def test_by_cosine_directions_are_clustered_and_not_lengths() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    directions = np.eye(3)[labels] + rng.normal(0, 0.02, (120, 3))
    vectors = (directions * rng.choice([1, 30], (120, 1))).astype(np.float32)
    alike = clustering.comparable(vectors, "cosine")
    for found in (hdbscan_clusters(alike, 10), kmeans_clusters(alike, 3)):
        assert adjusted_rand_score(labels, found) == 1
    assert adjusted_rand_score(labels, kmeans_clusters(vectors, 3)) < 0.9
    assert clustering.comparable(vectors, "euclidean") is vectors
    assert not clustering.comparable(np.zeros((2, 3), np.float32), "cosine").any()


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_to_cluster_are_noise(n: int) -> None:
    assert hdbscan_clusters(np.zeros((n, 3), np.float32), 5).tolist() == [-1] * n


def test_a_description_counted_by_hand() -> None:
    assigned = np.array([0, 0, 0, 1, 1, -1])
    labels = np.array([1, 1, 0, 0, 0, 0])
    described = describe(assigned, labels, ("a", "b"))
    assert described["count"] == 2
    assert described["noise"] == 1
    assert described["purity"] == pytest.approx(4 / 5)
    assert described["adjusted_rand_index"] == adjusted_rand_score(labels, assigned)
    assert described["clusters"] == [
        {"cluster": 0, "size": 3, "dominant": "b", "purity": pytest.approx(2 / 3)},
        {"cluster": 1, "size": 2, "dominant": "a", "purity": 1.0},
    ]


def test_nothing_but_noise_has_no_purity() -> None:
    described = describe(np.full(4, -1), np.array([0, 1, 0, 1]), ("a", "b"))
    assert (described["count"], described["noise"], described["purity"]) == (0, 4, None)
    assert described["clusters"] == []
