"""The two plain convolutional networks of the chest X-ray study, trained from scratch.

With two classes they end, as published, in one sigmoid unit: the probability of the second class.
With more they end in a softmax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def simple_cnn(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds the study's first network, made for 150x150.

    7,095,329 parameters at 150x150x3 and 2 classes, 92 % of them in the first dense layer;
    published accuracy .8285 (best epoch, selected on the test set).

    Args:
        input_shape: Height and width in pixels (at least 78), channels.
        n_classes: Number of classes.

    Returns:
        An uncompiled model: (batch, 1) sigmoid for 2 classes, else softmax over the classes.
    """
    from keras import Model, layers

    inputs = layers.Input(input_shape, name="image")
    x = layers.Conv2D(16, 3, activation="relu", name="conv1")(inputs)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Dropout(0.25, name="dropout1")(x)
    x = layers.Conv2D(32, 3, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Dropout(0.25, name="dropout2")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="conv3")(x)
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = layers.Dropout(0.25, name="dropout3")(x)
    x = layers.Conv2D(128, 3, activation="relu", name="conv4")(x)
    x = layers.Conv2D(128, 1, activation="relu", name="conv5")(x)
    x = layers.MaxPooling2D(2, name="pool4")(x)
    x = layers.Conv2D(256, 3, activation="relu", name="conv6")(x)
    x = layers.Conv2D(512, 1, activation="relu", name="conv7")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(512, activation="relu", name="penultimate")(x)
    x = layers.Dropout(0.2, name="dropout4")(x)
    return Model(inputs, _probabilities(x, n_classes), name="simple_cnn")


def simple_cnn_224(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds the study's second network, made for 224x224.

    1,589,281 parameters at 224x224x3 and 2 classes; published accuracy .8462 (selected on the
    test set). Its dense layer carries an L1 and an L2 penalty of .01, so its training objective
    is far above its cross-entropy in the first epochs.

    Args:
        input_shape: Height and width in pixels (at least 128), channels.
        n_classes: Number of classes.

    Returns:
        An uncompiled model: (batch, 1) sigmoid for 2 classes, else softmax over the classes.
    """
    from keras import Model, layers, regularizers

    inputs = layers.Input(input_shape, name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1")(inputs)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Dropout(0.2, name="dropout2")(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3")(x)
    x = layers.MaxPooling2D(2, name="pool3")(x)
    x = layers.Dropout(0.25, name="dropout3")(x)
    x = layers.Conv2D(128, 3, padding="same", activation="relu", name="conv4")(x)
    x = layers.MaxPooling2D(2, name="pool4")(x)
    x = layers.Dropout(0.25, name="dropout4")(x)
    x = layers.Conv2D(128, 3, activation="relu", name="conv5")(x)
    x = layers.MaxPooling2D(2, name="pool5")(x)
    x = layers.Dropout(0.25, name="dropout5")(x)
    x = layers.Conv2D(256, 3, activation="relu", name="conv6")(x)
    x = layers.Flatten(name="flatten")(x)
    penalty = regularizers.L1L2(l1=0.01, l2=0.01)
    x = layers.Dense(256, activation="relu", kernel_regularizer=penalty, name="penultimate")(x)
    x = layers.Dropout(0.4, name="dropout6")(x)
    return Model(inputs, _probabilities(x, n_classes), name="simple_cnn_224")


def _probabilities(x: keras.KerasTensor, n_classes: int) -> keras.KerasTensor:
    from keras import layers

    if n_classes == 2:
        return layers.Dense(1, activation="sigmoid", name="probabilities")(x)
    return layers.Dense(n_classes, activation="softmax", name="probabilities")(x)
