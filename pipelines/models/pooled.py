"""Averaging large images down inside a network, before anything else happens to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

LONGEST = 96
"""Longest side, in pixels, that the networks of embeddings work on."""


def pooled(x: keras.KerasTensor) -> keras.KerasTensor:
    """Average an image by a whole factor until no side is longer than :data:`LONGEST`.

    Args:
        x: Tensor (batch, height, width, channels).

    Returns:
        The tensor itself where it is small enough, else the output of a layer named ``pooled``.
        What does not fill the last window is averaged over what is there.
    """
    from keras import layers

    factor = -(-max(x.shape[1:3]) // LONGEST)
    if factor == 1:
        return x
    return layers.AveragePooling2D(factor, padding="same", name="pooled")(x)
