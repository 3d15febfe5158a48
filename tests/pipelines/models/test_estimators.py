"""Estimators of maps: the study's counts, any size, the class asked for, a classifier inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.methods.backend import load_tensorflow
from pipelines.models import build
from pipelines.models.estimators import map_estimator, study_estimator

load_tensorflow()


def random(shape: tuple[int, ...], count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


def count_of(weights: list[Any]) -> int:
    return int(sum(np.prod(weight.shape) for weight in weights))


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 294_789),
        ({"code": "one_hot"}, 290_179),
        ({"code": "numeral"}, 292_484),
        # H10 as read here: what is left without the three convolutions of 64 on both sides …
        ({"cut": 1}, 544 + 9_248 + (36 * 32 + 1) * 36 + 320 + 16_416 + 289),
        # … and without any but the last: a pooled image, 36 numbers, a drawing.
        ({"cut": 2}, (36 + 1) * 36 + 9 + 1),
    ],
)
def test_the_study_s_networks_have_its_number_of_parameters(settings, parameters):
    assert study_estimator((21, 21, 1), 2, **settings).count_params() == parameters


def test_the_frozen_one_takes_the_classifier_s_convolutions_and_leaves_them():
    classifier = build("hits_deep", (21, 21, 1), 2)
    model = study_estimator((21, 21, 1), 2, encoder_of=classifier)
    assert count_of(model.weights) == 294_789
    assert count_of(model.trainable_weights) == 192_645
    for number in range(1, 6):
        taken, kept = (m.get_layer(f"conv{number}").get_weights() for m in (model, classifier))
        assert all((a == b).all() for a, b in zip(taken, kept, strict=True))


@pytest.mark.parametrize(("name", "shape"), [("hits_cnn", (21, 21, 1)), ("hits_deep", (21, 21, 3))])
def test_a_classifier_that_does_not_fit_the_encoder_is_refused(name, shape):
    with pytest.raises(ValueError, match=rf"convolutions of a 'hits_deep'.*{name}"):
        study_estimator((21, 21, 1), 2, encoder_of=build(name, shape, 2))


SHAPES = [(8, 8, 1), (21, 21, 4), (24, 17, 1), (30, 9, 3)]


@pytest.mark.parametrize(
    ("shape", "stride"),
    [*((shape, stride) for shape in SHAPES for stride in (1, 3, 8)), ((224, 224, 3), 8)],
)
def test_any_size_gives_a_map_of_the_grid(shape, stride):
    grid = (-(-shape[0] // stride), -(-shape[1] // stride))
    images = random(shape, 2)
    for model in (study_estimator(shape, 3, stride), map_estimator(shape, 3, stride)):
        inputs = [images, np.array([0, 2])] if len(model.inputs) == 2 else images
        drawn = np.asarray(model(inputs))
        assert drawn.shape == (2, *grid)
        assert drawn.min() >= 0 and drawn.max() <= 1


def test_a_coarser_grid_of_the_study_is_a_part_of_the_fine_one():
    fine = study_estimator((21, 20, 1), 2)
    coarse = study_estimator((21, 20, 1), 2, 3)
    coarse.set_weights(fine.get_weights())
    images = random((21, 20, 1))
    assert (np.asarray(coarse(images)) == np.asarray(fine(images))[:, ::3, ::3]).all()


@pytest.mark.parametrize("code", ["numeral", "one_hot"])
def test_the_class_asked_for_reaches_the_bottleneck(code):
    from keras import Model

    model = study_estimator((21, 21, 1), 5, code=code)
    tap = Model(model.inputs, model.get_layer("conditioned").output)
    codes = np.asarray(tap([random((21, 21, 1), 2), np.array([1, 4])]))
    assert codes.shape == (2, 36)
    expected = [[1.0], [4.0]] if code == "numeral" else np.eye(5)[[1, 4]]
    assert codes[:, 36 - np.shape(expected)[1] :].tolist() == np.asarray(expected).tolist()
    assert codes[:, : 36 - np.shape(expected)[1]].sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_another_class_is_another_map():
    images = random((12, 12, 1), 2)
    for model in (map_estimator((12, 12, 1), 3), study_estimator((12, 12, 1), 3, code="one_hot")):
        one, other = (np.asarray(model([images, np.full(2, k)])) for k in (0, 2))
        assert np.abs(one - other).max() > 1e-5


@pytest.mark.parametrize("name", ["hits_cnn", "simple_cnn"])
def test_a_classifier_inside_says_what_it_says_outside_and_is_not_trained(name, tmp_path: Path):
    import keras

    shape = (84, 84, 1) if name == "simple_cnn" else (14, 14, 1)
    classifier = build(name, shape, 2)
    model = map_estimator(shape, 2, 4, classifier=classifier)
    inside = {id(variable) for variable in model.trainable_variables}
    copies = [layer for layer in model.layers if layer.name.startswith("classifier_")]
    assert len(copies) == len(classifier.layers) - 1
    assert not any(id(v) in inside for layer in copies for v in layer.variables)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    # Nothing but the clean logit is left once all that is learned is zero.
    for layer in model.layers:
        if layer not in copies:
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    images = random(shape, 2)
    p = np.asarray(classifier(images))
    p = np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p
    drawn = np.asarray(model([images, np.array([0, 1])]))
    assert drawn[0] == pytest.approx(np.full(drawn[0].shape, p[0, 0]), abs=1e-5)
    assert drawn[1] == pytest.approx(np.full(drawn[1].shape, p[1, 1]), abs=1e-5)
    model.save(tmp_path / "estimator.keras")
    loaded = keras.models.load_model(tmp_path / "estimator.keras", safe_mode=True)
    assert np.asarray(loaded([images, np.array([0, 1])])) == pytest.approx(drawn, abs=1e-6)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match=r"n_classes=1"):
        map_estimator((8, 8, 1), 1)
    with pytest.raises(ValueError, match=r"stride=0"):
        study_estimator((8, 8, 1), 2, 0)
    with pytest.raises(ValueError, match=r"no room.*n_classes=36"):
        study_estimator((21, 21, 1), 36, code="one_hot")
    with pytest.raises(ValueError, match=r"\(9, 9, 1\) and \(8, 8, 1\)"):
        map_estimator((8, 8, 1), 2, classifier=build("hits_cnn", (9, 9, 1), 2))
