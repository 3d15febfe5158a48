"""Occlusion maps of any Keras model: every position by a pass through the whole network.

The occluded copies are made inside the compiled function, for several images and many positions at
once, so that neither Python nor a copy in memory stands between one pass and the next. XLA is not
used: on CPUs it was measured to be slower here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipelines.methods.backend import traced
from pipelines.methods.feeding import to_probabilities
from pipelines.methods.occlusion.patches import Patches, boxes

Progress = Callable[[float, int], None]

BYTES = 64 * 2**20
"""Bytes that the largest tensor of a pass may take.

A pass holds a few of them at a time, so that it stays at some hundred megabytes. The number is a
choice for memory: from 441 to 14,112 copies of the study's small images a pass no time differed by
more than a busy machine's noise.
"""

_MOST_COPIES = 4096


def copies_for(values: int) -> int:
    """Occluded copies a pass, so that memory stays bounded.

    Args:
        values: float32 values of the largest tensor that one copy needs.
    """
    return max(1, min(_MOST_COPIES, BYTES // (4 * values)))


def largest(model: Any) -> int:
    """Values of the largest tensor that one image makes in a model, its own pixels included."""
    sizes = [int(np.prod(model.inputs[0].shape[1:]))]
    for layer in model._flatten_layers(include_self=False):
        for node in getattr(layer, "_inbound_nodes", ()):
            for tensor in node.output_tensors:
                known = [side for side in tensor.shape[1:] if side is not None]
                sizes.append(int(np.prod(known)))
    return max(sizes)


class Whole:
    """Runs the occluded copies through a model, many at a time.

    Attributes:
        copies: How many at a time.
    """

    def __init__(self, model: Any, patches: Patches, copies: int | None = None) -> None:
        import tensorflow as tf

        self.patches = patches
        self.copies = copies_for(largest(model)) if copies is None else copies
        shape = tuple(model.inputs[0].shape[1:])

        def forward(images: Any, hidden: Any, covered: Any) -> Any:
            return model(occluded(images, hidden, covered), training=False)

        self._forward = traced(
            forward,
            tf.TensorSpec((None, *shape), tf.float32),
            tf.TensorSpec((None, *shape), tf.float32),
            tf.TensorSpec((None, 4), tf.int32),
        )

    def __call__(
        self,
        images: np.ndarray,
        hidden: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        progress: Progress,
    ) -> np.ndarray:
        """Probabilities at the given rows and columns: float32 (b, rows, columns, classes)."""
        covered = boxes(self.patches, rows, columns)
        together = max(1, self.copies // len(covered))
        found = []
        for start in range(0, len(images), together):
            some = slice(start, start + together)
            parts = []
            for first in range(0, len(covered), self.copies):
                part = covered[first : first + self.copies]
                outputs = self._forward(images[some], hidden[some], part).numpy()
                parts.append(outputs.reshape(-1, len(part), outputs.shape[-1]))
                done = min(start + together, len(images)) - start
                progress(start + done * (first + len(part)) / len(covered), len(images))
            found.append(np.concatenate(parts, axis=1))
        outputs = np.concatenate(found)
        probabilities = to_probabilities(outputs.reshape(-1, outputs.shape[-1]))
        return probabilities.reshape(len(images), len(rows), len(columns), -1)


def occluded(images: Any, hidden: Any, covered: Any) -> Any:
    """Every image with every patch hidden, as tensors.

    Args:
        images: (b, height, width, channels).
        hidden: What hidden pixels show, of the same shape.
        covered: int32 (n, 4) of top, left, bottom, right.

    Returns:
        (b * n, height, width, channels), the patches of the first image first.
    """
    import tensorflow as tf

    shape = tf.shape(images)
    down, right = tf.range(shape[1])[None], tf.range(shape[2])[None]
    inside_rows = (down >= covered[:, :1]) & (down < covered[:, 2:3])
    inside_columns = (right >= covered[:, 1:2]) & (right < covered[:, 3:4])
    inside = (inside_rows[:, :, None] & inside_columns[:, None, :])[None, ..., None]
    copies = tf.where(inside, hidden[:, None], images[:, None])
    return tf.reshape(copies, tf.concat([[-1], shape[1:]], axis=0))
