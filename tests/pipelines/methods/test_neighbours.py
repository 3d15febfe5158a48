from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.methods import neighbours, vector_space
from pipelines.methods.neighbours import Metric, all_nearest, exact, measure, one_query, recall


def brute_force(
    queries: np.ndarray, gallery: np.ndarray, k: int, metric: Metric, exclude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every distance in float64, sorted by distance and position, padded with -1 and nan."""
    positions = np.full((len(queries), k), -1)
    distances = np.full((len(queries), k), np.nan)
    for row, query in enumerate(queries.astype(np.float64)):
        many = gallery.astype(np.float64)
        if metric == "euclidean":
            found = ((many - query) ** 2).sum(axis=1)
        else:
            lengths = np.sqrt((many**2).sum(axis=1) * (query**2).sum())
            found = np.ones(len(gallery))
            known = lengths > 0
            found[known] = np.maximum(0.0, 1.0 - (many @ query)[known] / lengths[known])
        ranked = np.lexsort((np.arange(len(found)), found))
        order = [place for place in ranked if place != exclude[row]][:k]
        positions[row, : len(order)] = order
        distances[row, : len(order)] = found[order]
    return positions, np.sqrt(distances) if metric == "euclidean" else distances


def blobs(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + 4 * rng.integers(0, 3, (n, 1))).astype(np.float32)


# Small whole numbers: many equal distances, all of them exact in float64.
grids = st.tuples(st.integers(1, 40), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.integers(-2, 2).map(float))
)


@given(
    grids,
    st.integers(1, 45),
    st.sampled_from([3, 7, 1000]),
    st.sampled_from(["euclidean", "cosine"]),
)
@settings(max_examples=40)
def test_all_nearest_is_brute_force_to_the_last_tie(
    vectors: np.ndarray, k: int, block: int, metric: Metric
) -> None:
    own = np.arange(len(vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_space, "BLOCK", block)
        graph = all_nearest(vectors, k, metric)
        asked = exact(vectors, vectors, k, metric, own)
    positions, distances = brute_force(vectors, vectors, k, metric, own)
    assert graph.method == "exact" and graph.recall is None
    for found in (graph, asked):
        assert np.array_equal(found.positions, positions)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


@given(grids, st.integers(1, 12), st.data())
@settings(max_examples=40)
def test_one_query_is_a_row_of_the_exact_search(
    vectors: np.ndarray, k: int, data: st.DataObject
) -> None:
    asked = data.draw(st.integers(0, len(vectors) - 1))
    exclude = data.draw(st.sampled_from([asked, -1]))
    for metric in ("euclidean", "cosine"):
        row = exact(vectors[[asked]], vectors, k, metric, np.array([exclude]))
        one = one_query(vectors[asked], vectors, k, metric, exclude)
        there = int((row.positions >= 0).sum())
        assert one.positions.dtype == np.int32 and one.positions.shape == (there,)
        np.testing.assert_array_equal(one.distances, row.distances[0, :there])
        assert np.array_equal(one.positions, row.positions[0, :there])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e9])
def test_neighbours_of_real_numbers_are_those_of_brute_force(metric: Metric, offset: float) -> None:
    vectors = (blobs(400, 20) + np.float32(offset)).astype(np.float32)
    own = np.arange(400)
    positions, distances = brute_force(vectors, vectors, 20, metric, own)
    graph = all_nearest(vectors, 20, metric)
    if metric == "euclidean":
        assert np.array_equal(graph.positions, positions)
    np.testing.assert_allclose(graph.distances, distances, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-25, 1e-10, 1.0, 1e13])
def test_the_scale_of_the_vectors_changes_no_neighbour(scale: float) -> None:
    vectors = blobs(300, 8)
    scaled = (vectors.astype(np.float64) * scale).astype(np.float32)
    own = np.arange(300)
    expected, _ = brute_force(scaled, scaled, 10, "euclidean", own)
    assert np.array_equal(all_nearest(scaled, 10).positions, expected)
    assert np.array_equal(one_query(scaled[3], scaled, 10, exclude=3).positions, expected[3])


def test_an_outlier_does_not_blur_the_rest() -> None:
    vectors = blobs(500, 6)
    vectors[17] = 1e12
    own = np.arange(500)
    expected, _ = brute_force(vectors, vectors, 15, "euclidean", own)
    assert np.array_equal(all_nearest(vectors, 15).positions, expected)


def test_copies_are_told_apart_by_position() -> None:
    vectors = np.ones((700, 3), np.float32)
    vectors[300:] = 2.0
    graph = all_nearest(vectors, 4)
    assert graph.positions[0].tolist() == [1, 2, 3, 4]
    assert graph.positions[2].tolist() == [0, 1, 3, 4]
    assert graph.positions[699].tolist() == [300, 301, 302, 303]
    assert not graph.distances.any()


def test_zero_vectors_have_the_cosine_distance_one_to_everything() -> None:
    vectors = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [0, 0], [-1, 0]], np.float32)
    graph = all_nearest(vectors, 5, "cosine")
    assert graph.positions[0].tolist() == [1, 2, 3, 4, 5]
    assert graph.distances[0].tolist() == [1.0] * 5
    assert graph.positions[1].tolist() == [2, 0, 3, 4, 5]
    assert graph.distances[1].tolist() == [0.0, 1.0, 1.0, 1.0, 2.0]
    asked = exact(vectors[:1], vectors, 6, "cosine")
    assert asked.positions.tolist() == [[0, 1, 2, 3, 4, 5]]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_permuting_the_vectors_permutes_their_neighbours(seed: int) -> None:
    vectors = blobs(200, 5)
    order = np.random.default_rng(seed).permutation(200)
    straight, permuted = all_nearest(vectors, 7), all_nearest(vectors[order], 7)
    assert np.array_equal(order[permuted.positions], straight.positions[order])
    assert np.array_equal(permuted.distances, straight.distances[order])


def test_missing_neighbours_are_padded() -> None:
    vectors = blobs(3, 2)
    graph = all_nearest(vectors, 5)
    assert (graph.positions[:, 2:] == -1).all() and (graph.positions[:, :2] >= 0).all()
    assert np.isnan(graph.distances[:, 2:]).all()
    nothing = exact(vectors, vectors[:0], 2)
    assert nothing.positions.tolist() == [[-1, -1]] * 3 and np.isnan(nothing.distances).all()
    assert one_query(vectors[0], vectors[:1], 2, exclude=0).positions.shape == (0,)
    assert exact(vectors[:0], vectors, 2).positions.shape == (0, 2)


def test_a_read_only_map_is_searched_as_it_is(tmp_path: object) -> None:
    path = f"{tmp_path}/vectors.npy"
    np.save(path, blobs(150, 4))
    mapped = np.load(path, mmap_mode="r")
    assert np.array_equal(all_nearest(mapped, 3).positions, all_nearest(blobs(150, 4), 3).positions)
    assert np.array_equal(
        one_query(mapped[7], mapped, 3, exclude=7).positions, all_nearest(mapped, 3).positions[7]
    )


class Descent:
    """Stands for pynndescent's, which compiles for most of a minute: a graph with known faults."""

    def __init__(
        self,
        data: np.ndarray,
        metric: Metric,
        n_neighbors: int,
        max_candidates: int,
        random_state: int,
    ) -> None:
        found = exact(data, data, n_neighbors, metric).positions.copy()
        self.missing = np.random.default_rng(random_state).permutation(len(data))[:90]
        found[self.missing, 3] = (self.missing + len(data) // 2) % len(data)
        found[20, -2:] = -1
        self.neighbor_graph = (found, None)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_approximate_graph_says_what_it_misses(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=Descent))
    vectors = blobs(900, 8)
    vectors[[5, 70]] = 0.0
    truth = all_nearest(vectors, 40, metric)
    graph = all_nearest(vectors, 40, metric, exact_up_to=0)
    assert graph.method == "pynndescent" and graph.positions.shape == (900, 40)
    assert graph.recall is not None and graph.recall.n == 900
    hits = (graph.distances[:, :10] <= truth.distances[:, 9:10]).mean()
    assert graph.recall.value == pytest.approx(hits) and hits < 1.0
    assert graph.recall.low <= graph.recall.value <= graph.recall.high <= 1.0
    assert not (graph.positions == np.arange(900)[:, None]).any()
    expected = np.stack(
        [measure(vectors[i], vectors[graph.positions[i]], metric) for i in range(9)]
    )
    expected = np.sqrt(expected) if metric == "euclidean" else expected
    np.testing.assert_allclose(graph.distances[:9], expected, rtol=1e-6)
    assert (np.diff(graph.distances, axis=1) >= 0).all()
    assert np.array_equal(graph.positions[20], truth.positions[20])
    if metric == "cosine":
        assert np.array_equal(graph.positions[[5, 70]], truth.positions[[5, 70]])


@pytest.mark.slow
def test_the_descent_finds_nearly_all() -> None:
    graph = all_nearest(blobs(900, 8), 12, exact_up_to=0)
    again = all_nearest(blobs(900, 8), 12, exact_up_to=0)
    assert graph.method == "pynndescent" and graph.recall is not None
    assert graph.recall.low > 0.98
    assert np.array_equal(graph.positions, again.positions)


def test_recall_counts_what_is_missing_and_not_what_is_tied() -> None:
    vectors = np.repeat(np.eye(8, dtype=np.float32), 5, axis=0)
    truth = all_nearest(vectors, 4)
    assert recall(vectors, truth, "euclidean", 4).value == 1.0
    wrong = neighbours.Nearest(truth.positions, truth.distances.copy())
    wrong.distances[:, 3] = 9.0
    assert recall(vectors, wrong, "euclidean", 4).value == 0.75


def test_progress_ends_at_its_total() -> None:
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_space, "BLOCK", 16)
        all_nearest(blobs(50, 3), 2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 10) for done in range(1, 11)]


def test_a_page_that_asks_one_query_compiles_nothing() -> None:
    code = """
import sys
import numpy as np
from pipelines.methods import annoy_index, coincidence, neighbours
neighbours.one_query(np.ones(3, np.float32), np.eye(3, dtype=np.float32), 2)
heavy = {"numba", "pynndescent", "umap", "tensorflow"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_cannot_be_searched_is_refused() -> None:
    vectors = blobs(10, 3)
    broken = vectors.copy()
    broken[4, 1] = np.nan
    with pytest.raises(ValueError, match="Received: nan in row 4"):
        all_nearest(broken, 2)
    with pytest.raises(ValueError, match="Received: k=0"):
        all_nearest(vectors, 0)
    with pytest.raises(ValueError, match="Received: manhattan"):
        exact(vectors, vectors, 2, "manhattan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="vectors of one embedding"):
        exact(vectors[:, :2], vectors, 2)
    with pytest.raises(ValueError, match="one gallery position a query"):
        exact(vectors, vectors, 2, exclude=np.arange(3))
    with pytest.raises(ValueError, match=r"Received: \(10,\)"):
        all_nearest(vectors[:, 0], 2)
