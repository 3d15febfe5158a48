from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.methods import coincidence
from pipelines.methods.neighbours import all_nearest, exact


def clusters(n: int, classes: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    vectors = rng.normal(size=(n, 3)) + apart * labels[:, None]
    return vectors.astype(np.float32), labels


def test_shares_of_a_case_counted_by_hand() -> None:
    labels = np.array(["a", "b", "a", "a"])
    neighbours = np.array([[2, 1, 3], [0, 2, 3], [1, 0, -1]])
    found = coincidence.shares(labels[:3], neighbours, labels)
    expected = [[1, 1 / 2, 2 / 3], [0, 0, 0], [0, 1 / 2, np.nan]]
    np.testing.assert_allclose(found, np.array(expected, np.float32))
    assert found.dtype == np.float32


def test_separated_clusters_coincide_fully() -> None:
    vectors, labels = clusters(120, 3, 100.0)
    graph = all_nearest(vectors, 30)
    shares = coincidence.shares(labels, graph.positions, labels)
    for macro in (False, True):
        found = coincidence.curve(shares, labels, macro)
        assert found.k.tolist() == list(range(1, 31))
        for values in (found.value, found.low, found.high):
            assert (values == 1.0).all()
        assert (found.n == 120).all()


def test_shuffled_labels_meet_chance() -> None:
    vectors, _ = clusters(1500, 3, 5.0)
    rng = np.random.default_rng(1)
    labels = rng.choice(3, 1500, p=[0.6, 0.3, 0.1])
    graph = all_nearest(vectors, 20)
    shares = coincidence.shares(labels, graph.positions, labels)
    level = coincidence.chance(labels, labels, within=True)
    for macro, expected in ((False, level.overall), (True, level.macro)):
        found = coincidence.curve(shares, labels, macro)
        assert found.low[19] - 0.02 < expected < found.high[19] + 0.02
        assert found.value[19] == pytest.approx(expected, abs=0.03)
    for code, own in enumerate(coincidence.by_class(shares, labels, 3)):
        assert own.value[19] == pytest.approx(level.classes[code], abs=0.04)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_permuting_the_samples_changes_no_figure(seed: int) -> None:
    vectors, labels = clusters(150, 3, 1.0)
    order = np.random.default_rng(seed).permutation(150)
    straight = coincidence.shares(labels, all_nearest(vectors, 9).positions, labels)
    moved = coincidence.shares(
        labels[order], all_nearest(vectors[order], 9).positions, labels[order]
    )
    np.testing.assert_array_equal(moved, straight[order])
    for macro in (False, True):
        np.testing.assert_allclose(
            coincidence.curve(moved, labels[order], macro).value,
            coincidence.curve(straight, labels, macro).value,
        )


def test_the_macro_average_is_that_of_the_classes() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    shares = np.where(labels == 0, 0.9, 0.2).astype(np.float32)[:, None]
    overall = coincidence.curve(shares, labels)
    macro = coincidence.curve(shares, labels, macro=True)
    assert overall.value[0] == pytest.approx(0.83)
    assert macro.value[0] == pytest.approx(0.55)
    # Within a class all queries are alike: nothing is left to vary.
    assert macro.low[0] == pytest.approx(0.55) and macro.high[0] == pytest.approx(0.55)
    assert overall.low[0] < 0.83 < overall.high[0]


def test_the_interval_is_that_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    shares = rng.uniform(size=(800, 2)).astype(np.float32)
    found = coincidence.curve(shares, np.zeros(800, int))
    half = 1.96 * shares[:, 0].std() / np.sqrt(800)
    assert found.high[0] - found.value[0] == pytest.approx(half, rel=0.15)
    assert found.value[0] - found.low[0] == pytest.approx(half, rel=0.15)
    again = coincidence.curve(shares, np.zeros(800, int))
    np.testing.assert_array_equal(found.low, again.low)


def test_many_queries_are_drawn_in_heaps_to_the_same_interval() -> None:
    rng = np.random.default_rng(0)
    shares = (rng.binomial(5, 0.3, (3001, 2)) / 5).astype(np.float32)
    whole = coincidence.curve(shares, np.zeros(3001, int))
    one_by_one = coincidence.curve(np.vstack([shares, [[np.nan] * 2]]), np.zeros(3002, int))
    assert whole.value == pytest.approx(one_by_one.value)
    assert whole.low == pytest.approx(one_by_one.low, abs=0.001)
    assert whole.high == pytest.approx(one_by_one.high, abs=0.001)
    half = 1.96 * shares[:, 0].std() / np.sqrt(3001)
    assert whole.high[0] - whole.value[0] == pytest.approx(half, rel=0.15)


def test_queries_without_so_many_neighbours_are_left_out() -> None:
    shares = np.array([[1, 0.5], [0, np.nan], [np.nan, np.nan]], np.float32)
    found = coincidence.curve(shares, np.array([0, 1, 1]), macro=True)
    assert found.value.tolist() == [0.5, 0.5] and found.n.tolist() == [2, 1]
    nothing = coincidence.curve(shares[2:], np.array([1]))
    assert np.isnan(nothing.value).all() and np.isnan(nothing.low).all()
    empty = coincidence.by_class(shares, np.array([0, 1, 1]), 3)[2]
    assert np.isnan(empty.value).all() and not empty.n.any()


def test_chance_counted_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    among = coincidence.chance(labels, labels, within=True, n_classes=3)
    assert among.classes[:2].tolist() == [2 / 3, 0.0] and np.isnan(among.classes[2])
    assert among.overall == pytest.approx(0.5) and among.macro == pytest.approx(1 / 3)
    apart = coincidence.chance(np.array([1]), labels, within=False)
    assert apart.overall == apart.macro == 0.25
    assert np.isnan(coincidence.chance(np.array([], int), labels, within=False).overall)


def test_chance_is_the_mean_over_all_possible_answers() -> None:
    labels = np.random.default_rng(4).integers(0, 3, 40)
    level = coincidence.chance(labels, labels, within=True)
    same = (labels[:, None] == labels) & ~np.eye(40, dtype=bool)
    assert level.overall == pytest.approx(same.sum() / (40 * 39))


def test_paired_finds_a_difference_and_no_difference() -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(size=400)
    better = coincidence.paired(first, first - 0.05 + rng.normal(0, 0.1, 400))
    assert better.difference.low < better.difference.value < better.difference.high
    assert better.difference.value == pytest.approx(0.05, abs=0.02)
    assert better.p_value < 0.001 and better.n == 400
    alike = coincidence.paired(first, first + rng.normal(0, 0.1, 400))
    assert alike.p_value > 0.01
    assert alike.difference.low < 0 < alike.difference.high
    assert coincidence.paired(first, first).p_value == 1.0


def test_the_sign_flip_test_is_that_of_all_flips() -> None:
    gaps = np.array([3.0, 1.0, -1.0, 2.0, 2.0, 0.5])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    expected = (np.abs(signs.T @ gaps) >= gaps.sum()).mean()
    found = coincidence.paired(gaps, np.zeros(6))
    assert found.p_value == pytest.approx(expected, abs=0.01)


def test_paired_leaves_unknown_queries_out_and_refuses_other_queries() -> None:
    found = coincidence.paired(np.array([1.0, np.nan]), np.array([0.5, 0.5]))
    assert found.n == 1 and found.difference.value == 0.5
    assert coincidence.paired(np.array([np.nan]), np.array([0.5])).p_value == 1.0
    with pytest.raises(ValueError, match="of the same queries"):
        coincidence.paired(np.zeros(3), np.zeros(4))


def unbalanced() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of two embeddings: the first is better on the many of class 0, worse on the few."""
    labels = np.repeat([0, 1], [390, 110])
    rng = np.random.default_rng(0)
    second = rng.binomial(10, 0.5, 500) / 10
    first = second + rng.integers(-2, 3, 500) / 10 + np.where(labels == 0, 0.05, -0.1)
    return first.astype(np.float32), second.astype(np.float32), labels


def test_the_paired_difference_is_that_of_the_averages_it_stands_beside() -> None:
    first, second, labels = unbalanced()
    over_queries = coincidence.paired(first, second)
    over_classes = coincidence.paired(first, second, classes=labels)
    # Of the same queries: who wins depends on how they are averaged.
    assert over_queries.difference.value > 0 > over_classes.difference.value
    for found, macro in ((over_queries, False), (over_classes, True)):
        one, other = (
            coincidence.curve(shares[:, None], labels, macro) for shares in (first, second)
        )
        assert found.difference.value == pytest.approx(one.value[0] - other.value[0], abs=1e-6)
        assert found.n == 500
    halves = [
        np.std((first - second)[labels == code]) ** 2 / 4 / n for code, n in ((0, 390), (1, 110))
    ]
    width = over_classes.difference.high - over_classes.difference.low
    assert width == pytest.approx(2 * 1.96 * np.sqrt(sum(halves)), rel=0.1)


def test_the_flips_of_the_macro_average_weigh_each_class_alike() -> None:
    gaps = np.array([3.0, 1.0, -1.0, 2.0, 2.0, -4.0])
    labels = np.array([0, 0, 0, 0, 1, 1])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T
    weights = np.where(labels == 0, 1 / 8, 1 / 4)
    expected = (np.abs(signs @ (weights * gaps)) >= abs(weights @ gaps) - 1e-12).mean()
    found = coincidence.paired(gaps, np.zeros(6), classes=labels)
    assert found.difference.value == pytest.approx(weights @ gaps)
    assert found.p_value == pytest.approx(expected, abs=0.015)


def test_queries_of_a_patient_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(60), 10)
    labels = np.repeat([0, 1], 300)
    of_a_patient = rng.uniform(size=60)
    shares = of_a_patient[patients][:, None]
    for macro in (False, True):
        alone = coincidence.curve(shares, labels, macro)
        together = coincidence.curve(shares, labels, macro, units=patients)
        assert together.value[0] == pytest.approx(alone.value[0])
        assert together.n[0] == alone.n[0] == 600
        # Ten alike say as much as one: as if there were sixty queries.
        of_patients = coincidence.curve(of_a_patient[:, None], labels[::10], macro)
        width = together.high[0] - together.low[0]
        assert width == pytest.approx(of_patients.high[0] - of_patients.low[0], rel=0.15)
        assert width > 2.5 * (alone.high[0] - alone.low[0])
    for code, own in enumerate(coincidence.by_class(shares, labels, 2, units=patients)):
        of_class = coincidence.curve(of_a_patient[30 * code : 30 * code + 30, None], labels[:30])
        assert own.high[0] - own.low[0] == pytest.approx(
            of_class.high[0] - of_class.low[0], rel=0.15
        )


def test_units_of_one_query_each_change_nothing() -> None:
    rng = np.random.default_rng(0)
    shares = rng.uniform(size=(90, 3))
    labels = rng.integers(0, 3, 90)
    plain = coincidence.curve(shares, labels, macro=True)
    own = coincidence.curve(shares, labels, macro=True, units=np.arange(90))
    np.testing.assert_array_equal(plain.low, own.low)
    np.testing.assert_array_equal(plain.high, own.high)


def test_classes_that_share_a_patient_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(50), 2)
    labels = np.tile([0, 1], 50)
    of_a_patient = rng.uniform(size=50)
    # What is lost with one class is won with the other: the mean of both never varies.
    shares = np.where(labels == 0, of_a_patient[patients], 1 - of_a_patient[patients])[:, None]
    found = coincidence.curve(shares, labels, macro=True, units=patients)
    assert found.low[0] == pytest.approx(0.5) and found.high[0] == pytest.approx(0.5)


def test_the_signs_of_a_patient_are_flipped_together() -> None:
    rng = np.random.default_rng(2)
    patients = np.repeat(np.arange(8), 20)
    gaps = rng.normal(0.3, 1, 8).round(1)
    first = gaps[patients]
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    expected = (np.abs(signs @ gaps) >= abs(gaps.sum()) - 1e-9).mean()
    found = coincidence.paired(first, np.zeros(160), units=patients)
    assert found.p_value == pytest.approx(expected, abs=0.015)
    assert found.p_value > 5 * coincidence.paired(first, np.zeros(160)).p_value
    assert found.n == 160


def brute_force_without(
    vectors: np.ndarray, queries: np.ndarray, gallery: np.ndarray, k: int, barred: list[set[int]]
) -> np.ndarray:
    found = np.full((len(queries), k), -1)
    for row, query in enumerate(queries):
        far = ((vectors[gallery].astype(float) - vectors[query].astype(float)) ** 2).sum(axis=1)
        order = gallery[np.lexsort((gallery, far))]
        kept = [one for one in order if one != query and one not in barred[query]][:k]
        found[row, : len(kept)] = kept
    return found


def test_near_duplicates_and_groups_are_left_out_and_others_move_up() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 3)).astype(np.float32)
    vectors[40:50] = vectors[:10] + 0.001
    pairs = np.array([[place, place + 40] for place in range(10)])
    groups = np.array([None] * 60 + ["one"] * 12 + ["two"] * 8, dtype=object)
    barred: list[set[int]] = [set() for _ in range(80)]
    for one, other in pairs.tolist():
        barred[one].add(other)
        barred[other].add(one)
    for place in range(60, 80):
        barred[place] |= set(range(60, 72)) if place < 72 else set(range(72, 80))
    everyone = np.arange(80)
    graph = all_nearest(vectors, 6)
    clean, affected = coincidence.without(
        vectors, graph.positions, everyone, everyone, 6, "euclidean", pairs=pairs, groups=groups
    )
    assert np.array_equal(clean, brute_force_without(vectors, everyone, everyone, 6, barred))
    assert clean.dtype == np.int32
    lost = [bool(barred[query] & set(graph.positions[query].tolist())) for query in everyone]
    assert affected == sum(lost) > 20


def test_without_keeps_to_the_gallery_and_pads() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 2)).astype(np.float32)
    queries, gallery = np.arange(20, 30), np.arange(8)
    groups = np.array([str(place % 2) for place in range(30)])
    found = exact(vectors[queries], vectors[gallery], 5).positions
    clean, affected = coincidence.without(
        vectors, gallery[found], queries, gallery, 5, "euclidean", groups=groups
    )
    barred = [{other for other in range(30) if other % 2 == place % 2} for place in range(30)]
    assert np.array_equal(clean, brute_force_without(vectors, queries, gallery, 5, barred))
    assert affected == 10 and (clean[:, 4] == -1).all()


def test_copies_in_a_chain_are_all_left_out() -> None:
    vectors = np.arange(12, dtype=np.float32)[:, None]
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    everyone = np.arange(12)
    graph = all_nearest(vectors, 2)
    clean, affected = coincidence.without(
        vectors, graph.positions, everyone, everyone, 2, "euclidean", pairs=pairs
    )
    assert clean[0].tolist() == [4, 5] and clean[3].tolist() == [4, 5]
    assert clean[4].tolist() == [3, 5] and affected == 4


def test_nothing_to_leave_out_changes_nothing() -> None:
    vectors, _ = clusters(40, 2, 1.0)
    graph, everyone = all_nearest(vectors, 4), np.arange(40)
    for given_pairs in (None, np.empty((0, 2), np.int32)):
        clean, affected = coincidence.without(
            vectors, graph.positions, everyone, everyone, 4, "euclidean", pairs=given_pairs
        )
        assert affected == 0 and np.array_equal(clean, graph.positions)
