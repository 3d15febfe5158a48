from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import StageError
from pipelines.methods import annoy_index, index_measuring
from pipelines.methods.annoy_index import answers, by_vector
from pipelines.methods.index_measuring import Measured, choose
from pipelines.methods.intervals import Rate
from pipelines.methods.neighbours import Metric, all_nearest, exact


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_index_with_nodes_enough_finds_the_exact_neighbours(
    metric: Metric, vectors: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "index.ann"
    annoy_index.build(vectors, path, 5, metric)
    index = annoy_index.load(path, 6, metric)
    truth = all_nearest(vectors, 8, metric)
    for position in range(0, 400, 40):
        found = by_vector(index, vectors[position], 8, 100_000, metric, exclude=position)
        assert np.array_equal(found.positions, truth.positions[position])
        np.testing.assert_allclose(found.distances, truth.distances[position], atol=1e-5)
    assert by_vector(index, vectors[3], 8, 100_000, metric).positions[0] == 3


def test_the_seed_makes_the_file(vectors: np.ndarray, tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        annoy_index.build(vectors, tmp_path / name, 3, seed=seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in ("first", "again", "other"))
    assert first == again != other


def test_what_is_no_index_is_refused(vectors: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be opened as one of vectors of length 6"):
        annoy_index.load(tmp_path / "missing.ann", 6)
    annoy_index.build(vectors, tmp_path / "index.ann", 2)
    index = annoy_index.load(tmp_path / "index.ann", 6)
    with pytest.raises(StageError, match=r"the 399 samples\. Received: 400"):
        index_measuring.check(index, vectors[1:], 1000)


def test_members_answer_for_themselves_and_copies_count(tmp_path: Path) -> None:
    vectors = np.repeat(np.eye(10, dtype=np.float32), 20, axis=0)
    annoy_index.build(vectors, tmp_path / "index.ann", 4)
    index = annoy_index.load(tmp_path / "index.ann", 10)
    assert index_measuring.check(index, vectors, 100) == (200, 200)
    assert index_measuring.check(index, vectors, 100, sample=30) == (30, 30)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_index_of_other_vectors_or_of_others_rows_is_refused(
    metric: Metric, vectors: np.ndarray, tmp_path: Path
) -> None:
    shuffled = vectors[np.random.default_rng(1).permutation(400)]
    for name, wrong in (("shuffled", shuffled), ("zeros", np.zeros_like(vectors))):
        annoy_index.build(wrong, tmp_path / name, 5, metric)
        index = annoy_index.load(tmp_path / name, 6, metric)
        with pytest.raises(StageError, match=r"at least 90% of the samples.*Received: \d+ of 400"):
            index_measuring.check(index, vectors, 1000, metric)
    annoy_index.build(vectors, tmp_path / "right", 5, metric)
    index = annoy_index.load(tmp_path / "right", 6, metric)
    assert index_measuring.check(index, vectors, 1000, metric) == (400, 400)


def test_vectors_without_a_direction_are_not_asked_for(tmp_path: Path) -> None:
    vectors = np.vstack([np.zeros((50, 4)), np.random.default_rng(0).normal(size=(50, 4))])
    vectors = vectors.astype(np.float32)
    annoy_index.build(vectors, tmp_path / "index.ann", 5, "cosine")
    index = annoy_index.load(tmp_path / "index.ann", 4, "cosine")
    assert index_measuring.check(index, vectors, 1000, "cosine") == (50, 50)


def test_answers_are_among_the_allowed_and_never_the_query(
    vectors: np.ndarray, tmp_path: Path
) -> None:
    annoy_index.build(vectors, tmp_path / "index.ann", 10)
    index = annoy_index.load(tmp_path / "index.ann", 6)
    allowed = np.zeros(400, bool)
    gallery = np.arange(0, 400, 8)
    allowed[gallery] = True
    queries = np.arange(60)
    found = answers(index, vectors[queries], 5, 100_000, allowed, queries)
    own = np.where(allowed[queries], queries // 8, -1)
    truth = gallery[exact(vectors[queries], vectors[gallery], 5, exclude=own).positions]
    assert found.dtype == np.int32 and np.array_equal(found, truth)
    few = answers(index, vectors[queries], 5, 10, allowed, queries)
    assert allowed[few].all() and (few >= 0).all()


def test_answers_are_padded_where_too_few_are_allowed(vectors: np.ndarray, tmp_path: Path) -> None:
    annoy_index.build(vectors, tmp_path / "index.ann", 2)
    index = annoy_index.load(tmp_path / "index.ann", 6)
    allowed = np.zeros(400, bool)
    allowed[[7, 300]] = True
    found = answers(index, vectors[[7, 8]], 4, 50, allowed, np.array([7, 8]))
    assert found[0].tolist() == [300, -1, -1, -1]
    assert sorted(found[1].tolist()) == [-1, -1, 7, 300]


def test_more_nodes_find_more(vectors: np.ndarray) -> None:
    truth = all_nearest(vectors, 60)
    rows = index_measuring.measure(vectors, truth, [1, 8], [20, 100, 10_000])
    assert [(row.trees, row.search_k) for row in rows] == [
        (trees, nodes) for trees in (1, 8) for nodes in (20, 100, 10_000)
    ]
    for few, more, all_of_them in (rows[:3], rows[3:]):
        for at in (10, 50):
            assert few.recall[at].value < more.recall[at].value < all_of_them.recall[at].value == 1
            assert few.recall[at].low < few.recall[at].value < few.recall[at].high
    assert rows[0].recall[10].n == index_measuring.QUERIES
    assert rows[3].bytes > rows[0].bytes > 0 and rows[0].ms > 0


def test_recall_is_that_of_counting(vectors: np.ndarray, tmp_path: Path) -> None:
    truth = all_nearest(vectors, 10)
    path = tmp_path / "kept.ann"
    row = index_measuring.measure(vectors, truth, [2], [60], keep={2: path})[0]
    index = annoy_index.load(path, 6)
    asked = np.random.default_rng(0).permutation(400)[: index_measuring.QUERIES]
    hits = [
        len(set(by_vector(index, vectors[one], 10, 60, exclude=one).positions.tolist())
            & set(truth.positions[one].tolist()))
        for one in asked.tolist()
    ]  # fmt: skip
    # A hit is counted among the best ten of fifty; asking for ten looks at the same nodes.
    assert row.recall[10].value == pytest.approx(np.mean(hits) / 10)
    assert list(row.recall) == [10]


def test_fewer_neighbours_than_ten_are_measured_as_they_are() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    row = index_measuring.measure(vectors, all_nearest(vectors, 50), [3], [1000])[0]
    assert row.recall[10].value == 1.0 and row.recall[50].value == 1.0


def point(trees: int, search_k: int, recall: float) -> Measured:
    return Measured(trees, search_k, {10: Rate(recall, recall, recall, 9)}, 1.0, 1, 1.0)


def test_the_fewest_nodes_that_reach_the_target_are_chosen() -> None:
    rows = [point(5, 10, 0.999), point(9, 10, 0.9), point(9, 50, 0.99), point(9, 99, 1.0)]
    assert choose(rows, 9).search_k == 50
    assert choose(rows, 9, 99).search_k == 99
    assert choose(rows[:2], 9).search_k == 10
    with pytest.raises(ValueError, match=r"Received: 9/7; measured: 5/10, 9/10"):
        choose(rows, 9, 7)


@pytest.mark.parametrize("search_k", ["auto", 77])
def test_an_index_is_made_with_what_there_is_to_say_of_it(
    search_k: int, vectors: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "index.ann"
    seen: list[tuple[int, int]] = []
    found = index_measuring.make(
        vectors,
        all_nearest(vectors, 50),
        path,
        metric="euclidean",
        trees=4,
        search_k=search_k,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert found["trees"] == 4 and found["dim"] == 6
    assert found["bytes"] == path.stat().st_size
    assert found["checked"] == {"asked": 400, "answered": 400}
    assert {row["trees"] for row in found["grid"]} == {2, 4, 8}
    assert (found["use"] == "exact") == (found["exact_ms"] <= found["ms"])
    shares = found["recall"]["10"]
    assert shares["low"] <= shares["value"] <= shares["high"] and shares["n"] == found["queries"]
    chosen = next(
        row for row in found["grid"] if (row["trees"], row["search_k"]) == (4, found["search_k"])
    )
    assert chosen["recall@10"] == shares["value"] and chosen["ms"] == found["ms"]
    if search_k == "auto":
        assert shares["value"] >= index_measuring.TARGET
    else:
        assert found["search_k"] == 77
