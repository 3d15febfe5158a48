from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import coincidence, common, neighbours, occlusion, projection, similarity
from benchmarks.common import Row
from pipelines.methods.neighbours import Metric, exact


def check(rows: list[Row]) -> None:
    assert rows
    for row in rows:
        assert row.case and row.method and row.target
        assert row.value > 0
        assert (row.ratio is None) == (row.baseline_value is None) == (not row.baseline)
        if row.baseline_value is not None and row.ratio is not None:
            assert row.baseline_value > 0 and row.ratio > 0
    table = common.written(rows, as_json=False)
    assert all(row.case in table for row in rows) and "cores" in table and "numba" in table
    document = json.loads(common.written(rows, as_json=True))
    assert [line["ratio"] for line in document["rows"]] == [row.ratio for row in rows]
    assert document["machine"]["cores"] and document["versions"]["annoy"]


def test_coincidence_agrees_with_the_loop() -> None:
    rows = coincidence.rows(0.08, 1)
    check(rows)
    assert "difference of any share 0;" in rows[0].note or "e-" in rows[0].note


def test_similarity() -> None:
    rows = similarity.rows(0.002, 1)
    check(rows)
    assert [row.unit for row in rows] == ["ms", "ms"]
    assert [row.ratio is None for row in rows] == [True, False]


class Descent:
    """Stands for pynndescent's, which compiles for most of a minute."""

    def __init__(self, data: np.ndarray, metric: Metric, n_neighbors: int, **others: int) -> None:
        self.neighbor_graph = (exact(data, data, n_neighbors, metric).positions.copy(), None)


def test_neighbours_finds_identical_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynndescent", SimpleNamespace(NNDescent=Descent))
    rows = neighbours.rows(0.003, 1)
    check(rows)
    assert [row.method for row in rows] == 2 * [
        "all_nearest, pynndescent",
        "all_nearest, exact",
        "all_nearest, exact",
    ]
    assert "recall@10 1.0000" in rows[0].note and "all found" in rows[1].note
    assert all("100.00% of the queries have identical" in row.note for row in (rows[2], rows[5]))


@pytest.mark.slow
def test_projection_measures_both_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    # UMAP's own way compiles another half of a minute.
    monkeypatch.setattr(projection, "_default", projection._shared)
    rows = projection.rows(0.006, 1)
    check(rows)
    assert "of 600 points" in rows[0].note and "search took" in rows[1].note


def test_turns_are_taken_and_the_median_counts() -> None:
    seen: list[str] = []

    def first() -> int:
        seen.append("method")
        return 1

    def second() -> int:
        seen.append("baseline")
        return len(seen)

    timed = common.paired(first, second, 3, whole=lambda seconds, result: 10.0 * result)
    assert seen == ["method", "baseline", "baseline", "method", "method", "baseline"]
    assert (timed.result, timed.baseline_result) == (1, 6)
    # The baseline of the three rounds: 20, 30 and 60.
    assert timed.baseline == 30.0
    assert timed.ratio > 100


def test_the_command_line_prints_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[float, int]] = []

    def rows(size: float, rounds: int) -> list[Row]:
        asked.append((size, rounds))
        return [Row("a case", "ours", "", 3.0, None, None, "under 2 s", False)]

    common.run(rows, "what it is", ["--size", "0.5", "--rounds", "2"])
    assert asked == [(0.5, 2)]
    assert "ours: 3 s; to reach: under 2 s, NOT reached" in capsys.readouterr().out


@pytest.mark.slow
def test_occlusion_gives_the_same_maps_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from pipelines.models import build

    def small(weights: None, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        return build("compact_cnn", input_shape, classes)

    monkeypatch.setattr(keras.applications, "ResNet50", small)
    monkeypatch.setattr(occlusion, "DEEP", ("ResNet50",))
    monkeypatch.setattr(occlusion, "COPIES", (32,))
    rows = occlusion.rows(0.001, 1)
    check(rows)
    assert [row.method for row in rows] == [
        *6 * ["way 'table'"],
        *2 * ["the estimator"],
        "way 'table'",
        *2 * ["way 'regions'"],
    ]
    exact = [row for row in rows if row.method != "the estimator"]
    differences = [float(row.note.split("difference ")[1].split(";")[0]) for row in exact]
    assert max(differences) < 1e-5
