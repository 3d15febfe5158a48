from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache import Workspace
from cache.embeddings import Embedding, open_embedding
from dashboard import embedding_data, neighbourhoods, points
from dashboard.neighbourhoods import Found, Scope
from pipelines.methods import number
from tests.dashboard.conftest import make_workspace


@pytest.fixture
def embedding(workspaces: dict[str, Workspace]) -> Embedding:
    return open_embedding(workspaces["shapes"].run("plain"), "penultimate")


@pytest.fixture
def table(embedding: Embedding) -> pd.DataFrame:
    return embedding_data.table(embedding.run)


def brute(embedding: Embedding, vector: np.ndarray, allowed: np.ndarray, k: int) -> list[float]:
    """Distances of the k nearest, the plain way."""
    vectors = np.asarray(embedding.vectors(), np.float64)[allowed]
    return np.sort(np.linalg.norm(vectors - vector, axis=1))[:k].tolist()


@pytest.mark.parametrize("row", [0, 1, 77, 149])
@pytest.mark.parametrize(
    ("scope", "how"),
    [
        (Scope(), "beforehand"),
        (Scope(splits=("train",)), ""),
        (Scope(splits=("val",)), "now"),
        (Scope(label="cross"), ""),
        (Scope(splits=("test",), label="square", clean=True), ""),
    ],
)
def test_neighbours_are_the_nearest_of_those_that_pass(
    embedding: Embedding, table: pd.DataFrame, row: int, scope: Scope, how: str
) -> None:
    found = neighbourhoods.neighbours_of(embedding, table, row, 40, scope)
    allowed = np.ones(len(table), bool)
    if scope.splits:
        allowed &= table["split"].isin(scope.splits).to_numpy()
    if scope.label:
        allowed &= (table["label"] == scope.label).to_numpy()
    allowed[row] = False
    if scope.clean:
        allowed &= (table["content_hash"] != table["content_hash"].iloc[row]).to_numpy()
    assert row not in found.rows
    assert allowed[found.rows].all()
    assert found.gallery == allowed.sum()
    wanted = brute(embedding, embedding.vectors()[row], allowed, 40)
    assert found.distances.tolist() == pytest.approx(wanted, abs=1e-5)
    assert how in found.how


def test_a_test_image_asks_train_without_computing(
    embedding: Embedding, table: pd.DataFrame
) -> None:
    row = int(np.flatnonzero(table["split"] == "test")[3])
    found = neighbourhoods.neighbours_of(embedding, table, row, 50, Scope(splits=("train",)))
    assert len(found.rows) == 50
    assert found.how == "computed beforehand"


def test_copies_of_the_query_are_left_out(embedding: Embedding, table: pd.DataFrame) -> None:
    # Rows 0 and 1 hold the same pixels.
    near = neighbourhoods.neighbours_of(embedding, table, 0, 5, Scope())
    assert near.rows[0] == 1
    assert near.distances[0] == 0
    clean = neighbourhoods.neighbours_of(embedding, table, 0, 5, Scope(clean=True))
    assert 1 not in clean.rows
    assert clean.rows[:4].tolist() == near.rows[1:].tolist()


def test_near_duplicates_of_near_duplicates_are_left_out_too(
    embedding: Embedding, table: pd.DataFrame
) -> None:
    pairs = np.array([[0, 1], [1, 40], [40, 90], [3, 4]], np.int32)
    np.save(embedding.artefact("retrieval").path("duplicates.npy"), pairs)
    found = neighbourhoods.neighbours_of(embedding, table, 0, 149, Scope(clean=True))
    assert set(range(150)) - set(found.rows.tolist()) == {0, 1, 40, 90}
    vector = np.asarray(embedding.vectors()[0])
    found = neighbourhoods.neighbours_of_vector(
        embedding, table, vector, 150, Scope(clean=True), np.array([90])
    )
    assert set(range(150)) - set(found.rows.tolist()) == {0, 1, 40, 90}
    found = neighbourhoods.neighbours_of_vector(embedding, table, vector, 150, Scope(clean=True))
    assert found.gallery == 150


def test_images_of_the_querys_group_are_left_out(embedding: Embedding, table: pd.DataFrame) -> None:
    table["group"] = "alone"
    table.loc[table.index[5:15], "group"] = "together"
    found = neighbourhoods.neighbours_of(embedding, table, 7, 50, Scope(clean=True))
    assert not set(found.rows.tolist()) & set(range(5, 15))


def test_an_upload_is_searched_exactly_or_with_the_index(tmp_path: Path) -> None:
    workspace = make_workspace(
        tmp_path,
        "indexed",
        embeddings={"exact": {"kind": "pixels", "spread": 1.0},
                    "annoy": {"kind": "pixels", "spread": 1.0, "use": "annoy"}},
    )  # fmt: skip
    for name, how in (("exact", "exactly"), ("annoy", "Annoy")):
        embedding = open_embedding(workspace.run("plain"), name)
        table = embedding_data.table(embedding.run)
        vector = np.asarray(embedding.vectors()[60]) + np.float32(0.001)
        found = neighbourhoods.neighbours_of_vector(embedding, table, vector, 10, Scope())
        assert how in found.how
        assert found.gallery == len(table)
        assert found.rows[0] == 60
        wanted = brute(embedding, vector, np.ones(len(table), bool), 10)
        assert found.distances.tolist() == pytest.approx(wanted, abs=1e-4)
        only = neighbourhoods.neighbours_of_vector(
            embedding, table, vector, 10, Scope(splits=("test",))
        )
        assert (table["split"].iloc[only.rows] == "test").all()
    # Of ten it finds more than of fifty: what is told is of as many as were asked for.
    for k, share, of in ((10, 0.995, 10), (25, 0.95, 50)):
        found = neighbourhoods.neighbours_of_vector(embedding, table, vector, k, Scope())
        assert f"finds {number.percent(share)} of the {of} true" in found.how


def test_own_coincidence_counts_matches_and_chance(
    embedding: Embedding, table: pd.DataFrame
) -> None:
    label = table["label"].iloc[0]
    rows = np.concatenate(
        [np.flatnonzero(table["label"] == label)[:3], np.flatnonzero(table["label"] != label)[:1]]
    )
    rate = neighbourhoods.matches(table, Found(rows, np.zeros(4), np.array([149]), ""), label)
    assert (rate.count, rate.n) == (3, 4)
    row = int(np.flatnonzero(table["split"] == "val")[3])
    for query, scope in ((row, Scope(splits=("val",))), (0, Scope(clean=True)), (7, Scope())):
        found = neighbourhoods.neighbours_of(embedding, table, query, 5, scope)
        among = table[table["split"].isin(scope.splits)] if scope.splits else table
        # Never the query itself; nor, where they are left out, its copy: rows 0 and 1 are one.
        among = among.drop(table.index[[0, 1] if scope.clean else [query]])
        assert found.gallery == len(among)
        chance = neighbourhoods.chance(table, found, label)
        assert chance == pytest.approx((among["label"] == label).mean())


def test_overlap_with_itself_is_whole_and_with_another_is_what_they_share(
    workspaces: dict[str, Workspace], embedding: Embedding
) -> None:
    assert neighbourhoods.overlap(embedding, embedding).value == 1
    other = open_embedding(embedding.run, "pixels")
    rows = np.array([3, 50, 140])
    first = [set(row) for row in embedding.neighbours().positions[rows, :10].tolist()]
    second = [set(row) for row in other.neighbours().positions[rows, :10].tolist()]
    wanted = np.mean([len(a & b) / 10 for a, b in zip(first, second, strict=True)])
    rate = neighbourhoods.overlap(embedding, other, rows)
    assert rate.value == pytest.approx(wanted)
    assert rate.n == 3
    assert rate.low <= rate.value <= rate.high


def test_true_neighbours_are_those_of_the_map_that_are_near_by_vectors(
    embedding: Embedding,
) -> None:
    shown = points.open_map(embedding, "umap")
    rows = np.array([2, 60, 100])
    graph = embedding.neighbours().positions
    shares = []
    for row in rows:
        distances = np.linalg.norm(shown.places - shown.places[row], axis=1)
        distances[row] = np.inf
        near = np.argsort(distances)[:10]
        shares.append(len(set(near.tolist()) & set(graph[row].tolist())) / 10)
    rate = neighbourhoods.true_neighbours(shown, rows)
    assert rate.value == pytest.approx(np.mean(shares))
    assert 0 < rate.value < 1
