from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.methods import map_quality, neighbours
from pipelines.methods.projection import pca_map, umap_map


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Four clusters in twelve dimensions."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    vectors = rng.normal(0, 8, (4, 12))[labels] + rng.normal(size=(200, 12))
    return vectors.astype(np.float32), labels


def mapped(vectors: np.ndarray, seed: int = 0, dimensions: int = 2) -> np.ndarray:
    graph = neighbours.all_nearest(vectors, 20)
    return umap_map(vectors, graph.positions, graph.distances, dimensions=dimensions, seed=seed)


@pytest.mark.slow
def test_umap_keeps_neighbourhoods_and_its_seed(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, labels = blobs
    first = mapped(vectors)
    assert first.shape == (200, 2) and first.dtype == np.float32
    near = neighbours.all_nearest(first, 10).positions
    assert (labels[near] == labels[:, None]).mean() > 0.99
    assert map_quality.trustworthiness(vectors, first, 10).value > 0.9
    assert np.array_equal(first, mapped(vectors))
    assert not np.array_equal(first, mapped(vectors, seed=1))
    assert mapped(vectors, dimensions=3).shape == (200, 3)


@pytest.mark.slow
def test_what_is_compiled_for_umap_is_kept_on_disk(blobs: tuple[np.ndarray, np.ndarray]) -> None:
    mapped(blobs[0])
    from umap import layouts, umap_

    for compiled in (
        umap_.smooth_knn_dist,
        umap_.compute_membership_strengths,
        layouts._nb_optimize_layout_euclidean_single_epoch,
    ):
        kept = Path(compiled.stats.cache_path)
        assert list(kept.glob(f"*{compiled.py_func.__name__}*.nbi"))


@pytest.mark.slow
def test_vectors_that_are_few_or_all_equal_have_a_map() -> None:
    for vectors in (np.ones((30, 4)), np.eye(3), np.ones((1, 2))):
        found = mapped(vectors.astype(np.float32))
        assert found.shape == (len(vectors), 2)
        assert np.isfinite(found).all()


def test_too_small_a_graph_is_refused() -> None:
    positions = np.zeros((50, 4), np.int32)
    with pytest.raises(ValueError, match=r"needs a graph of at least 14\. Received: 4 neighbours"):
        umap_map(np.zeros((50, 3), np.float32), positions, positions.astype(np.float32))


def test_principal_components_are_those_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 6)) * [9, 5, 1, 1, 1, 1]).astype(np.float32)
    found, explained = pca_map(vectors)
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    assert explained == pytest.approx(values[:2] / values.sum(), rel=1e-3)
    assert np.var(found, axis=0, ddof=1) == pytest.approx(values[:2], rel=1e-3)


def test_one_dimension_is_padded() -> None:
    found, explained = pca_map(np.arange(10, dtype=np.float32)[:, None])
    assert explained == pytest.approx([1.0])
    assert not found[:, 1].any() and found[:, 0].any()
