"""Random changes of training images, in batches and reproducible.

The random numbers depend only on the seed that is passed, never on what was drawn before, so a
training that was broken off goes on with the very images it would have seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pipelines.recipe import Augmentation


def augment(images: Any, settings: Augmentation, seed: Any) -> Any:
    """Shift, rotate, zoom, flip and brighten each image of a batch on its own.

    What comes into the frame repeats the nearest pixel of the edge; pixels are interpolated
    bilinearly and stay in [0, 1].

    Args:
        images: Tensor (b, height, width, channels) float32 in [0, 1].
        settings: What to change and how far.
        seed: Integer tensor (2,): same seed, same changes.

    Returns:
        Tensor of the same shape.
    """
    import tensorflow as tf

    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform((7, count), seed, dtype=tf.float32)
    if settings.flip_horizontal:
        images = tf.where(draws[0][:, None, None, None] < 0.5, images[:, :, ::-1], images)
    if settings.flip_vertical:
        images = tf.where(draws[1][:, None, None, None] < 0.5, images[:, ::-1], images)
    if settings.shift_x or settings.shift_y or settings.rotation or settings.zoom:
        images = _move(images, settings, draws)
    if settings.brightness is not None:
        low, high = settings.brightness
        factor = low + (high - low) * draws[6]
        images = tf.clip_by_value(images * factor[:, None, None, None], 0.0, 1.0)
    return images


def _move(images: Any, settings: Augmentation, draws: Any) -> Any:
    """Apply one affine map an image: from each place of the result to where it comes from."""
    import tensorflow as tf

    height, width = images.shape[1], images.shape[2]
    signed = 2.0 * draws - 1.0
    angle = signed[2] * float(np.deg2rad(settings.rotation))
    scale = 1.0 + signed[3] * settings.zoom
    cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
    middle_x, middle_y = (width - 1) / 2.0, (height - 1) / 2.0
    shift_x = signed[4] * settings.shift_x * width
    shift_y = signed[5] * settings.shift_y * height
    zero = tf.zeros_like(angle)
    transforms = tf.stack(
        [
            cosine,
            -sine,
            middle_x - cosine * middle_x + sine * middle_y + shift_x,
            sine,
            cosine,
            middle_y - sine * middle_x - cosine * middle_y + shift_y,
            zero,
            zero,
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
