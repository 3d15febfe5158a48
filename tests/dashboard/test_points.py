from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache import Workspace
from cache.embeddings import open_embedding
from cache.errors import CorruptArtefactError
from dashboard import points
from dashboard.widgets.scatter import UNITS, inside, read_outline
from tests.dashboard.test_images import get as get_image


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    return get_image(url, points.routes())


def read(content: bytes) -> dict[str, Any]:
    """The answer taken apart, as the browser does."""
    length = int.from_bytes(content[:4], "little")
    head: dict[str, Any] = json.loads(content[4 : 4 + length])
    at, m = 4 + length, head["drawn"]
    for name, dtype, count in (
        ("places", "<f4", 2 * m),
        ("labels", "<u2", m),
        ("predicted", "<u2", m),
        ("splits", "u1", m),
        ("grid", "u1", head["density"] ** 2),
    ):
        head[name] = np.frombuffer(content, dtype, count, at)
        at += head[name].nbytes
    head["ids"] = content[at:].decode().split("\n")
    return head


def test_a_url_delivers_every_point_with_what_stands_under_the_pointer(
    workspaces: dict[str, Workspace],
) -> None:
    run = workspaces["shapes"].run("plain")
    shown = points.open_map(open_embedding(run, "penultimate"), "umap")
    status, headers, content = get(points.source(shown, "image").points)
    assert status == 200
    assert "immutable" in headers["cache-control"]
    got = read(content)
    samples, answers = workspaces["shapes"].samples(), run.predictions()
    assert got["ids"] == samples["sample_id"].tolist()
    assert got["labels"].tolist() == samples["label"].cat.codes.tolist()
    assert got["predicted"].tolist() == answers["predicted"].cat.codes.tolist()
    assert got["splits"].tolist() == samples["split"].cat.codes.tolist()
    places = got["places"].reshape(-1, 2)
    assert places.min() == 0
    assert places.max() == pytest.approx(1)
    # One scale for both axes: distances keep their proportions.
    true = shown.embedding.projection("umap")
    ratio = np.linalg.norm(places[0] - places[5]) / np.linalg.norm(true[0] - true[5])
    assert ratio * shown.side == pytest.approx(1, rel=1e-4)


def test_many_points_are_a_density_and_a_sample(
    workspaces: dict[str, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "MOST_POINTS", 100)
    monkeypatch.setattr(points, "SAMPLE", 40)
    points._places.cache_clear()
    run = workspaces["shapes"].run("plain")
    shown = points.open_map(open_embedding(run, "pixels"), "pca")
    assert not shown.whole
    got = read(get(points.source(shown, "image").points)[2])
    points._places.cache_clear()
    assert (got["n"], got["drawn"], len(got["ids"])) == (150, 40, 40)
    assert got["ids"] == workspaces["shapes"].samples()["sample_id"].iloc[shown.drawn].tolist()
    assert got["grid"].max() == 255
    # The density is of all points, not of the sample.
    assert (got["grid"] > 0).sum() > 40


@pytest.mark.parametrize(
    "change", [("umap", "tsne"), ("penultimate", "nothing"), ("plain", "none"), ("shapes", "no")]
)
def test_a_link_to_what_is_not_there_is_a_404(
    workspaces: dict[str, Workspace], change: tuple[str, str]
) -> None:
    run = workspaces["shapes"].run("plain")
    shown = points.open_map(open_embedding(run, "penultimate"), "umap")
    status, headers, content = get(points.source(shown, "image").points.replace(*change))
    assert status == 404
    assert headers["cache-control"] == "no-store"
    assert content


def test_a_link_to_an_earlier_map_is_a_404(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    shown = points.open_map(open_embedding(run, "penultimate"), "umap")
    parts = points.source(shown, "image").points.split("/")
    parts[3] = "0" * len(parts[3])
    status, _, content = get("/".join(parts))
    assert status == 404
    assert b"earlier state" in content


def test_a_map_of_other_samples_is_refused(workspaces: dict[str, Workspace]) -> None:
    embedding = open_embedding(workspaces["shapes"].run("plain"), "penultimate")
    path = embedding.artefact("projection").path("umap.npy")
    np.save(path, np.zeros((7, 2), np.float32))
    points._places.cache_clear()
    with pytest.raises(CorruptArtefactError, match="has 7 images, the workspace 150"):
        points.open_map(embedding, "umap")
    points._places.cache_clear()


def test_an_outline_takes_what_lies_inside_by_the_even_odd_rule() -> None:
    square = ((0, 0), (UNITS, 0), (UNITS, UNITS), (0, UNITS))
    hole = (
        (0, 0),
        (6000, 0),
        (6000, 6000),
        (2000, 6000),
        (2000, 2000),
        (4000, 2000),
        (4000, 8000),
        (0, 8000),
    )
    places = np.array([[0.5, 0.5], [1.5, 0.5], [0.1, 0.1], [0.3, 0.4], [0.5, 0.7]])
    assert inside(places, square).tolist() == [True, False, True, True, True]
    # The outline crosses itself: what it goes round twice is outside again.
    assert inside(places, hole).tolist() == [True, False, True, False, False]


@given(
    st.lists(
        st.tuples(st.integers(0, UNITS), st.integers(0, UNITS)), min_size=3, max_size=3, unique=True
    ),
    st.integers(0, 2**32 - 1),
)
def test_a_triangle_holds_what_has_the_same_turn_at_each_side(
    triangle: list[tuple[int, int]], seed: int
) -> None:
    places = np.random.default_rng(seed).random((50, 2))
    corners = np.array(triangle) / UNITS
    turns = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        side, there = b - a, places - a
        turns.append(side[0] * there[:, 1] - side[1] * there[:, 0])
    turns = np.array(turns)
    clear = (np.abs(turns) > 1e-9).all(axis=0)
    wanted = (turns > 0).all(axis=0) | (turns < 0).all(axis=0)
    assert (inside(places, tuple(triangle)) == wanted)[clear].all()


@pytest.mark.parametrize(
    "given",
    [None, "x", [], [[0, 0], [1, 1]], [[0, 0], [1, 1], [2.5, 0]], [[0, 0, 0]] * 3, [[0, 10**9]] * 3,
     [[True, 0]] * 3, [[0, 0]] * 401],
)  # fmt: skip
def test_what_is_no_outline_is_none(given: object) -> None:
    assert read_outline(given) is None
