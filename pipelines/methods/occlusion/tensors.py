"""What the steps of a network compute, as TensorFlow operations on whole maps and on boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.methods.occlusion.graph import Pair, Step

_LOWEST = float(np.finfo(np.float32).min)

Starts = tuple[Any, Any]
"""First rows and first columns of boxes, int32 tensors (n,)."""


def run(step: Step, taken: list[Any]) -> Any:
    """What a step gives for whole maps.

    Args:
        step: Any step but the image.
        taken: Tensors (n, height, width, channels), or of whatever shape the step takes.
    """
    import tensorflow as tf

    if not step.slides:
        return _by_itself(step, taken)
    window, (values,) = step.window, taken
    margins = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    if step.kind == "pad" or (step.padding == "zeros" and any(map(any, margins))):
        fits = step.kind in ("conv", "depthwise") and _same(step, values.shape)
        if not fits:
            values = tf.pad(values, margins)
        return _slide(step, values, "SAME" if fits else "VALID")
    return _slide(step, values, "SAME" if any(map(any, margins)) else "VALID")


def run_part(step: Step, taken: list[Any], starts: Starts, size: Pair) -> Any:
    """What a step gives for boxes.

    Args:
        step: Any step but the image and those of kind ``other``.
        taken: What its boxes need: through its window, with what lies outside the map filled in.
        starts: Of the boxes that are computed.
        size: Of these boxes.
    """
    if not step.slides:
        return _by_itself(step, taken)
    values = _slide(step, taken[0], "VALID")
    window = step.window
    if step.kind == "average" and step.padding == "nothing" and any(window.before + window.after):
        # Zeros stand outside the map, but are no part of the mean.
        shares = [_shares(step, axis, starts[axis], size[axis]) for axis in (0, 1)]
        values = values * (shares[0][:, :, None] * shares[1][:, None, :])[..., None]
    return values


def outside(step: Step) -> float:
    """What a step sees outside the map."""
    return _LOWEST if step.kind == "max" and step.padding == "nothing" else 0.0


def outer(rows: Any, columns: Any) -> Any:
    """Both at once: bool (n, r) and (n, c) to (n, r, c)."""
    return rows[:, :, None] & columns[:, None, :]


def patch(image: Any, hidden: Any, inside: Any, starts: Starts, size: Pair) -> Any:
    """Boxes of the image, with what hidden pixels show where the patch lies.

    Args:
        image: (1, height, width, channels).
        hidden: Of the same shape.
        inside: Whether a pixel of a box lies in the patch, bool (n, rows, columns).
        starts: Of the boxes, which lie inside the image.
        size: Of the boxes.
    """
    import tensorflow as tf

    height, width, channels = image.shape[1:]
    both = tf.reshape(tf.concat([image, hidden], axis=0), (-1, channels))
    rows, columns = _lines(starts, size)
    index = rows[:, :, None] * width + columns[:, None, :]
    return tf.gather(both, index + tf.where(inside, height * width, 0))


def stitched(
    clean: Any, changed: Any, origin: Starts, starts: Starts, size: Pair, fill: float, part: Pair
) -> Any:
    """Windows of a map of which one box has changed.

    Args:
        clean: The map as it was, (1, height, width, channels).
        changed: The boxes (n, *part, channels).
        origin: Starts of the boxes.
        starts: Starts of the windows, which may lie beyond the map.
        size: Of the windows.
        fill: What lies beyond the map.
        part: Rows and columns of the boxes.

    Returns:
        (n, *size, channels).
    """
    import tensorflow as tf

    height, width, channels = clean.shape[1:]
    rows, columns = _lines(starts, size)
    # One gathering copy: the map, then a pixel of what lies beyond, then all boxes in turn.
    pixels = tf.concat(
        [
            tf.reshape(clean, (-1, channels)),
            tf.fill((1, channels), tf.constant(fill, tf.float32)),
            tf.reshape(changed, (-1, channels)),
        ],
        axis=0,
    )
    within = outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    index = tf.where(within, rows[:, :, None] * width + columns[:, None, :], height * width)
    down, right = rows - origin[0][:, None], columns - origin[1][:, None]
    hit = outer((down >= 0) & (down < part[0]), (right >= 0) & (right < part[1]))
    first = height * width + 1 + tf.range(tf.shape(rows)[0]) * (part[0] * part[1])
    own = first[:, None, None] + down[:, :, None] * part[1] + right[:, None, :]
    values = tf.gather(pixels, tf.where(hit, own, index))
    return tf.ensure_shape(values, (None, *size, channels))


def _by_itself(step: Step, taken: list[Any]) -> Any:
    if step.affine is not None and step.kind == "point":
        factor, offset = (np.asarray(one, np.float32) for one in step.affine)
        return taken[0] * factor + offset
    assert step.call is not None
    return step.call(taken if len(taken) > 1 else taken[0])


def _slide(step: Step, values: Any, padding: str) -> Any:
    import tensorflow as tf

    window = step.window
    strides = [1, *window.strides, 1]
    if step.kind == "pad":
        return values
    if step.kind == "max":
        return tf.nn.max_pool2d(values, window.size, window.strides, padding)
    if step.kind == "average":
        return tf.nn.avg_pool2d(values, window.size, window.strides, padding)
    assert step.kernel is not None and step.bias is not None
    if step.kind == "conv":
        values = tf.nn.conv2d(values, step.kernel, strides, padding, dilations=window.dilation)
    else:
        values = tf.nn.depthwise_conv2d(
            values, step.kernel, strides, padding, dilations=window.dilation
        )
    values = tf.nn.bias_add(values, step.bias)
    if step.activation is None:
        return values
    name, function = step.activation
    # By its own name TensorFlow can join it to the convolution.
    return tf.nn.relu(values) if name == "relu" else function(values)


def _same(step: Step, shape: Any) -> bool:
    """Whether the margins of a step are those of TensorFlow's padding ``SAME``."""
    window = step.window
    for axis in (0, 1):
        length, stride = shape[axis + 1], window.strides[axis]
        total = max((-(-length // stride) - 1) * stride + window.reach[axis] - length, 0)
        if (window.before[axis], window.after[axis]) != (total // 2, total - total // 2):
            return False
    return True


def _lines(starts: Starts, size: Pair) -> tuple[Any, Any]:
    import tensorflow as tf

    rows, columns = (
        start[:, None] + tf.range(length)[None] for start, length in zip(starts, size, strict=True)
    )
    return rows, columns


def _shares(step: Step, axis: int, start: Any, size: int) -> Any:
    """Lines of a window for each of them that lies inside the map, float32 (n, size)."""
    import tensorflow as tf

    window = step.window
    length = (
        (step.shape[axis] - 1) * window.strides[axis]
        + window.size[axis]
        - window.before[axis]
        - window.after[axis]
    )
    first = np.arange(step.shape[axis]) * window.strides[axis] - window.before[axis]
    inside = np.minimum(first + window.size[axis], length) - np.maximum(first, 0)
    return tf.gather(
        (window.size[axis] / inside).astype(np.float32), start[:, None] + tf.range(size)[None]
    )
