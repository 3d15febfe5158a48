from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.methods import folds as folding
from pipelines.methods.label_issues import (
    head_probabilities,
    judge,
    neighbour_shares,
    reasons,
    threshold_rule,
)
from pipelines.methods.neighbours import all_nearest

COUNT, CLASSES = 90, 3
FLIPPED, ONTO = 31, 2


@pytest.fixture(scope="module")
def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of three clear clusters, and labels of which one is flipped."""
    rng = np.random.default_rng(5)
    labels = np.arange(COUNT) % CLASSES
    centres = np.array([[0, 0, 6], [0, 6, 0], [6, 0, 0]])
    vectors = (centres[labels] + rng.normal(size=(COUNT, 3))).astype(np.float32)
    labels[FLIPPED] = ONTO
    return vectors, labels


def test_a_flipped_label_amid_a_clear_cluster_comes_first(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, labels = clusters
    folds = folding.assign(labels, None, None, 5, seed=0)
    probabilities = head_probabilities(vectors, labels, folds, CLASSES)
    shares = neighbour_shares(labels, all_nearest(vectors, 10).positions, CLASSES)
    table = judge(labels, probabilities, shares)
    first = table.loc[table["rank"] == 1].iloc[0]
    assert first.name == FLIPPED
    assert (first["suggested"], first["why"]) == (FLIPPED % CLASSES, "both")
    assert first["suspicion"] > 0.9 and first["neighbours_suggested"] == 1
    assert table["suspicion"].between(0, 1).all()
    assert table["suspicion"].drop(FLIPPED).max() < 0.5
    assert (table["suggested"] != labels).all()
    assert sorted(table["rank"]) == list(range(1, COUNT + 1))
    assert table.sort_values("rank")["suspicion"].is_monotonic_decreasing


def test_a_label_has_no_part_in_what_is_said_of_its_own_sample(
    clusters: tuple[np.ndarray, np.ndarray],
) -> None:
    vectors, labels = clusters
    folds = folding.assign(labels, None, None, 5, seed=0)
    positions = all_nearest(vectors, 10).positions
    other = labels.copy()
    other[FLIPPED] = FLIPPED % CLASSES
    own, others = folds == folds[FLIPPED], folds != folds[FLIPPED]
    before, after = (head_probabilities(vectors, each, folds, CLASSES) for each in (labels, other))
    assert (before[own] == after[own]).all()
    assert (before[others] != after[others]).any()
    before, after = (neighbour_shares(each, positions, CLASSES) for each in (labels, other))
    assert (before[FLIPPED] == after[FLIPPED]).all()


def test_a_class_that_no_other_fold_holds_gets_no_probability() -> None:
    vectors = np.arange(8, dtype=np.float32)[:, None]
    labels = np.array([0, 0, 1, 1, 0, 1, 2, 2])
    folds = np.array([0, 1, 0, 1, 2, 2, 0, 0])
    probabilities = head_probabilities(vectors, labels, folds, 3)
    assert (probabilities[folds == 0, 2] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_shares_are_of_the_neighbours_there_are() -> None:
    labels = np.array([0, 1, 1, 2])
    positions = np.array([[1, 2, 3], [0, -1, -1], [1, 3, -1], [-1, -1, -1]])
    expected = [[0, 2 / 3, 1 / 3], [1, 0, 0], [0, 0.5, 0.5], [0, 0, 0]]
    np.testing.assert_allclose(neighbour_shares(labels, positions, 3), expected, atol=1e-6)


def test_the_threshold_rule_is_the_published_one() -> None:
    """V9: among mistakes only, p >= .90 or p <= .30, p being that of the second class."""
    p = np.array([0.95, 0.90, 0.89, 0.60, 0.30, 0.31, 0.05, 0.45, 0.95, 0.05])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    dropped = threshold_rule(labels, np.stack([1 - p, p], axis=1))
    assert dropped.tolist() == [True, True, False, False, True, False, True, *3 * [False]]


def test_the_threshold_rule_takes_each_of_many_classes_against_the_rest() -> None:
    probabilities = np.array(
        [[0.92, 0.05, 0.03], [0.60, 0.25, 0.15], [0.60, 0.35, 0.05], [0.30, 0.30, 0.40]]
    )
    assert threshold_rule(np.array([1, 1, 1, 2]), probabilities).tolist() == [
        *(True, True),  # the label has .05, .25
        False,  # it has .35
        False,  # no mistake
    ]


def test_reasons_say_who_disagrees() -> None:
    masks = np.array([[0, 1, 0, 1], [0, 0, 1, 1]], bool)
    assert reasons(*masks).tolist() == ["none", "confident_learning", "neighbours", "both"]


def test_nothing_heavy_is_imported_until_it_is_needed() -> None:
    code = (
        "import sys; import pipelines.methods.label_issues, pipelines.methods.cross_fitting, "
        "pipelines.stages.issues, cache.issues;"
        "print([m for m in ('tensorflow', 'cleanlab') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
