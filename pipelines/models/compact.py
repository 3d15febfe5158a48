"""Centauro's own default: a small network for any image size and little data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

_COARSEST = 4
_MOST_FILTERS = 128
_TWO_CONVOLUTIONS_UP_TO = 64


def widths(shorter_side: int) -> tuple[int, ...]:
    """Chooses the number of filters of each block; each block but the last halves the image.

    Args:
        shorter_side: Shorter side of the image in pixels.

    Returns:
        Filters per block: as many blocks as leave a feature map of 4 to 9 pixels a side. A large
        image starts with fewer, because its first blocks cost the most.
    """
    halvings, side = 0, shorter_side
    while side // 2 >= _COARSEST:
        halvings, side = halvings + 1, side // 2
    first = 32 if shorter_side <= _TWO_CONVOLUTIONS_UP_TO else 16
    return tuple(min(first * 2**block, _MOST_FILTERS) for block in range(halvings + 1))


def compact_cnn(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds a network whose depth follows the size of the image.

    Blocks of 3x3 convolution, batch normalisation and ReLU, each followed by max pooling, then
    global average pooling and dropout (batch normalisation: Ioffe and Szegedy 2015; global
    pooling instead of dense layers: Lin et al. 2014). Images up to 64 pixels a side get two
    convolutions a block, larger ones one, and a first convolution of stride 2. The running
    statistics of the normalisation adapt ten times as fast as the Keras default, because small
    data means few steps.

    Args:
        input_shape: Height and width in pixels (at least 8; made for up to 300), channels.
        n_classes: Number of classes.

    Returns:
        An uncompiled model, softmax over the classes.
    """
    from keras import Model, layers

    shorter_side = min(input_shape[:2])
    large = shorter_side > _TWO_CONVOLUTIONS_UP_TO
    filters = widths(shorter_side)
    x = inputs = layers.Input(input_shape, name="image")
    for block, width in enumerate(filters, start=1):
        for number in (1,) if large else (1, 2):
            name = f"block{block}_conv{number}"
            halve = large and block == 1
            x = layers.Conv2D(
                width, 3, strides=2 if halve else 1, padding="same", use_bias=False, name=name
            )(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        if block < len(filters) and not (large and block == 1):
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="penultimate")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    outputs = layers.Dense(n_classes, activation="softmax", name="probabilities")(x)
    return Model(inputs, outputs, name="compact_cnn")
