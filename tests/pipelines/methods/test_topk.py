from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods import topk
from pipelines.methods.vector_space import Space


class Searched:
    """One block of queries offered one gallery, in whatever order and orientation."""

    def __init__(self, queries: np.ndarray, gallery: np.ndarray, k: int) -> None:
        self.k, self.space = k, Space("euclidean", gallery, queries)
        self.queries, self.gallery = self.space.side(queries), self.space.side(gallery)
        self.products = -2 * self.space.block(queries) @ self.space.block(gallery).T
        self.bias = (1 - self.space.error) * self.gallery.norms
        self.found = topk.no_candidates(len(queries), k)
        self.sides = (self.queries, self.gallery)

    def by_rows(self, exclude: int = -1) -> Searched:
        barred = np.full(len(self.products), exclude, np.int32)
        c, found = self.space.error, self.found
        topk.scan_rows(self.products, self.bias, 0, barred, self.k, c, *self.sides, found)
        return self

    def by_columns(self) -> Searched:
        columns = np.ascontiguousarray(self.products.T)
        c, found = self.space.error, self.found
        topk.scan_columns(columns, self.bias, 0, self.k, c, *self.sides, found)
        return self

    def nearest(self) -> np.ndarray:
        places = np.full((len(self.products), self.k), -1, np.int32)
        distances = np.full(places.shape, np.nan, np.float32)
        topk.reduce_all(self.k, self.space.error, *self.sides, self.found)
        counts, candidates = self.found.counts, self.found.positions
        topk.settle(self.k, *self.sides, counts, candidates, places, distances)
        return places


@pytest.mark.parametrize("k", [1, 5, 90])
@pytest.mark.parametrize("order", ["nearest last", "nearest first", "mixed"])
def test_rows_and_columns_find_the_same_in_any_order(k: int, order: str) -> None:
    rng = np.random.default_rng(0)
    gallery = rng.normal(size=(3000, 4)).astype(np.float32)
    queries = np.zeros((3, 4), np.float32)
    ranked = np.argsort((gallery**2).sum(axis=1))
    if order != "mixed":
        # From afar to near every row replaces one that was kept.
        gallery = gallery[ranked[::-1] if order == "nearest last" else ranked]
    expected = np.argsort((gallery.astype(float) ** 2).sum(axis=1))[:k]
    for found in (
        Searched(queries, gallery, k).by_rows(),
        Searched(queries, gallery, k).by_columns(),
    ):
        assert np.array_equal(found.nearest(), [expected] * 3)


@pytest.mark.parametrize("copies", [40, 2000])
def test_many_copies_keep_the_first_of_them(copies: int) -> None:
    gallery = np.ones((copies, 2), np.float32)
    gallery[-1] = 0.5
    queries = np.zeros((2, 2), np.float32)
    expected = [copies - 1, *range(6)]
    assert np.array_equal(Searched(queries, gallery, 7).by_rows().nearest(), [expected] * 2)
    assert np.array_equal(Searched(queries, gallery, 7).by_columns().nearest(), [expected] * 2)


def test_what_is_excluded_is_never_a_candidate() -> None:
    gallery = np.arange(200, dtype=np.float32)[:, None]
    found = Searched(gallery[:1], gallery, 3).by_rows(exclude=1)
    assert 1 not in found.found.positions[0, : found.found.counts[0]]
    assert found.nearest().tolist() == [[0, 2, 3]]
