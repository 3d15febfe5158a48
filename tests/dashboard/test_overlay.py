"""Maps over pictures, wherever one is open large: those of the cache, and those computed now."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Run, Workspace
from cache.artefact import Manifest, staging, write_json
from cache.occlusion import open_occlusion
from cache.store import DOCUMENT
from cache.tables import write_table
from dashboard import live, overlay
from dashboard.images import pixels
from tests.dashboard.conftest import SIDE, Fire, Shown

Open = Callable[..., AppTest]

VIEWERS = {
    "dataset": "dataset_viewer",
    "errors": "errors_viewer",
    "labels": "labels_viewer",
    "similarity": "similarity_query",
}
STRIDE = 2
ROWS = SIDE // STRIDE


@pytest.fixture
def run(workspaces: dict[str, Workspace]) -> Run:
    """The run ``plain`` of ``shapes`` with maps of its test images, patch 3, stride 2."""
    workspace = workspaces["shapes"]
    document = workspace.document
    document["recipe"]["runs"]["plain"]["occlusion"] = {"three": {"patch": 3, "stride": STRIDE}}
    write_json(workspace.folder / DOCUMENT, document)
    run = workspace.run("plain")
    table = run.predictions()
    rows = np.flatnonzero(table["split"] == "test").astype(np.int32)
    answers = table.iloc[rows].reset_index(drop=True)
    mapped = answers[["sample_id", "split", "label", "predicted"]].assign(
        row=rows, clean=answers["confidence"]
    )
    classes = workspace.dataset.classes
    maps = np.random.default_rng(0).random((len(rows), ROWS * ROWS * len(classes)))
    shape = [ROWS, ROWS, len(classes)]
    told = {"patch": 3, "stride": STRIDE, "fill": 0.0, "shape": shape}
    made_of = {
        f"runs/plain/{stage}": run.artefact(stage).manifest.digest
        for stage in ("train", "predictions")
    }
    with staging(open_occlusion(run, "three").artefact("exact").folder) as place:
        np.save(place.folder / "maps.npy", maps.astype(np.float32))
        write_table(mapped, place.folder / "mapped.parquet", "mapped", classes)
        write_json(place.folder / "exact.json", told)
        place.commit(Manifest("exact", "f", "f", 1, {}, made_of, len(rows), 1.0, {}, "2026-01-01"))
    return run


@pytest.fixture
def model(run: Run) -> Any:
    """A real model in place of the run's, weights at random."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = layers.Input((SIDE, SIDE, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.save(run.artefact("train").path("model.keras"))
    told = {"channels": ["grey"], "size": [SIDE, SIDE]}
    write_json(run.artefact("inputs").path("inputs.json"), told)
    return model


def of_split(run: Run, split: str) -> pd.Series:
    answers = run.predictions()
    return answers[answers["split"] == split].iloc[3]


def values(laid: dict[str, Any]) -> np.ndarray:
    flat = np.frombuffer(base64.b64decode(laid["panels"][0]["values"]), "<f4")
    return flat.reshape(laid["rows"], laid["columns"])


def said(at: AppTest) -> str:
    return " ".join(each.value for each in at.caption)


@pytest.mark.parametrize("page", list(VIEWERS))
def test_a_large_picture_shows_the_map_of_its_predicted_class(
    run: Run, open_page: Open, shown: Shown, page: str
) -> None:
    sample = of_split(run, "test")
    asked = {"workspace": "shapes", "image": str(sample["sample_id"])}
    at = open_page(page, **asked)
    assert shown(at, VIEWERS[page])["overlay"] is None
    at.toggle(key="looks").set_value(True).run()
    assert not at.exception
    laid = shown(at, VIEWERS[page])["overlay"]
    occlusion = open_occlusion(run, "three")
    place = occlusion.mapped()["sample_id"].tolist().index(sample["sample_id"])
    classes = run.workspace.dataset.classes
    of = classes.index(sample["predicted"])
    np.testing.assert_array_equal(values(laid), occlusion.maps()[place, :, :, of])
    assert (laid["patch"], laid["stride"], laid["image_width"]) == (3, STRIDE, SIDE)
    assert laid["clean"] == pytest.approx(float(sample["confidence"]))
    assert laid["says"] == f"Probability of {sample['predicted']} with the patch there"
    scale = laid["scales"]["probability"]
    assert scale["low"] == pytest.approx(min(values(laid).min(), laid["clean"]))
    assert "from the maps three of the cache" in said(at)
    at = open_page(page, **asked, looks="true")
    assert shown(at, VIEWERS[page])["overlay"] == laid, "a link opens with the map on"


def test_the_map_stays_on_from_image_to_image_and_page_to_page(
    run: Run, open_page: Open, fire: Fire, shown: Shown
) -> None:
    first = str(of_split(run, "test")["sample_id"])
    at = open_page("errors", workspace="shapes", image=first, answer="all", looks="true")
    before = shown(at, VIEWERS["errors"])["overlay"]
    at = fire(at, VIEWERS["errors"], {"n": 1, "action": "next"})
    assert at.query_params["image"] != [first]
    after = shown(at, VIEWERS["errors"])["overlay"]
    assert after is not None and after != before
    next(each for each in at.button if each.label == "Show on the dataset page").click().run()
    assert at.title[0].value == "Dataset"
    assert shown(at, VIEWERS["dataset"])["overlay"] == after


def test_a_map_of_another_training_is_none(run: Run) -> None:
    sample_id = str(of_split(run, "test")["sample_id"])
    assert overlay.kept(run, sample_id) is not None
    assert overlay.kept(run, str(of_split(run, "train")["sample_id"])) is None
    for stage in ("predictions", "train"):
        path = run.artefact(stage).folder / "manifest.json"
        manifest = path.read_text(encoding="utf-8")
        path.write_text(json.dumps(json.loads(manifest) | {"digest": "made anew"}))
        assert overlay.kept(run, sample_id) is None
        path.write_text(manifest)
    assert overlay.kept(run, sample_id) is not None


def test_a_map_that_the_cache_lacks_is_computed(
    run: Run, model: Any, open_page: Open, shown: Shown
) -> None:
    sample_id = str(of_split(run, "train")["sample_id"])
    at = open_page("dataset", workspace="shapes", image=sample_id, looks="true")
    assert not at.exception
    laid = shown(at, VIEWERS["dataset"])["overlay"]
    image = live.to_input(run, pixels(run.workspace, sample_id))
    of = int(model(image[None]).numpy()[0].argmax())
    for row, column in ((0, 0), (3, 5), (7, 7)):
        copy = image.copy()
        copy[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
        expected = model(copy[None]).numpy()[0, of]
        assert values(laid)[row, column] == pytest.approx(expected, abs=1e-5)
    assert "Exact, 64 positions in" in said(at)


def test_a_map_of_a_large_image_is_computed_when_asked_for(
    run: Run, model: Any, open_page: Open, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "LARGEST", SIDE - 1)
    asked = {"workspace": "shapes", "image": str(of_split(run, "train")["sample_id"])}
    at = open_page("dataset", **asked, looks="true")
    assert shown(at, VIEWERS["dataset"])["overlay"] is None
    assert "The cache has no map of this image" in said(at)
    at.button(key=overlay.COMPUTE).click().run()
    assert not at.exception
    laid = shown(at, VIEWERS["dataset"])["overlay"]
    assert values(laid).shape == (SIDE, SIDE) and "Exact, 64 positions in" in said(at)
    at = open_page("sheet", **asked)
    next(each for each in at.button if each.label == "Compute the map").click().run()
    assert not at.exception
    np.testing.assert_allclose(values(shown(at, "sheet_Map")["overlay"]), values(laid), atol=1e-6)


def test_an_image_that_the_filters_leave_out_has_no_place(
    run: Run, open_page: Open, shown: Shown
) -> None:
    answers = run.predictions()
    test = answers[answers["split"] == "test"]
    for correct in (False, True):
        sample_id = str(test[test["correct"] == correct]["sample_id"].iloc[0])
        at = open_page("errors", workspace="shapes", image=sample_id)
        assert shown(at, VIEWERS["errors"])["listed"] is not correct
        assert ("The filters leave this image out" in said(at)) is correct
