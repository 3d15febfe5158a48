from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.near_duplicates import alike, chains, pairs


def found(
    images: np.ndarray, threshold: float = 0.99, hashes: list[str] | None = None
) -> list[list[int]]:
    """All are candidates of all."""
    n = len(images)
    candidates = np.array([[j for j in range(n) if j != i] for i in range(n)], np.int32)
    named = np.array([str(i) for i in range(n)] if hashes is None else hashes)
    return pairs(lambda rows: images[rows], candidates, named, threshold).tolist()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(5, 40, 50, 1)).astype(np.float32)


def test_images_that_differ_are_no_pairs(images: np.ndarray) -> None:
    assert found(images) == []


def test_equal_brighter_and_slightly_noisy_copies_are_pairs(images: np.ndarray) -> None:
    images[1] = images[0]
    images[3] = 0.5 * images[0] + 0.2
    images[4] = images[2] + np.random.default_rng(1).normal(0, 0.01, images[2].shape)
    assert found(images) == [[0, 1], [0, 3], [1, 3], [2, 4]]


def test_the_threshold_is_a_correlation(images: np.ndarray) -> None:
    small = images[:2, :8, :8]
    small[1] = small[0] + np.random.default_rng(2).normal(0, 0.2, small[0].shape)
    correlation = np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1]
    assert found(small, correlation - 0.001) == [[0, 1]]
    assert found(small, correlation + 0.001) == []


def test_a_threshold_of_one_still_finds_copies(images: np.ndarray) -> None:
    images[4] = images[0]
    assert found(images, 1.0) == [[0, 4]]


def test_constant_images_resemble_nothing_but_their_equals() -> None:
    images = np.zeros((3, 8, 8, 1), np.float32)
    images[2] = 1
    assert found(images) == []
    assert found(images, hashes=["a", "a", "b"]) == [[0, 1]]


def test_only_candidates_are_compared_but_equal_content_always_counts(images: np.ndarray) -> None:
    images[1] = images[0]
    images[4] = images[3]
    candidates = np.array([[2], [2], [3], [-1], [-1]], np.int32)
    hashes = np.array(["a", "b", "c", "d", "d"])
    assert pairs(lambda rows: images[rows], candidates, hashes, 0.99).tolist() == [[3, 4]]


def test_one_image_is_alike_to_what_it_would_be_a_pair_with(images: np.ndarray) -> None:
    images[1], images[3] = images[0], 0.5 * images[0] + 0.2
    assert alike(images[0], images, 0.99).tolist() == [True, True, False, True, False]


def test_chains_join_what_pairs_connect() -> None:
    found = chains(np.array([[0, 1], [1, 4], [2, 6]], np.int32), 7).tolist()
    assert found[0] == found[1] == found[4] != found[2] == found[6]
    assert (found[3], found[5]) == (-1, -1)
    assert chains(np.empty((0, 2), np.int32), 2).tolist() == [-1, -1]
