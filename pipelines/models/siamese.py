"""The one network that both sides of a siamese pair go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.models import SMALLEST, build
from pipelines.models.pooled import pooled

if TYPE_CHECKING:
    import keras


def siamese_encoder(name: str, input_shape: tuple[int, int, int], dim: int) -> keras.Model:
    """Builds the encoder of a twin network from the architecture of a run, with fresh weights.

    Images of more than 96 pixels a side are averaged down first. The architecture is cut after
    its layer ``penultimate``; a dense layer and a division by the length follow, so distances lie
    in [0, 2]. There is one encoder, so the distance of a pair cannot depend on its order.

    Args:
        name: Name of an architecture; where it does not fit the averaged-down image, the
            ``compact_cnn`` takes its place (the model's name says which).
        input_shape: Height and width in pixels (at least 8), channels.
        dim: Length of the vector.

    Returns:
        An uncompiled model from images in [0, 1] to unit vectors (batch, dim).
    """
    from keras import Model, layers

    inputs = layers.Input(input_shape, name="image")
    x = pooled(inputs)
    shape = tuple(x.shape[1:])
    if min(shape[:2]) < SMALLEST[name]:
        name = "compact_cnn"
    base = build(name, shape, 2)
    for layer in base.layers[1:]:
        # The architectures are chains. Each layer is made anew on this input, because a model
        # inside a model could neither be tapped nor read by what walks the graph.
        x = type(layer).from_config(layer.get_config())(x)
        if layer.name == "penultimate":
            break
    x = layers.Dense(dim, name="projection")(x)
    x = layers.UnitNormalization(name="embedding")(x)
    return Model(inputs, x, name=f"siamese_{name}")
