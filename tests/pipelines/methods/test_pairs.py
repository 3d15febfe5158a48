"""Pairs: never one image twice, both kinds, classes as often as one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.methods import pairs


def everything(labels: list[int], contents: list[int] | None = None) -> pairs.Pool:
    rows = np.arange(len(labels))
    numbers = rows if contents is None else np.array(contents)
    return pairs.pool(rows, np.array(labels), numbers)


def test_a_pool_has_one_image_of_equal_pixels_and_none_of_what_is_left_out() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    contents = np.array([5, 5, 6, 7, 8, 9, 9])
    rows = np.array([6, 5, 4, 1, 0, 2])
    (first, third) = pairs.pool(rows, labels, contents, without=(1,)).members
    assert first.tolist() == [1, 2]
    assert third.tolist() == [6]


@given(st.lists(st.integers(0, 3), min_size=4, max_size=40), st.integers(0, 5))
def test_drawn_pairs_are_of_two_images_and_labelled_truly(labels: list[int], seed: int) -> None:
    there = everything(labels)
    if not there.enough:
        return
    drawn, same = pairs.draw(there, 9, np.random.default_rng(seed))
    known = np.array(labels)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert ((known[drawn[:, 0]] == known[drawn[:, 1]]) == same).all()
    assert same.tolist() == [True] * 5 + [False] * 4


def test_images_with_equal_pixels_are_no_pair() -> None:
    """Mistake B42: positive pairs that are always the same image."""
    there = everything([0, 0, 0, 1, 1], [0, 0, 1, 2, 2])
    drawn, same = pairs.draw(there, 200, np.random.default_rng(0))
    assert {tuple(sorted(pair)) for pair in drawn[same].tolist()} == {(0, 2)}


def test_rare_classes_are_drawn_as_often_as_common_ones() -> None:
    labels = np.array([0] * 90 + [1] * 5 + [2] * 5)
    there = everything(labels.tolist())
    drawn, same = pairs.draw(there, 4000, np.random.default_rng(1))
    shares = np.bincount(labels[drawn[same, 0]]) / same.sum()
    assert shares == pytest.approx(np.full(3, 1 / 3), abs=0.05)
    shares = np.bincount(labels[drawn[~same].ravel()]) / (2 * (~same).sum())
    assert shares == pytest.approx(np.full(3, 1 / 3), abs=0.05)


@pytest.mark.parametrize(
    ("labels", "enough"), [([0, 0, 1], True), ([0, 1, 2], False), ([1, 1, 1], False), ([], False)]
)
def test_both_kinds_must_be_possible(labels: list[int], enough: bool) -> None:
    assert everything(labels).enough is enough


@given(
    st.lists(st.integers(0, 6), min_size=4, max_size=60),
    st.integers(4, 32),
    st.integers(0, 5),
)
def test_a_batch_for_triplets_has_a_triplet(labels: list[int], count: int, seed: int) -> None:
    there = everything(labels)
    if not there.enough:
        return
    rows = pairs.draw_batch(there, count, np.random.default_rng(seed))
    counts = np.bincount(np.array(labels)[rows])
    assert len(set(rows.tolist())) == len(rows) <= count + 1
    assert (counts > 0).sum() >= 2
    assert counts.max() >= 2


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(2, 20), st.integers(0, 5))
def test_disjoint_pairs_share_no_image_and_are_half_and_half(
    labels: list[int], most: int, seed: int
) -> None:
    known = np.array(labels, dtype=int)
    drawn, same = pairs.disjoint(everything(labels), most, np.random.default_rng(seed))
    assert len(drawn) == len(same) <= most
    assert len(set(drawn.ravel().tolist())) == drawn.size
    assert same.sum() * 2 == len(same)
    assert ((known[drawn[:, 0]] == known[drawn[:, 1]]) == same).all()


def test_disjoint_pairs_use_most_of_the_images() -> None:
    labels = [index % 10 for index in range(450)]
    drawn, _ = pairs.disjoint(everything(labels), 10_000, np.random.default_rng(0))
    assert drawn.size > 0.9 * 450
