from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pipelines.errors import RecipeError
from pipelines.models import MODELS, SMALLEST, build, mistakes
from pipelines.models.compact import widths


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("hits_cnn", (21, 21, 1), 8_112),
        ("hits_deep", (21, 21, 1), 253_954),
        ("simple_cnn", (150, 150, 3), 7_095_329),
        ("simple_cnn_224", (224, 224, 3), 1_589_281),
    ],
)
def test_a_published_model_has_the_published_number_of_parameters(name, shape, parameters):
    assert build(name, shape, 2).count_params() == parameters


@pytest.mark.parametrize("name", sorted(MODELS))
def test_probabilities_of_the_smallest_image_sum_to_one(name):
    side = SMALLEST[name]
    model = build(name, (side, side, 2), 4)
    images = np.random.default_rng(0).random((3, side, side, 2), dtype=np.float32)
    probabilities = np.asarray(model(images))
    assert probabilities.shape == (3, 4)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert probabilities.min() >= 0


@pytest.mark.parametrize("name", sorted(name for name, side in SMALLEST.items() if side > 1))
def test_one_pixel_less_than_the_smallest_is_refused_as_it_must_be(name):
    side = SMALLEST[name] - 1
    if name != "compact_cnn":
        with pytest.raises(ValueError, match=r"negative|dimension|size"):
            MODELS[name]((side, side, 1), 2)
    with pytest.raises(RecipeError, match=f"Use at least {side + 1}x{side + 1}"):
        build(name, (side, 200, 1), 2)


@pytest.mark.parametrize("name", ["simple_cnn", "simple_cnn_224"])
def test_a_binary_simple_model_ends_in_one_sigmoid(name):
    model = build(name, (150, 150, 1), 2)
    assert model.output_shape == (None, 1)
    last = model.layers[-1]
    assert last.get_config()["activation"] == "sigmoid"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_graph_is_flat_and_its_penultimate_layer_has_a_name(name):
    from keras import Model, layers

    model = build(name, (150, 150, 3), 3)
    assert isinstance(model.layers[0], layers.InputLayer)
    assert not any(isinstance(layer, (Model, layers.Lambda)) for layer in model.layers)
    tap = Model(model.input, model.get_layer("penultimate").output)
    assert tap(np.zeros((1, 150, 150, 3), np.float32)).shape[0] == 1


@pytest.mark.parametrize("side", [8, 9, 21, 28, 64, 65, 150, 224, 300])
def test_compact_cnn_ends_on_a_map_of_four_to_nine_pixels(side):
    model = build("compact_cnn", (side, side, 3), 3)
    height, width = model.get_layer("penultimate").input.shape[1:3]
    assert 4 <= height == width <= 9
    assert max(widths(side)) <= 128


def test_compact_cnn_takes_an_elongated_image():
    assert build("compact_cnn", (8, 300, 1), 2).output_shape == (None, 2)


@pytest.mark.slow
def test_compact_cnn_learns_the_digits_in_seconds():
    import keras
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    fit, test = train_test_split(
        np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=0
    )
    keras.utils.set_random_seed(0)
    model = build("compact_cnn", (8, 8, 1), 10)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[fit], labels[fit], epochs=8, batch_size=32, verbose=0)
    predicted = model.predict(images[test], verbose=0).argmax(axis=1)
    assert (predicted == labels[test]).mean() >= 0.97


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(RecipeError, match=r"Received: model=resnet\. Choose one of compact_cnn, "):
        build("resnet", (21, 21, 1), 2)


def test_all_mistakes_are_told_at_once():
    found = mistakes("simple_cnn", (21, 21, 0), 1)
    assert len(found) == 3
    assert "Received: 21x21 pixels. Use at least 78x78, or choose one of compact_cnn" in found[0]
    assert "Received: 0 channels" in found[1]
    assert "Received: 1." in found[2]


def test_importing_the_models_does_not_import_tensorflow():
    code = (
        "import sys, pipelines.models; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
