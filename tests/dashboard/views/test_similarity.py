from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.embeddings import Embedding, open_embedding
from dashboard import live, uploads
from dashboard.points import open_map
from tests.dashboard.conftest import Fire, Shown, parameter

Open = Callable[..., AppTest]

WALL = "similarity_wall_0"


@pytest.fixture
def embedding(workspaces: dict[str, Workspace]) -> Embedding:
    return open_embedding(workspaces["shapes"].run("plain"), "penultimate")


def ids(embedding: Embedding) -> list[str]:
    return list(embedding.run.workspace.samples()["sample_id"])


def wall(shown: Shown, at: AppTest, key: str = WALL) -> list[str]:
    return [tile["id"] for tile in shown(at, key)["tiles"]]


def test_the_wall_shows_the_neighbours_in_order(
    embedding: Embedding, open_page: Open, shown: Shown
) -> None:
    names, samples = ids(embedding), embedding.run.workspace.samples()
    at = open_page("similarity", workspace="shapes", image=names[120])
    near = embedding.neighbours().positions[120, :25]
    assert wall(shown, at) == [names[place] for place in near]
    tiles = shown(at, WALL)["tiles"]
    matches = (samples["label"].iloc[near] == samples["label"].iloc[120]).tolist()
    assert [tile["mark"] == "match" for tile in tiles] == matches
    assert [tile["title"] for tile in tiles[:3]] == ["1.", "2.", "3."]
    label = samples["label"].iloc[120]
    assert at.subheader[0].value.startswith(
        f"{sum(matches)} of the 25 images nearest to this {label} in penultimate bear its label"
    )
    assert names[120] not in wall(shown, at)


def test_a_click_makes_a_neighbour_the_query(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    names = ids(embedding)
    at = open_page("similarity", workspace="shapes", image=names[120])
    near = int(embedding.neighbours().positions[120, 2])
    fire(at, WALL, {"n": 1, "added": [], "removed": [], "opened": names[near]})
    assert parameter(at, "image") == names[near]
    wanted = embedding.neighbours().positions[near, :25]
    assert wall(shown, at) == [names[place] for place in wanted]


def test_arrows_walk_through_the_queries(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    names = ids(embedding)
    at = open_page("similarity", workspace="shapes")
    assert shown(at, "similarity_query")["index"] == 0
    fire(at, "similarity_query", {"n": 1, "action": "next"})
    test = np.flatnonzero(embedding.run.workspace.samples()["split"] == "test")
    assert parameter(at, "image") == names[test[1]]
    at.selectbox(key="queries").select("mistakes of test").run()
    answers = embedding.run.predictions()
    wrong = int((~answers["correct"] & (answers["split"] == "test")).sum())
    # The query stands before those that are walked through, unless it is one of them.
    assert shown(at, "similarity_query")["total"] in (wrong, wrong + 1)
    at.button(key="similarity_random").click().run()
    assert parameter(at, "image") in set(
        answers["sample_id"][~answers["correct"] & (answers["split"] == "test")]
    )


def test_filters_leave_only_what_passes(
    embedding: Embedding, open_page: Open, shown: Shown
) -> None:
    names, samples = ids(embedding), embedding.run.workspace.samples().set_index("sample_id")
    at = open_page(
        "similarity",
        workspace="shapes",
        image=names[0],
        among="train",
        of_class="square",
        clean="true",
        k="10",
    )
    found = samples.loc[wall(shown, at)]
    assert len(found) == 10
    assert (found["split"] == "train").all()
    assert (found["label"] == "square").all()
    assert names[1] not in found.index


def test_several_embeddings_stand_in_columns_with_their_agreement(
    embedding: Embedding, open_page: Open, shown: Shown
) -> None:
    names = ids(embedding)
    at = open_page("similarity", workspace="shapes", image=names[9])
    at.multiselect(key="with").set_value(["pixels", "autoencoder"]).run()
    first, second = wall(shown, at), wall(shown, at, "similarity_wall_1")
    other = open_embedding(embedding.run, "pixels").neighbours().positions[9, :25]
    assert second == [names[place] for place in other]
    assert len(wall(shown, at, "similarity_wall_2")) == 25
    common = len(set(first) & set(second))
    assert any(
        f"penultimate and pixels share **{common} of 25**" in each.value for each in at.markdown
    )


def test_the_result_is_picked_on_the_map(
    embedding: Embedding, open_page: Open, shown: Shown
) -> None:
    names = ids(embedding)
    at = open_page("similarity", workspace="shapes", image=names[9], k="10")
    wanted = [names[9], *wall(shown, at)]
    at.button(key="similarity_map").click().run()
    assert at.title[0].value == "Embeddings"
    assert [tile["id"] for tile in shown(at, "embeddings_gallery")["tiles"]] == wanted


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, np.ndarray]]:
    """What the encoder was asked: embedding and image. An image with the corner p gets the vector
    of the sample p."""
    calls: list[tuple[str, np.ndarray]] = []

    def embed(of: Embedding, images: Sequence[np.ndarray]) -> np.ndarray:
        calls.extend((of.name, image) for image in images)
        return np.asarray(of.vectors()[[int(image[0, 0, 0]) for image in images]])

    monkeypatch.setattr(live, "embed", embed)
    return calls


def png(corner: int) -> tuple[np.ndarray, bytes]:
    """A random picture and its file."""
    picture = np.random.default_rng(5).integers(0, 256, (8, 8), dtype=np.uint8)
    picture[0, 0] = corner
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return picture, buffer.getvalue()


def test_an_upload_gets_neighbours_and_a_place_on_the_map(
    embedding: Embedding, open_page: Open, shown: Shown, asked: list[tuple[str, np.ndarray]]
) -> None:
    picture, file = png(33)
    at = open_page("similarity", workspace="shapes", image=ids(embedding)[4])
    field = at.file_uploader[0]
    field.upload("one.png", file, "image/png")
    field.upload("no.png", b"words", "image/png").run()
    assert not at.exception
    assert any("no.png was not taken: its content is text" in each.value for each in at.text)
    assert (asked[0][1][..., 0] == picture).all()
    assert wall(shown, at)[0] == ids(embedding)[33]
    assert [tile["mark"] for tile in shown(at, WALL)["tiles"]] == [None] * 25
    assert "nearest to this upload" in at.subheader[0].value
    labels = embedding.run.workspace.samples()["label"]
    near = labels.iloc[[33, *embedding.neighbours().positions[33, :24]]].value_counts()
    by_chance = (labels == near.index[0]).mean() * 25
    assert f"{near.index[0]}; by chance {by_chance:.1f} would be" in at.subheader[0].value
    assert "image" not in at.query_params
    at.button(key="similarity_map").click().run()
    (mark,) = shown(at, "embeddings_map")["marks"]
    assert mark["name"] == "one.png"
    at.switch_page("views/similarity.py").run()
    at.button(key="similarity_forget").click().run()
    assert "nearest to this upload" not in at.subheader[0].value


def test_all_uploads_stand_on_the_map_of_any_embedding(
    embedding: Embedding, open_page: Open, shown: Shown, asked: list[tuple[str, np.ndarray]]
) -> None:
    at = open_page("similarity", workspace="shapes")
    field = at.file_uploader[0]
    field.upload("one.png", png(33)[1], "image/png")
    field.upload("two.png", png(77)[1], "image/png").run()
    at.button(key="similarity_map").click().run()

    def marks() -> list[tuple[str, float, float]]:
        found = shown(at, "embeddings_map")["marks"]
        return [(mark["name"], mark["x"], mark["y"]) for mark in found]

    def places(name: str) -> list[tuple[str, float, float]]:
        of = open_map(open_embedding(embedding.run, name), "umap").places
        both = zip(("one.png", "two.png"), (33, 77), strict=True)
        return [(each, *map(pytest.approx, of[row].tolist())) for each, row in both]

    assert marks() == places("penultimate")
    # The upload itself is none of the images that are picked.
    assert any("25 of 150 images**, of two\\.png the nearest in penultimate" in each.value
               for each in at.markdown)  # fmt: skip
    assert any("The 2 rings with names are your uploads" in each.value for each in at.caption)
    # The next run of the tests would be one of the page that the callback left.
    at.switch_page("views/embeddings.py").run()
    at.selectbox(key="embedding").select("pixels").run()
    assert marks() == places("pixels")
    at.selectbox(key="embedding").select("penultimate").run()
    assert marks() == places("penultimate")
    assert sorted(name for name, _ in asked) == ["penultimate"] * 2 + ["pixels"] * 2


def test_what_a_further_upload_displaces_is_told(
    embedding: Embedding,
    open_page: Open,
    shown: Shown,
    asked: list[tuple[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "MOST_IMAGES", 2)
    at = open_page("similarity", workspace="shapes")
    at.file_uploader[0].upload("one.png", png(1)[1], "image/png")
    at.file_uploader[0].upload("two.png", png(2)[1], "image/png").run()
    assert not any("forgotten" in each.value for each in at.text)
    # The first one again: it is not the oldest any more.
    at.file_uploader[0].upload("one.png", png(1)[1], "image/png")
    at.file_uploader[0].upload("three.png", png(3)[1], "image/png").run()
    assert "two.png was forgotten: the newest 2 are kept." in [each.value for each in at.text]
    tiles = shown(at, "similarity_uploads_gallery")["tiles"]
    assert [tile["lines"] for tile in tiles] == [["one.png"], ["three.png"]]


def test_several_channels_take_no_upload_and_say_why(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("similarity", workspace="stamps")
    assert not at.exception
    assert not at.file_uploader
    assert any("2 channels" in each.value for each in at.caption)
    assert any("Simulated data." in each.value for each in at.caption)


def test_an_image_that_is_not_there_is_told(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("similarity", workspace="shapes", image="0" * 16 + "x")
    assert not at.exception
    assert any("No such image" in each.value for each in at.markdown)


@pytest.mark.parametrize("page", ["errors", "dataset"])
def test_every_gallery_leads_to_similar_images(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown, page: str
) -> None:
    parameters = {"tab": "Images", "grid": "one list"} if page == "dataset" else {}
    at = open_page(page, workspace="shapes", **parameters)
    key = "errors_gallery" if page == "errors" else "dataset_list"
    data = shown(at, key)
    assert data["searchable"]
    wanted = data["tiles"][1]["id"]
    fire(at, key, {"n": 1, "added": [], "removed": [], "similar": wanted})
    assert at.title[0].value == "Similarity"
    assert parameter(at, "image") == wanted


def test_no_way_to_similar_images_without_neighbours(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes", run="wide")
    assert not shown(at, "errors_gallery")["searchable"]
