"""The one-shot classifier: an image gets the class whose few reference images are nearest.

Works on the vectors of any embedding. References come from train; with the siamese network of
Koch, Zemel and Salakhutdinov ("Siamese neural networks for one-shot image recognition", 2015) it
also classifies classes that the network never saw, from a reference or a few of each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.methods.intervals import Rate, rate

REFERENCES = (1, 2, 3, 4, 5)
"""How many references of each class are tried."""

Rule = Literal["min", "mean"]
Choice = Literal["medoids", "random"]

_CANDIDATES = 1_000


@dataclass(frozen=True)
class Shot:
    """How well a few references of each class classify.

    Attributes:
        references: How many of each class, where it has as many in train.
        rule: Whether the nearest reference of a class counts, or the mean distance of all.
        choice: How they were chosen.
        classes: How many classes compete.
        accuracy: On the test images of all of them but the unseen ones.
        unseen: On the test images of the unseen ones; None where there are none.
    """

    references: int
    rule: Rule
    choice: Choice
    classes: int
    accuracy: Rate
    unseen: Rate | None


def references(
    vectors: np.ndarray, rows: np.ndarray, count: int, choice: Choice, seed: int = 0
) -> np.ndarray:
    """Choose reference images of one class.

    Args:
        vectors: (n, dim) of all samples.
        rows: Positions (m,) of the class in train, at least one.
        count: How many are wanted.
        choice: ``medoids``: each in turn is the one that most lessens the sum of the distances to
            the nearest chosen one (the BUILD step of Kaufman and Rousseeuw's PAM, 1990; the first
            is the medoid); ``random``.
        seed: For ``random``, and for the sample that is taken of more than 1,000 images.

    Returns:
        Positions (min(count, m),), in the order of choice: the first k are the choice of k.
    """
    generator = np.random.default_rng(seed)
    if choice == "random":
        return generator.permutation(rows)[:count]
    if len(rows) > _CANDIDATES:
        rows = np.sort(generator.choice(rows, _CANDIDATES, replace=False))
    apart = distances(vectors[rows], vectors[rows])
    nearest = np.full(len(rows), np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(rows))):
        cost = np.minimum(apart, nearest).sum(axis=1)
        cost[chosen] = np.inf
        chosen.append(int(cost.argmin()))
        nearest = np.minimum(nearest, apart[chosen[-1]])
    return rows[chosen]


def classify(queries: np.ndarray, chosen: list[np.ndarray], rule: Rule) -> np.ndarray:
    """Class of each query.

    Args:
        queries: (q, dim) vectors.
        chosen: Vectors (r, dim) of the references of each class; r may differ.
        rule: ``min`` or ``mean`` distance to the references of a class.

    Returns:
        int64 (q,): position of the class in ``chosen``; the first of equally near ones.
    """
    by_class = [distances(queries, reference) for reference in chosen]
    scores = [apart.min(axis=1) if rule == "min" else apart.mean(axis=1) for apart in by_class]
    nearest: np.ndarray = np.stack(scores, axis=1).argmin(axis=1)
    return nearest


def evaluate(
    vectors: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    unseen: Collection[int] = (),
    seed: int = 0,
) -> list[Shot]:
    """Accuracy on test for each number of references, rule and choice; nothing is chosen by it.

    Args:
        vectors: (n, dim) of all samples.
        labels: Class of every sample as an integer (n,).
        train: Positions that references come from.
        test: Positions that are classified; those of classes without references are left out.
        unseen: Classes that the embedding was not trained on.
        seed: For the choice of references.

    Returns:
        One entry a setting; empty where fewer than two classes have references, or there is no
        test image of theirs.
    """
    classes = np.unique(labels[train])
    test = test[np.isin(labels[test], classes)]
    if len(classes) < 2 or not len(test):
        return []
    queries, truth = np.asarray(vectors[test]), labels[test]
    new = np.isin(truth, list(unseen))
    owned = [train[labels[train] == label] for label in classes]
    shots = []
    choices: tuple[Choice, ...] = ("medoids", "random")
    rules: tuple[Rule, ...] = ("min", "mean")
    for choice in choices:
        most = [vectors[references(vectors, rows, max(REFERENCES), choice, seed)] for rows in owned]
        for count in REFERENCES:
            for rule in rules:
                right = classes[classify(queries, [few[:count] for few in most], rule)] == truth
                shots.append(
                    Shot(
                        count,
                        rule,
                        choice,
                        len(classes),
                        rate(int(right[~new].sum()), int((~new).sum())),
                        rate(int(right[new].sum()), int(new.sum())) if new.any() else None,
                    )
                )
    return shots


def distances(queries: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances float64 (q, r)."""
    first, second = np.asarray(queries, np.float64), np.asarray(others, np.float64)
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    apart: np.ndarray = np.sqrt(np.maximum(squares, 0))
    return apart
