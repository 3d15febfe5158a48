"""The two classifiers of the HiTS occlusion-map study: 21x21 stamps, two classes.

Both stay as published, linear layers included, so that their figures can be compared: two
convolutions without an activation between them are one convolution, and the deep one gains its
non-linearity from max pooling alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def hits_cnn(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds the small classifier of the study: one convolution, one hidden layer.

    8,112 parameters at 21x21x1 and 2 classes; published test accuracy .946.

    Args:
        input_shape: Height and width in pixels (at least 2), channels.
        n_classes: Number of classes.

    Returns:
        An uncompiled model, softmax over the classes.
    """
    from keras import Model, layers

    inputs = layers.Input(input_shape, name="image")
    x = layers.Conv2D(8, 3, padding="same", name="conv")(inputs)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(10, activation="relu", name="penultimate")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    outputs = layers.Dense(n_classes, activation="softmax", name="probabilities")(x)
    return Model(inputs, outputs, name="hits_cnn")


def hits_deep(input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds the deeper classifier of the study, after Deep-HiTS (Cabrera-Vives et al. 2017).

    253,954 parameters at 21x21x1 and 2 classes; published test accuracy .955. The border of 3
    pixels that the study added to its stamps (21x21 to 27x27) is added inside the model.

    Args:
        input_shape: Height and width in pixels, channels.
        n_classes: Number of classes.

    Returns:
        An uncompiled model, softmax over the classes.
    """
    from keras import Model, layers

    inputs = layers.Input(input_shape, name="image")
    x = layers.ZeroPadding2D(3, name="pad")(inputs)
    x = layers.Conv2D(32, 4, name="conv1")(x)
    x = layers.Conv2D(32, 3, padding="same", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    for number in (3, 4, 5):
        x = layers.Conv2D(64, 3, padding="same", name=f"conv{number}")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, name="dense")(x)
    x = layers.Dense(64, name="penultimate")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    outputs = layers.Dense(n_classes, activation="softmax", name="probabilities")(x)
    return Model(inputs, outputs, name="hits_deep")
