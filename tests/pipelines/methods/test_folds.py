from __future__ import annotations

import numpy as np
import pytest

from pipelines.errors import StageError
from pipelines.methods.folds import assign, watched


def labels_of(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))


def test_every_fold_has_its_share_of_every_class() -> None:
    labels = labels_of([50, 101, 7])
    folds = assign(labels, None, None, 5, seed=0)
    for kind, count in enumerate((50, 101, 7)):
        in_fold = np.bincount(folds[labels == kind], minlength=5)
        assert in_fold.min() >= count // 5 and in_fold.max() <= -(-count // 5)
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= 1


def test_no_fold_splits_a_group_or_identical_pixels() -> None:
    labels = labels_of([60, 60])
    rng = np.random.default_rng(0)
    groups = np.array([None if name > 30 else f"g{name}" for name in rng.integers(0, 60, 120)])
    hashes = np.array([f"h{number}" for number in rng.integers(0, 110, 120)])
    folds = assign(labels, groups, hashes, 4, seed=0)
    for column in (groups, hashes):
        for value in set(column) - {None}:
            assert len(set(folds[column == value])) == 1, value
    counts = np.array([np.bincount(labels[folds == fold], minlength=2) for fold in range(4)])
    assert np.abs(counts - 15).max() <= 3


def test_the_seed_decides() -> None:
    labels = labels_of([30, 30])
    first = assign(labels, None, None, 3, seed=0)
    assert (assign(labels, None, None, 3, seed=0) == first).all()
    assert (assign(labels, None, None, 3, seed=1) != first).any()


def test_what_cannot_be_divided_is_told() -> None:
    with pytest.raises(StageError, match=r"at least 5 samples that share no group.*Received: 4"):
        assign(np.array([0, 0, 1, 1]), None, None, 5, seed=0)
    with pytest.raises(StageError, match=r"at least two samples of each class.*positions \[1\]"):
        assign(np.array([0, 0, 0, 1, 1]), np.array([None, None, None, "a", "a"]), None, 3, seed=0)


def test_the_watched_fold_is_the_next_one_that_leaves_every_class_to_learn() -> None:
    labels = np.repeat([0, 1], [20, 2])
    folds = np.array([*np.tile(np.arange(5), 4), 3, 4])
    assert [watched(labels, folds, fold) for fold in range(5)] == [1, 2, 3, 0, 0]
    for fold in range(5):
        trained = (folds != fold) & (folds != watched(labels, folds, fold))
        assert set(labels[folds == fold]) <= set(labels[trained])


def test_a_class_that_no_training_could_learn_is_told() -> None:
    labels = np.repeat([0, 1, 2], [9, 2, 2])
    folds = np.array([*np.tile(np.arange(3), 3), 0, 1, 0, 2])
    with pytest.raises(StageError, match=r"third fold.*positions \[1, 2\].*'by: head'"):
        watched(labels, folds, 0)
    assert watched(labels, folds, 1) == 2
