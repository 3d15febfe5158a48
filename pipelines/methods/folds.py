"""Folds: every sample is held out once, by a model that saw neither it nor what belongs to it."""

from __future__ import annotations

import numpy as np

from pipelines.errors import StageError
from pipelines.methods.splits import Column, units_of


def assign(
    labels: np.ndarray,
    groups: Column | None,
    content_hashes: Column | None,
    count: int,
    seed: int,
) -> np.ndarray:
    """Divide samples into folds, each with the classes in proportion.

    Samples that share a group or have identical pixels, directly or in a chain, are in one fold:
    each such unit, the largest first, goes to the fold that has the least of its classes so far.
    scikit-learn's StratifiedGroupKFold does much the same, but takes twenty times as long.

    Args:
        labels: Codes (n,) of the classes.
        groups: Name of the group of each sample, None for a sample of its own; or None.
        content_hashes: Equal for identical pixels; or None.
        count: How many folds, at least two.
        seed: Same seed, same samples in the same order: same folds.

    Returns:
        int32 (n,), the fold of each sample from 0 to count - 1.

    Raises:
        StageError: There are fewer samples that do not belong together than folds, or a class
            has but one: no fold could learn it without the sample that it is asked about.
    """
    units = units_of((groups, content_hashes), np.arange(len(labels)))
    if units.max() + 1 < count:
        raise StageError(
            f"The folds need at least {count} samples that share no group and no identical "
            f"pixels. Received: {units.max() + 1}. Ask for fewer folds."
        )
    alone = [int(kind) for kind in np.unique(labels) if len(set(units[labels == kind])) < 2]
    if alone:
        raise StageError(
            "The folds need at least two samples of each class that share no group and no "
            f"identical pixels. Received: one of the classes at the positions {alone}. Leave them "
            "out (dataset.classes), or add images of them."
        )
    # Large units first: the small ones then even out what they left.
    rng = np.random.default_rng(seed)
    members = np.split(np.argsort(units, kind="stable"), np.cumsum(np.bincount(units))[:-1])
    sizes = np.bincount(units)
    one = 1 / np.bincount(labels)[labels]
    held = np.zeros((count, int(labels.max()) + 1))
    filled = np.zeros(count, int)
    folds = np.empty(len(labels), np.int32)
    for unit in np.lexsort((rng.permutation(len(sizes)), -sizes)):
        rows = members[unit]
        share = held[:, labels[rows]].sum(axis=1)
        fold = np.lexsort((filled, share))[0]
        np.add.at(held[fold], labels[rows], one[rows])
        filled[fold] += len(rows)
        folds[rows] = fold
    return folds


def watched(labels: np.ndarray, folds: np.ndarray, fold: int) -> int:
    """The fold that a training without another one looks at to choose its best epoch.

    It is the next one without which every class of the fold that is held out is still learnt: an
    image of a class that a model never saw would look mislabelled whatever its label.

    Args:
        labels: Codes (n,) of the classes.
        folds: Fold (n,) of each sample, from 0.
        fold: The one that is held out.

    Raises:
        StageError: There is no such fold.
    """
    count = int(folds.max()) + 1
    asked = np.unique(labels[folds == fold])
    for other in np.roll(np.arange(count), -fold - 1)[:-1]:
        if np.isin(asked, labels[(folds != fold) & (folds != other)]).all():
            return int(other)
    rare = [int(kind) for kind in asked if len(np.unique(folds[labels == kind])) < 3]
    raise StageError(
        "A classifier out of fold needs samples of each class in a third fold, beside the one that "
        "is held out and the one that its best epoch is chosen on. Received: fewer of the classes "
        f"at the positions {rare}. Add images of them, leave them out (dataset.classes), ask for "
        "more folds, or for 'by: head'."
    )
