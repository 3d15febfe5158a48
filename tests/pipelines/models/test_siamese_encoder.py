"""The encoder of twins: a run's own architecture, flat, with vectors of length one."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.models import MODELS, build
from pipelines.models.siamese import siamese_encoder


def random(shape, count=3):
    return np.random.default_rng(0).random((count, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("side", [24, 200])
def test_the_trunk_is_the_architecture_cut_after_its_penultimate_layer(name, side):
    from keras import Model, Sequential

    model = siamese_encoder(name, (side, side, 1), 4)
    taken = model.name.removeprefix("siamese_")
    small = side if side <= 96 else 67
    assert taken == ("compact_cnn" if name.startswith("simple") else name)
    base = build(taken, (small, small, 1), 2)
    trunk = Model(base.inputs[0], base.get_layer("penultimate").output)
    trunk.set_weights(model.get_weights()[: len(trunk.weights)])
    images = random((side, side, 1))
    pooled = images if side == small else np.asarray(model.get_layer("pooled")(images))
    tapped = Model(model.inputs[0], model.get_layer("penultimate").output)
    assert np.asarray(tapped(images)) == pytest.approx(np.asarray(trunk(pooled)), abs=1e-5)
    assert not any(isinstance(layer, Model | Sequential) for layer in model.layers)


def test_the_architecture_is_kept_where_it_fits():
    assert siamese_encoder("simple_cnn", (90, 80, 3), 4).name == "siamese_simple_cnn"


def test_vectors_have_length_one():
    vectors = np.asarray(siamese_encoder("hits_cnn", (12, 12, 2), 6)(random((12, 12, 2))))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_weights_are_fresh():
    """Mistake B17: a second training that goes on from the weights of the first."""
    first, second = (siamese_encoder("hits_cnn", (12, 12, 1), 6).get_weights() for _ in range(2))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
