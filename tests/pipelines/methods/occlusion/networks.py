"""Networks for the tests of occlusion maps, and the plain loop that every way is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from pipelines.methods.backend import load_tensorflow, traced
from pipelines.methods.feeding import to_probabilities


def plain_loop(
    model: Any, images: np.ndarray, hidden: np.ndarray, size: int, stride: int
) -> np.ndarray:
    """One inference a position, (b, rows, columns, classes)."""
    import tensorflow as tf

    count, height, width, _ = images.shape
    rows, columns = range(0, height, stride), range(0, width, stride)
    forward = traced(
        lambda image: model(image, training=False), tf.TensorSpec((1, *images.shape[1:]))
    )
    found: list[np.ndarray] = []
    for image, shown in zip(images, np.broadcast_to(hidden, images.shape), strict=True):
        for row in rows:
            for column in columns:
                copy = image.copy()
                top, left = max(0, row - size // 2), max(0, column - size // 2)
                bottom, right = row - size // 2 + size, column - size // 2 + size
                copy[top:bottom, left:right] = shown[top:bottom, left:right]
                found.append(forward(copy[None]).numpy()[0])
    outputs = to_probabilities(np.stack(found))
    return outputs.reshape(count, len(rows), len(columns), -1)


def shaken(model: Any, seed: int, *, kernels: bool = True) -> Any:
    """The model with weights under which a patch is felt, statistics of normalisation included.

    Args:
        model: Changed in place.
        seed: Of the weights.
        kernels: Whether to change the kernels too; very deep networks do not bear it.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        if name in ("moving_variance", "gamma"):
            weight.assign(rng.uniform(0.6, 1.6, weight.shape))
        elif "kernel" in name and not kernels:
            continue
        elif "kernel" in name:
            inputs = max(1, int(np.prod(weight.shape[:-1])))
            if "depthwise" in name:
                inputs = int(np.prod(weight.shape[:2]))
            weight.assign(rng.normal(0, 1.5 / np.sqrt(inputs), weight.shape))
        else:
            weight.assign(rng.normal(0, 0.3 if kernels else 0.1, weight.shape))
    return model


def images_of(model: Any, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of the model's shape, and others that stand for what hidden pixels show."""
    rng = np.random.default_rng(seed)
    shape = (count, *model.inputs[0].shape[1:])
    return rng.random(shape, np.float32), rng.random(shape, np.float32)


def hits_cnn(channels: int = 1, classes: int = 2) -> Any:
    """The small classifier of the study at 21x21, with weights under which a patch is felt."""
    load_tensorflow()
    from pipelines.models import build

    return shaken(build("hits_cnn", (21, 21, channels), classes), 3)


def constant(shape: tuple[int, int, int], probabilities: tuple[float, ...]) -> Any:
    """A classifier that gives the same answer to every image."""
    load_tensorflow()
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Conv2D(2, 3, kernel_initializer="zeros"),
            keras.layers.Flatten(),
            keras.layers.Dense(
                len(probabilities), activation="softmax", kernel_initializer="zeros"
            ),
        ]
    )
    model.layers[-1].bias.assign(np.log(probabilities))
    return model


def pooled(draw: Any, pool: Any, x: Any, size: tuple[int, int], strides: int | None) -> Any:
    """A pooling with either padding: what does not fill a window is left out, or filled up."""
    fits = all(side >= length for side, length in zip(x.shape[1:3], size, strict=True))
    padding = draw(st.sampled_from(["same", "valid"])) if fits else "same"
    return pool(size, strides=strides, padding=padding)(x)


def shallow(draw: Any) -> Any:
    """A convolution, perhaps a pooling, dense layers; what may stand around them."""
    import keras
    from keras import layers, ops

    flag = st.booleans()
    shape = draw(st.tuples(st.integers(6, 11), st.integers(6, 11), st.integers(1, 3)))
    padding = st.sampled_from(["same", "valid"])
    x = inputs = layers.Input(shape)
    if draw(flag):
        x = layers.Rescaling(2.0, offset=-0.5)(x)
    if draw(flag):
        x = layers.ZeroPadding2D(((1, 0), (2, 1)))(x)
    dilation = draw(st.sampled_from([1, 1, 2]))
    x = layers.Conv2D(
        draw(st.integers(1, 6)),
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        strides=1 if dilation > 1 else draw(st.integers(1, 2)),
        padding=draw(padding),
        dilation_rate=dilation,
        activation=draw(st.sampled_from([None, "relu"])),
        use_bias=draw(flag),
    )(x)
    if draw(flag):
        x = draw(st.sampled_from([layers.ReLU(), ops.relu]))(layers.Dropout(0.3)(x))
    pool = draw(st.sampled_from([None, layers.MaxPooling2D, layers.AveragePooling2D]))
    if pool is not None:
        size = draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
        x = pooled(draw, pool, x, size, draw(st.sampled_from([None, 1, 2])))
    x = layers.Flatten()(x)
    for _ in range(draw(st.integers(0, 2))):
        x = layers.Dense(draw(st.integers(1, 9)), activation=draw(st.sampled_from([None, "relu"])))(
            x
        )
        x = layers.Dropout(0.5)(x)
    last = draw(st.sampled_from([(1, "sigmoid"), (2, "softmax"), (3, "softmax")]))
    x = layers.Dense(last[0], activation=last[1])(x)
    return shaken(keras.Model(inputs, x), draw(st.integers(0, 99)))


def deep(draw: Any) -> Any:
    """A graph of a few blocks: branches that are added or put side by side, and what is between."""
    import keras
    from keras import layers, ops

    flag = st.booleans()
    shape = draw(st.tuples(st.integers(12, 19), st.integers(12, 19), st.integers(1, 3)))
    x = inputs = layers.Input(shape)

    def conv(x: Any, strides: int = 1, filters: int = 4) -> Any:
        kind = draw(st.sampled_from(["conv", "conv", "depthwise", "pointwise"]))
        padding = draw(st.sampled_from(["same", "same", "zeros"]))
        if padding == "zeros":
            x = layers.ZeroPadding2D(((1, 1), (1, 2)))(x)
            padding = "valid"
        if kind == "depthwise":
            x = layers.DepthwiseConv2D(3, strides=strides, padding=padding)(x)
        size = draw(st.sampled_from([3, (2, 3)])) if kind == "conv" else 1
        x = layers.Conv2D(
            filters, size, strides=1 if kind == "depthwise" else strides, padding=padding
        )(x)
        if draw(flag):
            x = layers.BatchNormalization()(x)
        named = [layers.Activation(name) for name in ("relu", "silu", "tanh")]
        return draw(st.sampled_from([*named, ops.relu, ops.silu, ops.negative]))(x)

    for _ in range(draw(st.integers(1, 3))):
        x = conv(x, strides=draw(st.integers(1, 2)))
        join = draw(st.sampled_from([None, "add", "concatenate"]))
        if join == "add":
            side = layers.Conv2D(4, 3, padding="same")(x)
            x = layers.LeakyReLU()(layers.Add()([x, layers.Dropout(0.2)(side)]))
        elif join == "concatenate":
            side = layers.Conv2D(3, (3, 1), padding="same", activation="relu")(x)
            x = layers.BatchNormalization()(layers.Concatenate()([x, side]))
        pool = draw(st.sampled_from([None, layers.MaxPooling2D, layers.AveragePooling2D]))
        if pool is not None:
            side = draw(st.integers(2, 3))
            x = pooled(draw, pool, x, (side, side), draw(st.integers(1, 2)))
    head = draw(st.sampled_from(["flatten", "mean", "unknown"]))
    if head == "unknown":
        x = layers.UpSampling2D(2)(x)
    x = layers.Flatten()(x) if head == "flatten" else layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, activation="softmax")(x)
    return shaken(keras.Model(inputs, outputs), draw(st.integers(0, 99)))
