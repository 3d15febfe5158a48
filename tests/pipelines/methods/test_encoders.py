"""Encoders: an original file gets the vector that its sample got."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache import Run, open_workspace
from cache.embeddings import open_embedding
from cache.errors import EmbeddingNotFoundError, MissingArtefactError
from pipelines.errors import RecipeError, StageError
from pipelines.methods import backbones
from pipelines.methods.encoders import Encoder, input_path, open_encoder
from pipelines.methods.feeding import open_inputs
from pipelines.methods.reading import as_sample, read_file
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe
from tests.pipelines.methods.stamps import stamps
from tests.reports import Silent

SMALL = {"epochs": 1, "batch_size": 16, "dim": 4}
EMBEDDINGS: dict[str, Any] = {
    "penultimate": None,
    "layer:pool": None,
    "pixels": {"dim": 8},
    "autoencoder": SMALL,
    "siamese": {**SMALL, "steps": 2},
    "vgg16-max": {"weights": "none", "batch_size": 16},
}


def embedded(folder: Path, colour: bool, embeddings: dict[str, Any]) -> Run:
    """Files of mixed shape, and the embeddings of them."""
    images, labels = stamps(90, side=16, channels=3 if colour else 1)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        cut = image[: 16 - index % 4, : 16 - index % 3]
        place = folder / "images" / "abc"[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cut if colour else cut[..., 0]).save(place / f"{index}.png")
    recipe = Recipe.model_validate(
        {
            "name": "stamps",
            "dataset": {"source": "folder", "root": str(folder / "images")},
            "runs": {
                "cnn": {
                    "model": "hits_cnn",
                    "epochs": 1,
                    "image": {"size": [12, 14]},
                    "embeddings": embeddings,
                }
            },
        }
    )
    for stage in ("samples", "inputs", "train", "vectors"):
        run_recipe(
            recipe, Silent(), command="make it", reference="t", only=stage, root=folder / "cache"
        )
    return open_workspace("stamps", folder / "cache").run("cnn")


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.BACKBONES, "VGG16", backbones.Backbone("vgg16", 32))
        yield embedded(tmp_path_factory.mktemp("grey"), False, EMBEDDINGS)


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen = {"penultimate": None, "pixels": {"dim": 8}}
    return embedded(tmp_path_factory.mktemp("colour"), True, chosen)


def original(run: Run, row: int) -> np.ndarray:
    samples, dataset = run.workspace.samples(), run.workspace.dataset
    assert dataset.root is not None
    return as_sample(read_file(Path(dataset.root) / samples["path"].iloc[row]), dataset)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("grey", name) for name in EMBEDDINGS] + [("colour", "penultimate"), ("colour", "pixels")],
)
def test_an_original_file_gets_its_samples_vector(
    request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    run: Run = request.getfixturevalue(kind)
    encoder = open_encoder(run, name)
    there = open_embedding(run, name)
    vectors = there.vectors()
    document = there.document("vectors")
    assert vectors.shape == (90, encoder.dim)
    assert vectors.dtype == np.float32
    assert (document["name"], document["dim"]) == (name, encoder.dim)
    assert document["random"] is (name == "vgg16-max")
    assert document["about"].endswith(".")
    assert document["ms_per_image"] > 0
    rows = [0, 7, 89]
    prepared = np.stack([encoder.prepare(original(run, row)) for row in rows])
    assert prepared.dtype == np.float32
    assert prepared.shape[1:] == encoder.shape
    tolerance = 1e-4 * max(1.0, float(np.abs(vectors).max()))
    assert encoder(prepared) == pytest.approx(vectors[rows], abs=tolerance)
    alone = encoder(prepared[:1])
    assert alone == pytest.approx(vectors[:1], abs=tolerance)
    assert vectors.std(axis=0).max() > 1e-6


def test_what_the_kinds_tell_of_themselves(grey: Run) -> None:
    told = {name: open_embedding(grey, name).document("vectors") for name in EMBEDDINGS}
    assert told["siamese"]["siamese"]["model"] == "hits_cnn"
    assert told["siamese"]["siamese"]["pairs"]["test"]["n"] > 0
    assert told["autoencoder"]["reconstruction"]["test"] > 0
    train = told["autoencoder"]["reconstruction"]["n"]["train"]
    assert told["pixels"]["pixels"]["fitted_on"] == train
    assert told["vgg16-max"]["weights"] is None
    assert told["vgg16-max"]["settings"] == {
        "kind": "backbone",
        "backbone": "VGG16",
        "pooling": "max",
        "weights": "none",
        "channels": None,
        "batch_size": 16,
    }
    assert "index" not in told["penultimate"]["settings"]


def test_positions_of_a_layer_are_averaged(grey: Run) -> None:
    import keras

    model = keras.models.load_model(grey.artefact("train").path("model.keras"), compile=False)
    tap = keras.Model(model.inputs[0], model.get_layer("pool").output)
    maps = np.asarray(tap(open_inputs(grey.workspace, "cnn").batch(np.arange(90))))
    assert maps.ndim == 4
    vectors = open_embedding(grey, "layer:pool").vectors()
    assert vectors == pytest.approx(maps.mean(axis=(1, 2)), abs=1e-5)


def test_the_path_is_that_of_the_inputs(grey: Run) -> None:
    shape, prepare = input_path(grey)
    inputs = open_inputs(grey.workspace, "cnn")
    assert shape == inputs.shape
    for row in (3, 20):
        assert (prepare(original(grey, row)) == inputs.batch(np.array([row]))[0]).all()


def test_an_unknown_layer_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises((RecipeError, StageError), match=r"layer=conv9.*conv, pool, flatten"):
        embedded(tmp_path, False, {"layer:conv9": None})


def test_an_embedding_that_is_not_there_is_named(grey: Run, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingNotFoundError, match="no embedding 'other'"):
        open_encoder(grey, "other")
    moved = grey.workspace.artefact("vectors", "cnn", "embeddings/pixels").folder
    beside = moved.with_name("elsewhere")
    moved.rename(beside)
    try:
        with pytest.raises(MissingArtefactError, match="Make it: make it"):
            open_encoder(grey, "pixels")
    finally:
        beside.rename(moved)


def test_images_of_another_shape_are_refused() -> None:
    encoder = Encoder("small", 1, (2, 2, 1), lambda images: images.mean(axis=(1, 2)), np.asarray)
    assert encoder(np.ones((3, 2, 2, 1), np.float32)).shape == (3, 1)
    for shape in ((3, 2, 1), (1, 2, 3, 1), (0, 2, 2, 1)):
        with pytest.raises(ValueError, match=r"'small' reads images of shape \(2, 2, 1\)"):
            encoder(np.ones(shape, np.float32))
