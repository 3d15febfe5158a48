"""The autoencoder: any size, its own averaged-down image, one bottleneck."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.models.autoencoder import autoencoder
from pipelines.models.pooled import LONGEST, pooled


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((8, 8, 1), (8, 8, 1)),
        ((21, 21, 4), (21, 21, 4)),
        ((9, 30, 3), (9, 30, 3)),
        ((150, 97, 3), (75, 49, 3)),
    ],
)
def test_what_comes_out_is_the_image_averaged_down(shape, drawn):
    model = autoencoder(shape, 5)
    images = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    made, wanted = (np.asarray(part) for part in model(images, training=False))
    assert made.shape == wanted.shape == (2, *drawn)
    assert made.min() >= 0
    assert made.max() <= 1
    if shape == drawn:
        assert (wanted == images).all()
    else:
        # The first window lies wholly inside the image.
        assert wanted[:, 0, 0] == pytest.approx(images[:, :2, :2].mean(axis=(1, 2)), abs=1e-6)
    assert model.get_layer("bottleneck").output.shape == (None, 5)


def test_everything_drawn_comes_through_the_bottleneck():
    from keras import Model

    model = autoencoder((12, 12, 1), 3)
    images = np.random.default_rng(1).random((4, 12, 12, 1)).astype(np.float32)
    vectors = Model(model.inputs[0], model.get_layer("bottleneck").output)(images)
    after = model.layers[[layer.name for layer in model.layers].index("bottleneck") + 1 :]
    x = vectors
    for layer in after:
        x = layer(x)
    assert np.asarray(x) == pytest.approx(np.asarray(model(images)[0]), abs=1e-6)


def test_small_images_are_not_averaged():
    from keras import layers

    inputs = layers.Input((LONGEST, 40, 1))
    assert pooled(inputs) is inputs
    assert pooled(layers.Input((LONGEST + 1, 40, 1))).shape == (None, 49, 20, 1)
