from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.artefact import read_json, write_json
from cache.embeddings import Embedding, open_embedding
from cache.names import cluster_names
from dashboard import (
    cluster_table,
    embedding_data,
    embedding_facts,
    neighbourhoods,
    points,
    space,
)
from dashboard.points import open_map
from dashboard.widgets.scatter import Colouring, Entry, inside
from pipelines.methods import number
from tests.dashboard.conftest import Fire, Shown, make_workspace, parameter

Open = Callable[..., AppTest]

MAP = "embeddings_map"
BOX = [[0, 0], [5000, 0], [5000, 10000], [0, 10000]]


@pytest.fixture
def embedding(workspaces: dict[str, Workspace]) -> Embedding:
    return open_embedding(workspaces["shapes"].run("plain"), "penultimate")


def within(embedding: Embedding, projection: str = "umap") -> list[str]:
    """Ids of what lies in ``BOX``, in the order of the samples."""
    shown = open_map(embedding, projection)
    samples = embedding.run.workspace.samples()["sample_id"]
    return samples[inside(shown.places, tuple(map(tuple, BOX)))].tolist()  # type: ignore[arg-type]


def bits(data: dict[str, Any], n: int) -> np.ndarray:
    """Which points a map shows as selected."""
    raw = np.frombuffer(base64.b64decode(data["selected"]), np.uint8)
    return np.unpackbits(raw, bitorder="little")[:n].astype(bool)


def gallery(shown: Shown, at: AppTest) -> list[str]:
    return [tile["id"] for tile in shown(at, "embeddings_gallery")["tiles"]]


def test_the_page_opens_with_how_good_the_neighbours_are(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown
) -> None:
    at = open_page("embeddings", workspace="shapes")
    assert not at.exception
    assert at.subheader[0].value.startswith("In penultimate, ")
    assert "by chance 33" in at.subheader[0].value
    data = shown(at, MAP)
    assert data["url"].startswith("/points/shapes/")
    assert data["url"].endswith("/plain/penultimate/umap")
    assert data["selected"] is None
    assert [item["name"] for item in data["legend"]["items"]] == ["circle", "cross", "square"]
    assert any("Nothing is picked" in each.value for each in at.markdown)


def test_while_nothing_is_picked_images_among_other_classes_are_shown(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("embeddings", workspace="shapes")
    samples = embedding.run.workspace.samples()
    codes = samples["label"].cat.codes.to_numpy()
    near = embedding.neighbours().positions[:, :10]
    shares = (codes[near] == codes[:, None]).mean(axis=1)
    tiles = shown(at, "embeddings_strangers")["tiles"]
    order = np.argsort(shares, kind="stable")[:12]
    assert [tile["id"] for tile in tiles] == samples["sample_id"].iloc[order].tolist()
    assert tiles[0]["title"] == f"{round(shares[order[0]] * 10)} of 10"
    wanted = tiles[1]["id"]
    fire(at, "embeddings_strangers", {"n": 1, "added": [], "removed": [], "opened": wanted})
    assert parameter(at, "image") == wanted


def test_an_outline_picks_what_lies_inside_and_colours_keep_it(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = fire(open_page("embeddings", workspace="shapes"), MAP, {"n": 1, "outline": BOX})
    wanted = within(embedding)
    assert 24 < len(wanted) < 150
    assert f"**{len(wanted)} of 150 images**" in at.markdown[0].value
    assert gallery(shown, at) == wanted[:24]
    samples = embedding.run.workspace.samples()["sample_id"]
    assert samples[bits(shown(at, MAP), 150)].tolist() == wanted
    before = shown(at, MAP)
    at.selectbox(key="colour").select("confidence").run()
    after = shown(at, MAP)
    assert (after["selected"], after["outline"]) == (before["selected"], before["outline"])
    assert after["codes"] != before["codes"]
    assert after["legend"]["scale"] is not None
    assert gallery(shown, at) == wanted[:24]


def test_a_link_picks_the_same(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = fire(open_page("embeddings", workspace="shapes"), MAP, {"n": 1, "outline": BOX})
    link = parameter(at, "picked")
    copied = open_page("embeddings", workspace="shapes", picked=link)
    assert bits(shown(copied, MAP), 150).tolist() == bits(shown(at, MAP), 150).tolist()


def test_shift_adds_an_outline_and_clear_picks_nothing(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("embeddings", workspace="shapes")
    corner = [[7000, 0], [10000, 0], [10000, 3000]]
    fire(at, MAP, {"n": 1, "outline": BOX})
    one = int(bits(shown(at, MAP), 150).sum())
    fire(at, MAP, {"n": 2, "outline": corner, "add": True})
    both = bits(shown(at, MAP), 150)
    places = open_map(embedding, "umap").places
    wanted = inside(places, tuple(map(tuple, BOX))) | inside(places, tuple(map(tuple, corner)))  # type: ignore[arg-type]
    assert both.tolist() == wanted.tolist()
    assert both.sum() >= one
    fire(at, MAP, {"n": 3, "clear": True})
    assert shown(at, MAP)["selected"] is None
    assert "picked" not in at.query_params


def test_a_click_on_a_point_picks_it_and_its_neighbours(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    samples = embedding.run.workspace.samples()["sample_id"]
    at = open_page("embeddings", workspace="shapes")
    fire(at, MAP, {"n": 1, "opened": samples[40]})
    near = embedding.neighbours().positions[40]
    assert gallery(shown, at) == samples.iloc[[40, *near[:23]]].tolist()
    (mark,) = shown(at, MAP)["marks"]
    places = open_map(embedding, "umap").places
    assert (mark["x"], mark["y"]) == pytest.approx(tuple(places[40]), abs=1e-6)


def test_a_click_on_an_image_leads_to_its_neighbours(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = fire(open_page("embeddings", workspace="shapes"), MAP, {"n": 1, "outline": BOX})
    wanted = within(embedding)[3]
    fire(at, "embeddings_gallery", {"n": 1, "added": [], "removed": [], "opened": wanted})
    assert at.title[0].value == "Similarity"
    assert parameter(at, "image") == wanted


def test_a_short_selection_shows_where_only_a_sample_is_drawn(
    embedding: Embedding, open_page: Open, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "MOST_POINTS", 100)
    monkeypatch.setattr(points, "SAMPLE", 40)
    points._places.cache_clear()
    drawn = set(open_map(embedding, "umap").drawn.tolist())
    samples = embedding.run.workspace.samples()["sample_id"]
    rows = [row for row in range(150) if row not in drawn][:3] + sorted(drawn)[:2]
    ids = ".".join(samples.iloc[rows])
    at = open_page("embeddings", workspace="shapes", picked=f"samples~~~{ids}")
    data = shown(at, MAP)
    points._places.cache_clear()
    assert at.title[0].value == "Embeddings"
    assert not [each.value for each in at.markdown if "Longest" in each.value]
    assert (int(bits(data, 40).sum()), len(data["marks"]), data["selected_total"]) == (2, 3, 5)


def test_where_few_neighbours_are_kept_as_many_are_compared_and_named(
    cache_folder: Path, open_page: Open, fire: Fire, shown: Shown
) -> None:
    few = {"kind": "pixels", "spread": 1.0, "neighbours": 6}
    workspace = make_workspace(cache_folder, "few", embeddings={"few": few})
    embedding = open_embedding(workspace.run("plain"), "few")
    at = open_page("embeddings", workspace="few")
    assert " of the 5 train images nearest to a test image" in at.subheader[0].value
    assert any("with the fewest of their 6 nearest" in each.value for each in at.markdown)
    assert all(
        tile["title"].endswith(" of 6") for tile in shown(at, "embeddings_strangers")["tiles"]
    )
    fire(at, MAP, {"n": 1, "outline": BOX})
    assert any(
        "of the 6 nearest to each on the map of few, that share is among its 6 nearest by vectors"
        in each.value
        for each in at.caption
    )
    # On a map that is exact all 6 would be true; with 10 asked they could not be.
    shown_map = open_map(embedding, "umap")
    same = replace(shown_map, places=np.asarray(embedding.vectors()), projection="vectors")
    assert neighbourhoods.true_neighbours(same).value == 1


def test_what_is_picked_can_be_downloaded_before_there_are_predictions(
    cache_folder: Path, open_page: Open, fire: Fire
) -> None:
    untrained = {"plain": {"skill": 3.0, "epochs": 3, "until": "train"}}
    embeddings = {"pixels": {"kind": "pixels", "spread": 1.0}}
    make_workspace(cache_folder, "early", runs=untrained, embeddings=embeddings)
    at = fire(open_page("embeddings", workspace="early"), MAP, {"n": 1, "outline": BOX})
    assert not at.exception
    named = [each.proto.label for each in at.get("download_button")]
    assert [name.split(" of ")[0] for name in named] == ["Table", "Images"]


def test_each_figure_of_a_map_tells_how_many_points_it_is_of(
    embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = {name: open_map(embedding, name) for name in points.PROJECTIONS}
    # The artefacts of an earlier version say only how many UMAP's trustworthiness is of.
    assert "(n = 150) and continuity 0.940 of 1 (n = 150)" in embedding_facts.map_caption(
        maps["umap"]
    )
    path = embedding.artefact("projection").path("projection.json")
    document = read_json(path)
    document["umap"]["continuity_n"] = 70
    document["pca"] |= {"n": 60, "continuity_n": 60}
    write_json(path, document)
    monkeypatch.setattr(embedding_data, "document", lambda of, stage: of.document(stage))
    assert "(n = 150) and continuity 0.940 of 1 (n = 70)" in embedding_facts.map_caption(
        maps["umap"]
    )
    assert "0.800 of 1 (n = 60) and continuity 0.900 of 1 (n = 60)" in embedding_facts.map_caption(
        maps["pca"]
    )


def test_two_embeddings_share_a_selection(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("embeddings", workspace="shapes", beside="pixels")
    assert shown(at, "embeddings_beside")["url"].endswith("/pixels/umap")
    fire(at, "embeddings_beside", {"n": 1, "outline": BOX})
    other = open_embedding(embedding.run, "pixels")
    samples = embedding.run.workspace.samples()["sample_id"]
    for key in (MAP, "embeddings_beside"):
        assert samples[bits(shown(at, key), 150)].tolist() == within(other)
    assert any("share **" in each.value for each in at.markdown)
    # Only the map that it was drawn on shows the outline.
    assert shown(at, MAP)["outline"] is None
    assert shown(at, "embeddings_beside")["outline"] is not None


@pytest.mark.parametrize(
    "colour",
    ["label", "prediction", "right or wrong", "confidence", "split", "cluster, HDBSCAN",
     "cluster, k-means", "trustworthiness, UMAP", "brightness", "contrast", "loss", "margin",
     "darkest pixel", "leaked from train"],
)  # fmt: skip
def test_every_colour_has_a_code_for_each_point(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown, colour: str
) -> None:
    at = open_page("embeddings", workspace="shapes", colour=colour)
    assert not at.exception
    assert at.selectbox(key="colour").value == colour
    data = shown(at, MAP)
    codes = np.frombuffer(base64.b64decode(data["codes"]), np.uint8)
    assert len(codes) == 150
    counts = np.bincount(codes, minlength=256)
    for item in data["legend"]["items"]:
        assert int(item["count"].replace(",", "")) == counts[item["code"]]


def test_what_differs_between_the_images_can_colour_them(
    cache_folder: Path, open_page: Open, shown: Shown
) -> None:
    workspace = make_workspace(
        cache_folder,
        "stamps",
        channels=("template", "science"),
        positive="cross",
        embeddings={"pixels": {"kind": "pixels", "spread": 1.0}},
    )
    at = open_page("embeddings", workspace="stamps", colour="brightness, science")
    offered = at.selectbox(key="colour").options
    assert {"contrast, template", "leaked from train", "probability of cross"} <= set(offered)
    # All have one size, and none has a group or a label that was flipped.
    assert not {"width", "height", "group", "true label"} & set(offered)
    brightness = workspace.samples()["mean_1"].to_numpy()
    codes = np.frombuffer(base64.b64decode(shown(at, MAP)["codes"]), np.uint8)
    assert codes[brightness.argmin()] == 0 and codes[brightness.argmax()] == 249
    at.selectbox(key="colour").select("leaked from train").run()
    legend = shown(at, MAP)["legend"]["items"]
    assert [(item["name"], item["count"]) for item in legend] == [("no", "149"), ("yes", "1")]
    at.selectbox(key="colour").select("probability of cross").run()
    assert shown(at, MAP)["legend"]["scale"] is not None


def test_a_cluster_is_picked_and_named(embedding: Embedding, open_page: Open, shown: Shown) -> None:
    at = open_page("embeddings", workspace="shapes", picked="cluster~penultimate~hdbscan~1")
    wanted = (embedding.clusters()["hdbscan"] == 1).to_numpy()
    assert bits(shown(at, MAP), 150).tolist() == wanted.tolist()
    (field,) = at.text_input
    field.input("lone crosses").run()
    assert cluster_names(embedding, "hdbscan") == {1: "lone crosses"}
    table: pd.DataFrame = at.dataframe[0].value
    assert "lone crosses" in table["cluster"].tolist()
    assert any("HDBSCAN worked on the whole vectors" in each.value for each in at.caption)
    at.selectbox(key="colour").select("cluster, HDBSCAN").run()
    assert "lone crosses" in [item["name"] for item in shown(at, MAP)["legend"]["items"]]


@pytest.mark.parametrize(
    ("clustering", "images", "dim", "said"),
    [
        ("kmeans", 20_000, 64, "k-means worked on the whole vectors of all images."),
        ("hdbscan", 10_000, 15, "HDBSCAN worked on the whole vectors of all images."),
        ("hdbscan", 20_000, 64, "HDBSCAN worked on the first 15 principal components of the 64 "
         "numbers of a vector, of 10,000 images drawn at random of 20,000; the others joined the "
         "cluster of the nearest of these."),
    ],
)  # fmt: skip
def test_it_is_said_what_a_clustering_worked_on(
    clustering: str, images: int, dim: int, said: str
) -> None:
    assert cluster_table.how(clustering, images, dim) == said


def test_the_autoencoder_shows_its_reconstructions(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown
) -> None:
    at = open_page(
        "embeddings", workspace="shapes", embedding="autoencoder", about="How it was made"
    )
    assert not at.exception
    tiles = shown(at, "embeddings_reconstructions")["tiles"]
    assert [tile["title"] for tile in tiles[:2]] == ["image", "rebuilt"]
    assert len(tiles) == 16


def test_a_twin_network_tells_how_it_does_on_classes_that_it_never_saw(
    cache_folder: Path, open_page: Open
) -> None:
    make_workspace(
        cache_folder, "twins", embeddings={"siamese": {"kind": "siamese", "spread": 1.0}}
    )
    at = open_page("embeddings", workspace="twins", about="How it was made")
    assert not at.exception
    _, pairs, seen, unseen = (each.value for each in at.table)
    assert list(pairs.index) == ["test", "test, classes never seen"]
    for table, share in ((seen, 0.91), (unseen, 0.71)):
        assert table.shape == (2, 2)
        told = table.to_numpy().ravel()
        assert all(each.startswith(number.percent(share)) for each in told)
    assert any("Of classes never seen: cross**; 10 test images" in each.value
               for each in at.markdown)  # fmt: skip
    assert any(f"chance is {number.percent(1 / 3)}." in each.value for each in at.markdown)


def test_a_map_of_three_dimensions_can_be_turned(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("embeddings", workspace="shapes", embedding="pixels")
    assert [tab.label for tab in at.tabs] == ["Clusters", "How it was made"]
    asked = {"workspace": "shapes", "embedding": "autoencoder", "about": "In three dimensions"}
    at = open_page("embeddings", **asked)
    assert not at.exception
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert {trace["type"] for trace in figure["data"]} == {"scatter3d"}
    assert [trace["name"] for trace in figure["data"]] == ["circle", "cross", "square"]
    assert any("150 images" in caption.value for caption in at.caption)


def test_what_is_not_picked_is_faint_in_three_dimensions() -> None:
    kinds = Colouring(
        np.array([0, 1, 1]), ["#000000", "#ff0000"], [Entry(0, "a", 1), Entry(1, "b", 2)]
    )
    bright = np.array([True, True, False])
    drawn = space.figure(np.zeros((3, 3), np.float32), kinds, bright, "label")
    assert [(trace.name, len(trace.x), trace.showlegend) for trace in drawn.data] == [
        ("a", 1, True),
        ("b", 1, True),
        ("b", 1, False),
    ]
    assert drawn.data[2].marker.opacity < drawn.data[1].marker.opacity


def test_the_map_of_three_dimensions_takes_the_same_colours(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    asked = {"workspace": "shapes", "embedding": "autoencoder", "about": "In three dimensions"}
    at = open_page("embeddings", colour="right or wrong", **asked)
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    looks = [(trace["name"], trace["marker"]["symbol"]) for trace in figure["data"]]
    assert looks == [("right", "circle"), ("wrong", "diamond")]
    at = open_page("embeddings", colour="trustworthiness, UMAP", **asked)
    (measured, unknown) = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert measured["marker"]["colorbar"]["title"]["text"] == "trustworthiness, UMAP"
    assert unknown["name"] == "not measured"


def test_the_errors_page_picks_a_cell_on_the_map(
    embedding: Embedding, open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes", true="cross", answer="all")
    at.button(key="errors_map").click().run()
    assert at.title[0].value == "Embeddings"
    answers = embedding.run.predictions()
    wanted = (answers["split"] == "test") & (answers["label"] == "cross")
    assert bits(shown(at, MAP), 150).tolist() == wanted.tolist()


@pytest.mark.parametrize("page", ["embeddings", "similarity", "retrieval", "labels", "sheet"])
def test_random_weights_are_told_wherever_the_embedding_is_named(
    cache_folder: Path, open_page: Open, page: str
) -> None:
    guess = {"kind": "backbone", "spread": 1.0, "random": True}
    workspace = make_workspace(
        cache_folder, "odd", embeddings={"guess": guess}, issues={"head": "guess"}
    )
    image = workspace.samples()["sample_id"][40]
    more = {"picked": f"near~guess~~{image}"} if page == "embeddings" else {}
    at = open_page(page, workspace="odd", image=image, **more)
    assert not at.exception
    said = [each.value for each in [*at.subheader, *at.markdown, *at.caption]]
    said += [json.loads(each.proto.json or each.proto.mixed.json).get("label", "")
             for each in at.get("bidi_component")]  # fmt: skip
    named = re.findall(r"\bguess\b( \(random weights\))?", "\n".join(said).replace("\\", ""))
    assert named
    assert all(named)


@pytest.mark.parametrize("page", ["embeddings", "similarity", "retrieval"])
def test_a_run_without_embeddings_says_what_to_do(
    workspaces: dict[str, Workspace], open_page: Open, page: str
) -> None:
    at = open_page(page, workspace="shapes", run="wide")
    assert not at.exception
    assert any("This run has no embeddings" in each.value for each in at.markdown)


@pytest.mark.parametrize("page", ["embeddings", "similarity", "retrieval"])
def test_an_unknown_embedding_says_which_there_are(
    workspaces: dict[str, Workspace], open_page: Open, page: str
) -> None:
    at = open_page(page, workspace="shapes", embedding="nothing")
    assert not at.exception
    assert any("penultimate, pixels, autoencoder" in each.value for each in at.text)


@pytest.mark.parametrize("until", [None, "vectors", "neighbours"])
@pytest.mark.parametrize("page", ["embeddings", "similarity", "retrieval"])
def test_what_is_not_made_yet_says_what_to_run(
    cache_folder: Any, open_page: Open, page: str, until: str | None
) -> None:
    make_workspace(
        cache_folder,
        "half",
        embeddings={"pixels": {"kind": "pixels", "spread": 1.0, "until": until}},
    )
    at = open_page(page, workspace="half")
    assert not at.exception
    if page == "similarity" and until == "neighbours":
        assert at.subheader
    else:
        assert any("python -m pipelines run half" in each.value for each in at.code)
