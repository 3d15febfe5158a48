"""Backbones: their own preprocessing, pooling and weights, and what is said where these fail."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from pipelines.errors import RecipeError, StageError
from pipelines.methods import backbones
from pipelines.methods.backbones import BACKBONES, Backbone
from pipelines.methods.encoders import compiled
from pipelines.recipe import embedding as recipe

WHERE = "runs.cnn.embeddings.net"
SMALL = "MobileNetV2"


def dataset(*channels: str, views: tuple[str, ...] = ("image",)) -> Any:
    return SimpleNamespace(channels=channels, views=views)


def test_every_backbone_of_the_recipe_is_known() -> None:
    assert set(get_args(recipe.Backbone)) == set(BACKBONES)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_each_is_in_keras_with_the_size_it_was_trained_on(name: str) -> None:
    import inspect

    import keras

    module = getattr(keras.applications, BACKBONES[name].module)
    assert module.preprocess_input
    assert "pooling" in inspect.signature(getattr(module, name)).parameters
    # Keras writes the default size of each into its documentation.
    size = f"({BACKBONES[name].side}, {BACKBONES[name].side}, 3)"
    documented = inspect.getdoc(getattr(module, name)) or ""
    assert size in documented or name.startswith("EfficientNet")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        # Mistake B33: grey 128 is (.07, .21, .43) for DenseNet, BGR less a mean for ResNet50.
        ("DenseNet121", [0.07, 0.21, 0.43]),
        ("ResNet50", [128 - 103.939, 128 - 116.779, 128 - 123.68]),
        ("VGG16", [128 - 103.939, 128 - 116.779, 128 - 123.68]),
        ("Xception", [0.004, 0.004, 0.004]),
        ("InceptionV3", [0.004, 0.004, 0.004]),
        ("EfficientNetB0", [128, 128, 128]),
    ],
)
def test_grey_is_what_the_backbone_was_trained_to_see(name: str, wanted: list[float]) -> None:
    images = np.full((1, 2, 2, 3), 128 / 255, np.float32)
    seen = np.asarray(backbones.preprocessing(name)(images))
    assert seen[0, 0, 0] == pytest.approx(wanted, abs=0.01)
    assert (images == np.float32(128 / 255)).all()


def test_red_is_not_blue() -> None:
    red = np.zeros((1, 1, 1, 3), np.float32)
    red[..., 0] = 1
    (resnet,) = np.asarray(backbones.preprocessing("ResNet50")(red)).reshape(-1, 3)
    assert resnet.argmax() == 2  # blue, green, red
    (densenet,) = np.asarray(backbones.preprocessing("DenseNet121")(red)).reshape(-1, 3)
    assert densenet.argmax() == 0


@pytest.mark.parametrize(
    ("there", "names", "taken"),
    [
        (dataset("grey"), None, None),
        (dataset("red", "green", "blue"), None, None),
        (dataset("a", "b", "c", "d", views=("a", "b", "c", "d")), ["d"], (3,)),
        (dataset("a", "b", "c", "d", views=("a", "b", "c", "d")), ("c", "a", "b"), (2, 0, 1)),
    ],
)
def test_channels_that_a_backbone_is_shown(there: Any, names: Any, taken: Any) -> None:
    assert backbones.channels_for(there, names) == taken


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, r"reads pictures.*\['a', 'b'\].*'channels'"),
        (["a", "b"], r"one channel.*or three.*Received: channels=\['a', 'b'\]"),
        (["z"], r"does not have.*\['z'\].*\['a', 'b'\]"),
    ],
)
def test_other_channels_are_refused(names: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        backbones.channels_for(dataset("a", "b", views=("a", "b")), names)


def test_grey_is_repeated() -> None:
    grey = np.random.default_rng(0).random((4, 5, 1))
    assert (backbones.to_rgb(grey) == grey).all()
    assert backbones.to_rgb(grey).shape == (4, 5, 3)
    colour = np.zeros((4, 5, 3))
    assert backbones.to_rgb(colour) is colour


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Images for small networks: real backbones are too slow at their own size."""
    for name in (SMALL, "VGG16"):
        monkeypatch.setitem(BACKBONES, name, Backbone(BACKBONES[name].module, 64))
    return np.random.default_rng(0).random((2, 64, 64, 3)).astype(np.float32)


def test_pooling_and_weights_are_each_their_own(images: np.ndarray, tmp_path: Path) -> None:
    """Mistake B16: "avg" features that are max features, because both share one network."""
    mean, largest = (backbones.make("VGG16", pooling, "none", WHERE) for pooling in ("avg", "max"))
    for one, other in zip(mean.get_weights(), largest.get_weights(), strict=True):
        assert (one == other).all()  # random, but always the same
    vectors = [compiled(model)(images) for model in (mean, largest)]
    assert vectors[0].shape == vectors[1].shape == (2, 512)
    assert (vectors[0] <= vectors[1]).all()
    assert (vectors[0] < vectors[1]).any()
    mean.save_weights(tmp_path / "net.weights.h5")
    again = backbones.rebuild("VGG16", "avg", tmp_path / "net.weights.h5")
    assert (compiled(again)(images) == vectors[0]).all()


def test_weights_from_a_file(images: np.ndarray, tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(9)
    trained = keras.applications.MobileNetV2(weights=None, include_top=True, classes=5)
    path = tmp_path / "mine.weights.h5"
    trained.save_weights(path)
    model = backbones.make(SMALL, "avg", path, WHERE)
    (first, *_) = model.get_weights()
    assert (first == trained.get_weights()[0]).all()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"not there.*net\.weights=.*absent\.h5.*'none'"):
        backbones.make(SMALL, "avg", tmp_path / "absent.h5", WHERE)


def test_weights_of_another_network_are_refused(images: np.ndarray, tmp_path: Path) -> None:
    import keras

    for name, content in (("noise.h5", b"no weights"), ("noise.txt", b"text")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StageError, match=rf"cannot be read from .*{name}.*net\.weights"):
            backbones.make(SMALL, "avg", tmp_path / name, WHERE)
    other = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(StageError, match=r"cannot be read from .*MobileNetV2 without its head"):
        backbones.make(SMALL, "avg", tmp_path / "other.weights.h5", WHERE)


def test_without_a_network_the_file_and_the_option_are_named(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    address = "https://storage.googleapis.com/tensorflow/mobilenet_notop.h5"

    def unreachable(**_: Any) -> None:
        print("Downloading data")
        raise Exception(f"URL fetch failure on {address}: None -- Name or service not known")

    monkeypatch.setattr(keras.applications.mobilenet_v2, SMALL, unreachable)
    with pytest.raises(StageError) as caught:
        backbones.make(SMALL, "avg", "imagenet", WHERE)
    message = str(caught.value)
    assert f"could not download {address} (" in message
    assert f"{WHERE}.weights=PATH" in message
    assert f"{WHERE}.weights=none" in message
