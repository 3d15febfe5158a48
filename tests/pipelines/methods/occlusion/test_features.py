"""Maps as numbers: counted by hand, flat maps apart, clusters that are there are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from pipelines.methods.occlusion import looks, many
from pipelines.methods.occlusion.features import border_share, features, importance
from pipelines.methods.occlusion.looks import cluster_maps
from pipelines.methods.occlusion.many import OfClass


def test_one_place_counted_by_hand() -> None:
    maps = np.full((1, 11, 21), 0.9, np.float32)
    maps[0, 5, 20] = 0.4
    found = features(maps, np.array([0.9], np.float32))
    assert found.row == pytest.approx([0.5])
    assert found.column == pytest.approx([1.0])
    assert found.spread == pytest.approx([0], abs=1e-4)
    assert found.border == pytest.approx([1])
    assert found.top_tenth == pytest.approx([1])
    assert found.drop == pytest.approx([0.5])
    assert all(values.dtype == np.float32 for values in found.columns().values())


def test_two_places_and_what_helps_counted_by_hand() -> None:
    maps = np.full((1, 10, 10), 0.8, np.float32)
    maps[0, 2, 2], maps[0, 2, 6], maps[0, 8, 8] = 0.2, 0.6, 1.0
    found = features(maps, np.array([0.8], np.float32))
    # Three quarters of the mass at column 2, one at column 6; what rises is not important.
    assert found.column == pytest.approx([3 / 9])
    assert found.row == pytest.approx([2 / 9])
    assert found.spread == pytest.approx([np.sqrt(0.75 * 1 + 0.25 * 9) / np.hypot(9, 9)])
    assert found.border == pytest.approx([0])
    assert importance(maps, np.array([0.8]))[0, 8, 8] == 0


def test_evidence_that_is_everywhere_has_the_share_of_the_place() -> None:
    found = features(np.full((1, 20, 30), 0.3, np.float32), np.array([0.8]))
    assert found.border == pytest.approx([border_share(20, 30)])
    assert border_share(20, 30) == pytest.approx(1 - 16 * 24 / 600)
    assert found.top_tenth == pytest.approx([0.1])
    assert (found.row, found.column) == (pytest.approx([0.5]), pytest.approx([0.5]))


def test_flat_maps_have_a_drop_and_no_place() -> None:
    maps = np.stack([np.full((5, 5), p, np.float32) for p in (0.5, 0.495, 0.9)])
    found = features(maps, np.full(3, 0.5))
    assert found.drop == pytest.approx([0, 0.005, -0.4])
    for name, values in found.columns().items():
        assert np.isnan(values).all() == (name != "drop")
    assert not np.isnan(features(maps, np.full(3, 0.5), least=0.001).row[1])


@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 9))
def test_every_column_stays_in_its_bounds_and_each_map_stands_alone(
    seed: int, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    maps, clean = rng.random((4, rows, columns)).astype(np.float32), rng.random(4)
    order = rng.permutation(4)
    found, shuffled = features(maps, clean), features(maps[order], clean[order])
    mirrored = features(maps[:, ::-1, ::-1], clean)
    for name, values in found.columns().items():
        assert shuffled.columns()[name] == pytest.approx(values[order], nan_ok=True)
        known = values[~np.isnan(values)]
        assert (known <= 1 + 1e-6).all()
        assert (known >= 0).all() or name == "drop"
        place = name in ("row", "column") and min(rows, columns) > 1
        expected = 1 - values if place else values
        if place or name not in ("row", "column"):
            assert mirrored.columns()[name] == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_no_maps_give_no_rows() -> None:
    assert features(np.zeros((0, 4, 4)), np.zeros(0)).drop.shape == (0,)
    assert cluster_maps(np.zeros((0, 4, 4)), np.zeros(0, np.int64), 2).means == {}


def test_clusters_of_maps_are_found_whatever_their_depth() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.repeat([0, 1], [40, 20]))
    classes = rng.integers(0, 2, 60) * 3
    maps = 0.9 + rng.normal(0, 0.005, (60, 9, 9))
    for row, kind in enumerate(kinds):
        maps[row, 2 + 4 * kind, 2 : 2 + 4] -= rng.uniform(0.1, 0.8)
    maps = np.concatenate([maps, np.full((1, 9, 9), 0.9)]).astype(np.float32)
    found = cluster_maps(maps, np.append(classes, 0), 2)
    assert found.assigned.dtype == np.int32
    assert found.assigned[60] == -1
    for label in (0, 3):
        rows = np.flatnonzero(classes == label)
        assert adjusted_rand_score(kinds[rows], found.assigned[rows]) == 1
        assert found.sizes[label].tolist() == sorted(found.sizes[label], reverse=True)
        first = rows[found.assigned[rows] == 0]
        assert found.means[label][0] == pytest.approx(maps[first].mean(axis=0), abs=1e-6)
    again = cluster_maps(maps, np.append(classes, 0), 2)
    assert (again.assigned == found.assigned).all()


def test_blocks_and_samples_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    kinds = rng.permutation(np.repeat([0, 1], [70, 30]))
    every = rng.normal(0.5, 0.005, (100, 7, 7, 2)).astype(np.float32)
    for row, kind in enumerate(kinds):
        every[row, 1 + 4 * kind, 1:6, 1] -= 0.3
    classes, clean = np.ones(100, np.int64), np.full(100, 0.6, np.float32)
    whole, found = features(every[..., 1], clean), cluster_maps(every[..., 1], classes, 2)
    monkeypatch.setattr(many, "_VALUES", 9 * 49)
    monkeypatch.setattr(looks, "_LEARNT_FROM", 40 * 49)
    maps = OfClass(every, classes)
    for name, values in features(maps, clean).columns().items():
        np.testing.assert_array_equal(values, whole.columns()[name])
    sampled = cluster_maps(maps, classes, 2)
    np.testing.assert_array_equal(sampled.assigned, found.assigned)
    np.testing.assert_array_equal(sampled.assigned, kinds)
    assert sampled.sizes[1].tolist() == [70, 30]
    np.testing.assert_allclose(sampled.means[1], found.means[1], atol=1e-6)


def test_a_small_class_is_not_cut_up() -> None:
    maps = np.random.default_rng(0).random((50, 4, 4)).astype(np.float32)
    found = cluster_maps(maps, np.repeat([0, 1], [35, 15]), 4, fewest=10)
    assert (len(found.sizes[0]), len(found.sizes[1])) == (3, 1)


def test_more_clusters_than_maps_are_as_many_as_maps() -> None:
    maps = np.random.default_rng(0).random((3, 4, 4)).astype(np.float32)
    found = cluster_maps(maps, np.array([0, 0, 1]), 5)
    assert found.sizes[0].tolist() == [1, 1]
    assert found.sizes[1].tolist() == [1]


def test_what_does_not_go_together_is_refused() -> None:
    maps = np.zeros((2, 3, 3))
    with pytest.raises(ValueError, match=r"\(2, 3, 3\) and \(3,\)"):
        features(maps, np.zeros(3))
    with pytest.raises(ValueError, match=r"k=0"):
        cluster_maps(maps, np.zeros(2, np.int64), 0)
