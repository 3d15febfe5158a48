"""Grad-CAM: the published formula, any convolutional layer, and its agreement with occlusion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.methods.backend import load_tensorflow
from pipelines.methods.grad_cam import agreement, last_convolution, layers, open_cam
from pipelines.models import build

load_tensorflow()

SHAPE = (14, 12, 1)


def random(count: int = 3, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def small(n_classes: int = 3, *, end: str = "dense", bias: bool = True) -> Any:
    """Convolution, pooling, average over positions, classes."""
    from keras import Model, layers

    inputs = layers.Input(SHAPE)
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(inputs)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    if end == "dense":
        last = "sigmoid" if n_classes == 1 else "softmax"
        x = layers.Dense(n_classes, activation=last, use_bias=bias, name="end")(x)
    else:
        x = layers.Dense(n_classes, name="scores")(x)
        x = (layers.Softmax() if end == "layer" else layers.Activation("softmax"))(x)
    return Model(inputs, x)


@pytest.mark.parametrize(
    ("end", "bias"), [("dense", True), ("dense", False), ("layer", True), ("activation", True)]
)
def test_with_an_average_over_positions_it_is_the_class_activation_map(end, bias) -> None:
    """Then the weight of a feature map is that of the last layer over the number of positions
    (Selvaraju et al. 2017, section 3)."""
    from keras import Model

    model = small(end=end, bias=bias)
    images = random()
    classes = np.array([[0, 2], [1, 0], [2, 2]])
    found = open_cam(model, "pool")(images, classes)
    features = np.asarray(Model(model.inputs[0], model.get_layer("pool").output)(images))
    kernel = model.get_layer("end" if end == "dense" else "scores").get_weights()[0]
    positions = features.shape[1] * features.shape[2]
    for row in range(3):
        for place, label in enumerate(classes[row]):
            expected = np.maximum(features[row] @ kernel[:, label] / positions, 0)
            assert found.maps[row, place] == pytest.approx(expected, abs=1e-6)
    assert found.maps.dtype == np.float32
    assert found.resized.shape == (3, 2, 14, 12)
    assert found.probabilities == pytest.approx(
        np.take_along_axis(np.asarray(model(images)), classes, axis=1)
    )


def test_the_four_most_probable_classes_come_first() -> None:
    model = small(6)
    found = open_cam(model)(random())
    p = np.asarray(model(random()))
    assert found.classes.tolist() == np.argsort(-p, axis=1)[:, :4].tolist()
    assert (np.diff(found.probabilities) <= 0).all()
    assert open_cam(small(3))(random()).classes.shape == (3, 3)


def test_one_sigmoid_unit_stands_for_two_classes() -> None:
    from keras import Model

    model = small(1)
    images = random()
    found = open_cam(model, "conv")(images, np.tile([0, 1], (3, 1)))
    p = np.asarray(model(images))[:, 0]
    assert found.probabilities == pytest.approx(np.stack([1 - p, p], axis=1), abs=1e-6)
    tap = Model(model.inputs[0], model.get_layer("conv").output)
    assert found.maps.shape[2:] == tap.output.shape[1:3]
    # What speaks for one speaks against the other: no weight has one sign in both.
    assert not np.allclose(found.maps[:, 0], found.maps[:, 1])


def test_the_last_convolution_goes_with_what_follows_at_its_resolution() -> None:
    from pipelines.models.compact import compact_cnn

    assert last_convolution(small()) == "conv"
    deep = compact_cnn((16, 16, 1), 3)
    assert last_convolution(deep) == "block3_conv2_relu"
    from keras import Input, Model
    from keras.layers import Dense, Flatten

    inputs = Input((4, 4, 1))
    assert last_convolution(Model(inputs, Dense(2)(Flatten()(inputs)))) is None


def test_layers_are_those_with_feature_maps() -> None:
    assert layers(small()) == ["conv", "pool"]
    assert layers(build("hits_deep", (21, 21, 1), 2))[0] == "conv1"
    assert "flatten" not in layers(build("hits_deep", (21, 21, 1), 2))


@pytest.mark.parametrize("name", ["hits_cnn", "hits_deep", "compact_cnn"])
def test_it_works_on_the_architectures_from_the_first_layer_to_the_last(name: str) -> None:
    model = build(name, (21, 21, 2), 3)
    model.trainable = False
    known = layers(model)
    for layer in (known[0], known[len(known) // 2], known[-1]):
        found = open_cam(model, layer)(random(2, (21, 21, 2)))
        assert found.resized.shape == (2, 3, 21, 21)
        assert np.isfinite(found.resized).all() and found.resized.min() >= 0


def test_a_model_inside_a_model_is_one_layer() -> None:
    import keras
    from keras import layers as kinds

    inner = keras.Sequential([kinds.Input(SHAPE), kinds.Conv2D(4, 3, name="deep")], name="trunk")
    inputs = kinds.Input(SHAPE)
    x = kinds.GlobalAveragePooling2D()(inner(inputs))
    model = keras.Model(inputs, kinds.Dense(2, activation="softmax")(x))
    assert layers(model) == ["trunk"]
    assert open_cam(model)(random()).maps.shape == (3, 2, 12, 10)
    with pytest.raises(ValueError, match=r"inside another model.*layer=deep.*one of trunk"):
        open_cam(model, "deep")


def test_a_custom_end_is_explained_by_the_logarithm_of_its_probabilities() -> None:
    import keras
    from keras import layers as kinds

    inputs = kinds.Input(SHAPE)
    x = kinds.Conv2D(3, 3, activation="relu")(inputs)
    x = kinds.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, kinds.Dense(2, activation="hard_sigmoid")(x))
    assert np.isfinite(open_cam(model)(random()).maps).all()


def test_agreement_is_a_rank_correlation_at_the_positions() -> None:
    cams = random(4, (9, 9))
    cams[3] = 0
    importance = cams[:, ::3, ::3] ** 2
    importance[1] = -importance[1]
    importance[2] = 0.5
    found = agreement(cams, importance, 3)
    assert found[:2] == pytest.approx([1, -1])
    assert np.isnan(found[2:]).all()


def test_what_it_cannot_be_applied_to_is_refused() -> None:
    import keras
    from keras import layers as kinds

    flat = keras.Sequential([kinds.Input((5,)), kinds.Dense(2, activation="softmax")])
    with pytest.raises(ValueError, match="one image input"):
        open_cam(flat)
    cam = open_cam(small())
    with pytest.raises(ValueError, match=r"'gap'.*Choose one of conv, pool"):
        open_cam(small(), "gap")
    with pytest.raises(ValueError, match=r"\(3, 5, 5, 1\)"):
        cam(random(3, (5, 5, 1)))
    for classes in (np.array([[3], [0], [0]]), np.array([0, 1, 2]), np.zeros((2, 1), int)):
        with pytest.raises(ValueError, match=r"from 0 to 2, of shape \(3, k\)"):
            cam(random(), classes)
    with pytest.raises(ValueError, match=r"\(2, 9, 9\) and \(2, 9, 9\), stride=2"):
        agreement(np.zeros((2, 9, 9)), np.zeros((2, 9, 9)), 2)
