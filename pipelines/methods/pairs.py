"""Pairs and triplets of images of the same and of different classes, drawn by position.

A pair never holds one image twice, and images with the same pixels count as one: a "same" pair of
an image with itself teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pool:
    """Positions of the images to draw from, by class: only classes that have any.

    Attributes:
        members: Positions of each class, no two with the same pixels.
    """

    members: tuple[np.ndarray, ...]

    @property
    def paired(self) -> tuple[int, ...]:
        """Classes with at least two images: those that a same pair can come from."""
        return tuple(index for index, rows in enumerate(self.members) if len(rows) > 1)

    @property
    def enough(self) -> bool:
        """Whether both kinds of pairs can be drawn."""
        return len(self.members) > 1 and bool(self.paired)


def pool(
    rows: np.ndarray, labels: np.ndarray, contents: np.ndarray, without: Sequence[int] = ()
) -> Pool:
    """Sort positions by class.

    Args:
        rows: Positions (m,) to draw from: those of one split.
        labels: Class of every sample (n,).
        contents: A number for the pixels of every sample (n,); equal pixels, equal number.
        without: Classes that are left out.
    """
    _, first = np.unique(contents[rows], return_index=True)
    rows = rows[np.sort(first)]
    classes = [label for label in np.unique(labels[rows]) if label not in without]
    return Pool(tuple(rows[labels[rows] == label] for label in classes))


def draw(there: Pool, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs, every class as often as every other: first the same, then the different ones.

    Args:
        there: What to draw from; it must be ``enough``.
        count: How many pairs; half of them, rounded up, are of one class.
        generator: Where chance comes from.

    Returns:
        Positions int64 (count, 2), and whether each pair is of one class, bool (count,).
    """
    same = np.arange(count) < -(-count // 2)
    pairs = np.empty((count, 2), np.int64)
    for index in range(count):
        if same[index]:
            members = there.members[generator.choice(there.paired)]
            pairs[index] = generator.choice(members, 2, replace=False)
        else:
            one, other = generator.choice(len(there.members), 2, replace=False)
            pairs[index] = (
                generator.choice(there.members[one]),
                generator.choice(there.members[other]),
            )
    return pairs, same


def draw_batch(there: Pool, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw images for triplets: some classes, and about as many different images of each.

    Args:
        there: What to draw from; it must be ``enough``.
        count: How many images, at least four.
        generator: Where chance comes from.

    Returns:
        Positions int64 (about ``count``,) of at least two classes, one of them at least twice.
    """
    several = min(len(there.members), max(2, count // 4))
    first = generator.choice(there.paired)
    others = [index for index in generator.permutation(len(there.members)) if index != first]
    chosen = [first, *others[: several - 1]]
    each = max(2, count // several)
    parts = [
        generator.choice(there.members[index], min(each, len(there.members[index])), replace=False)
        for index in chosen
    ]
    return np.concatenate(parts).astype(np.int64)


def disjoint(
    there: Pool, most: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pair images so that none is in two pairs: an interval of their accuracy then holds.

    Args:
        there: What to pair.
        most: How many pairs, at most.
        generator: Where chance comes from.

    Returns:
        Positions int64 (m, 2), m even, and whether each pair is of one class, bool (m,): half are,
        so chance is right half the time. Empty where there are not both kinds.
    """
    same: list[np.ndarray] = []
    rest: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    for index, members in enumerate(there.members):
        shuffled = generator.permutation(members)
        half = len(shuffled) // 4 * 2
        same.append(shuffled[:half].reshape(-1, 2))
        rest.append(shuffled[half:])
        owners.append(np.full(len(shuffled) - half, index))
    different = _across(np.concatenate(rest), np.concatenate(owners)) if rest else np.empty((0, 2))
    together = generator.permutation(np.concatenate(same)) if same else np.empty((0, 2))
    different = generator.permutation(different)
    each = min(len(together), len(different), most // 2)
    pairs = np.concatenate([together[:each], different[:each]]).astype(np.int64)
    return pairs, np.arange(2 * each) < each


def _across(rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Pair rows of different owners: sorted by owner, each with the one half the way further."""
    order = np.argsort(owners, kind="stable")
    half = len(rows) // 2
    one, other = order[:half], order[half : 2 * half]
    differ = owners[one] != owners[other]
    return np.stack([rows[one[differ]], rows[other[differ]]], axis=1)
