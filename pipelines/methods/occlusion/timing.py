"""What a map costs: the study's loop, the exact engine, an estimator; one image and many.

All in one process, warm, medians with their spread, and the number of images from which on the
training of an estimator has paid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipelines.methods.machine import latency
from pipelines.methods.occlusion.engine import Engine
from pipelines.methods.occlusion.patches import Patches

STUDY_BATCH = 10
"""Occluded copies that the HiTS study gave to ``predict`` at a time."""

MANY = 64
"""Images at a time where the cost of one among many is measured."""

_POSITIONS_TIMED = 20
_LONG_MS = 10_000.0
_REPEATS = 15


def study_loop(
    model: Any, image: np.ndarray, hidden: np.ndarray, patches: Patches, count: int | None = None
) -> np.ndarray:
    """The map of one image as the study computed it: ``predict`` on small batches of copies.

    Args:
        model: Keras model.
        image: float32 (height, width, channels).
        hidden: What hidden pixels show, of that shape.
        patches: Where the patches lie.
        count: Only so many positions, row by row; all if absent.

    Returns:
        float32 (positions, outputs).
    """
    parts = []
    boxes = patches.boxes[:count]
    for start in range(0, len(boxes), STUDY_BATCH):
        some = boxes[start : start + STUDY_BATCH]
        copies = np.repeat(image[None], len(some), axis=0)
        for copy, (top, left, bottom, right) in zip(copies, some, strict=True):
            copy[top:bottom, left:right] = hidden[top:bottom, left:right]
        parts.append(model.predict(copies, verbose=0))
    return np.concatenate(parts)


def of_loop(
    model: Any, image: np.ndarray, hidden: np.ndarray, patches: Patches
) -> dict[str, float]:
    """Milliseconds a map of :func:`study_loop`, timed on some positions and scaled up."""
    count = min(_POSITIONS_TIMED, patches.count)
    took = latency(lambda _: study_loop(model, image, hidden, patches, count), None, 5, warm=1)
    return {name: value * patches.count / count for name, value in took.items()}


def of_engine(
    engine: Engine, images: np.ndarray, hidden: np.ndarray
) -> dict[str, dict[str, float]]:
    """Milliseconds a map of the exact engine: ``one`` image alone, and one of ``many``."""
    return _one_and_many(lambda part: engine.maps(images[part], hidden[part]), len(images))


def of_estimator(draw: Any, images: np.ndarray, asked: np.ndarray) -> dict[str, dict[str, float]]:
    """The same of an estimator's ``drawer``."""
    return _one_and_many(lambda part: draw(images[part], asked[part]), len(images))


def break_even(training_seconds: float, ms_exact: float, ms_estimate: float) -> float | None:
    """Images from which on an estimator has paid for its training; None where it never does."""
    gain = ms_exact - ms_estimate
    return math.ceil(1000 * training_seconds / gain) if gain > 0 else None


def _one_and_many(call: Any, there: int) -> dict[str, dict[str, float]]:
    one = latency(call, slice(0, 1), _REPEATS)
    many = min(there, MANY)
    # Where one image takes seconds, a batch of many would take minutes and say the same.
    if one["median"] * many > _LONG_MS:
        return {"one": one, "many": one}
    took = latency(call, slice(0, many), 5)
    return {"one": one, "many": {name: value / many for name, value in took.items()}}
