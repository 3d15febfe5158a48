"""A convolutional autoencoder for images of any size: its bottleneck is an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.models.pooled import pooled

if TYPE_CHECKING:
    import keras

_COARSEST = 4
_MOST_FILTERS = 128
_MANY_FILTERS_UP_TO = 16


def autoencoder(input_shape: tuple[int, int, int], dim: int) -> keras.Model:
    """Builds an autoencoder (Hinton and Salakhutdinov 2006, with convolutions).

    Images of more than 96 pixels a side are averaged down first (layer ``pooled``), and it is the
    averaged-down image that comes out again. Convolutions of stride 2, each with batch
    normalisation and the smooth activation SiLU (with ReLU such networks can die and draw one
    constant), halve it until it is 4 to 8 pixels a side; a dense layer named ``bottleneck`` makes
    the vector, and the same steps back make the image.

    Args:
        input_shape: Height and width in pixels (at least 8), channels.
        dim: Length of the vector.

    Returns:
        An uncompiled model from images in [0, 1] to two outputs: the ``reconstruction`` (batch,
        height, width, channels) in [0, 1], and what it should be, of the same shape.
    """
    from keras import Model, layers

    inputs = layers.Input(input_shape, name="image")
    target = x = pooled(inputs)
    sizes = [tuple(x.shape[1:3])]
    first = 32 if min(sizes[0]) <= _MANY_FILTERS_UP_TO else 16
    filters: list[int] = []
    while -(-min(sizes[-1]) // 2) >= _COARSEST:
        filters.append(min(first * 2 ** len(filters), _MOST_FILTERS))
        name = f"down{len(filters)}"
        x = _normalised(layers.Conv2D, filters[-1], 2, name)(x)
        sizes.append(tuple(x.shape[1:3]))
    x = _normalised(layers.Conv2D, filters[-1], 1, "middle")(x)
    coarse = tuple(x.shape[1:])
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(dim, name="bottleneck")(x)
    x = layers.Dense(coarse[0] * coarse[1] * coarse[2], activation="silu", name="unfold")(x)
    x = layers.Reshape(coarse, name="reshape")(x)
    for step in reversed(range(len(filters))):
        # The last step up keeps the filters of the first step down.
        width = filters[max(step - 1, 0)]
        x = _normalised(layers.Conv2DTranspose, width, 2, f"up{step + 1}")(x)
        x = _cropped(x, sizes[step], f"crop{step + 1}")
    outputs = layers.Conv2D(
        input_shape[2], 3, padding="same", activation="sigmoid", name="reconstruction"
    )(x)
    return Model(inputs, [outputs, target], name="autoencoder")


def _normalised(
    kind: type[keras.layers.Layer], width: int, strides: int, name: str
) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """A 3x3 convolution, batch normalisation and the activation."""
    from keras import layers

    def apply(x: keras.KerasTensor) -> keras.KerasTensor:
        x = kind(width, 3, strides=strides, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return layers.Activation("silu", name=f"{name}_silu")(x)

    return apply


def _cropped(x: keras.KerasTensor, size: tuple[int, ...], name: str) -> keras.KerasTensor:
    """Cut the row and the column too many that doubling an odd size gives."""
    from keras import layers

    more = [have - want for have, want in zip(x.shape[1:3], size, strict=True)]
    if not any(more):
        return x
    return layers.Cropping2D(((0, more[0]), (0, more[1])), name=name)(x)
