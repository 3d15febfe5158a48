from __future__ import annotations

import numpy as np
import pytest
from sklearn import manifold

from pipelines.methods.map_quality import continuity, stability, trustworthiness


@pytest.fixture
def spaces() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    return vectors, vectors[:, :2] + rng.normal(0, 0.3, (300, 2)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_trustworthiness_is_that_of_scikit_learn(
    spaces: tuple[np.ndarray, np.ndarray], k: int, metric: str
) -> None:
    vectors, mapped = spaces
    expected = manifold.trustworthiness(vectors, mapped, n_neighbors=k, metric=metric)
    found = trustworthiness(vectors, mapped, k, metric=metric)
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.points.mean() == pytest.approx(expected, abs=1e-5)
    assert found.n == 300


def test_continuity_is_trustworthiness_the_other_way(
    spaces: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, mapped = spaces
    expected = manifold.trustworthiness(mapped, vectors, n_neighbors=7)
    assert continuity(vectors, mapped, 7).value == pytest.approx(expected, abs=1e-6)


def test_a_faithful_map_is_trusted_and_a_shuffled_one_is_not(
    spaces: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, _ = spaces
    turned = vectors @ np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    for quality in (trustworthiness, continuity):
        assert quality(vectors, turned.astype(np.float32), 10).value == pytest.approx(1, abs=1e-3)
        assert quality(vectors, np.roll(vectors, 7, axis=0), 10).value < 0.6


def test_one_misplaced_point_is_the_least_trusted() -> None:
    vectors = np.arange(100, dtype=np.float32)[:, None]
    mapped = np.hstack([vectors, np.zeros_like(vectors)])
    mapped[3] = [80, 0.1]
    found = trustworthiness(vectors, mapped, 5)
    assert found.points.argmin() == 3
    assert found.points[50] == 1


def test_a_sample_says_which_points_it_judged(spaces: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, mapped = spaces
    everything = trustworthiness(vectors, mapped, 10)
    some = trustworthiness(vectors, mapped, 10, sample=100)
    judged = ~np.isnan(some.points)
    assert judged.sum() == some.n == 100
    assert some.points[judged] == pytest.approx(everything.points[judged])


def test_stability_counts_shared_neighbours() -> None:
    line = np.arange(50, dtype=np.float32)[:, None]
    assert stability(line, 3 * line, 2).value == 1
    # The two nearest of 0 are 1 and 2; turned about, 10 and 20 steps on, none is kept.
    shuffled = ((np.arange(50) * 21) % 50).astype(np.float32)[:, None]
    assert stability(line, shuffled, 2).value < 0.2


@pytest.mark.parametrize("k", [0, 150])
def test_a_k_that_cannot_be_is_refused(spaces: tuple[np.ndarray, np.ndarray], k: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and half the 300 points.*k={k}"):
        trustworthiness(*spaces, k)
