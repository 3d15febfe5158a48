"""What a map costs: the study's loop, the exact engine, an estimator; one image and many.

All in one process, warm, medians with their spread, and the number of images from which on the
training of an estimator has paid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.methods.machine import latency

if TYPE_CHECKING:
    from pipelines.methods.occlusion.engine import Engine
    from pipelines.methods.occlusion.patches import Patches

STUDY_BATCH = 10
"""Occluded copies that the HiTS study gave to ``predict`` at a time."""

MANY = 64
"""Images at a time where the cost of one among many is measured."""

Times = dict[str, dict[str, float] | None]
"""Milliseconds a map, as ``latency`` gives them: ``one`` image alone, and one of ``many``, with how
many ``images`` these were; None where many would have taken too long."""

Call = Callable[[slice], object]

_POSITIONS_TIMED = 20
_LONG_MS = 10_000.0
_REPEATS = 15
_MOMENT_MS = 50.0
_FEW = 3


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


def of_engine(engine: Engine, images: np.ndarray, hidden: np.ndarray) -> Times:
    """Milliseconds a map of the exact engine."""
    return _one_and_many(lambda part: engine.maps(images[part], hidden[part]), len(images))


def of_estimator(draw: Any, images: np.ndarray, asked: np.ndarray) -> Times:
    """The same of an estimator's ``drawer``."""
    return _one_and_many(lambda part: draw(images[part], asked[part]), len(images))


def of_other_way(engine: Engine, images: np.ndarray, hidden: np.ndarray) -> Times:
    """The same of a way that was not chosen, by few calls and fewer images: it may be slow."""

    def call(part: slice) -> None:
        engine.maps(images[part], hidden[part])

    one = latency(call, slice(0, 1), 1, warm=1)
    if one["median"] < _LONG_MS:
        one = latency(call, slice(0, 1), _FEW, warm=0)
    return {"one": one, "many": _of_many(call, int(_MOMENT_MS / one["median"]), len(images), 1)}


def compared(exact: Times, estimate: Times) -> tuple[str, dict[str, float], dict[str, float]]:
    """The times of two sides that can be compared: of ``many`` where both have them, else of one.

    Returns:
        Which, and those of the exact maps and of the estimate.
    """
    # Documents of an earlier version repeat the time of one where many were not measured.
    measured = all(each["many"] not in (None, each["one"]) for each in (exact, estimate))
    which = "many" if measured else "one"
    one, other = exact[which], estimate[which]
    assert one is not None and other is not None, "one image is always measured"
    return which, one, other


@dataclass(frozen=True)
class Payback:
    """What an estimator costs before it spares anything.

    Attributes:
        images: From which image on it has paid; None where it never does: it is no faster than the
            exact engine, or by less than the times are spread.
        training_seconds: Of one training.
        maps: Exact maps that it learns from, those of val included.
        maps_seconds: What these take.
        compared: Which times, see :func:`compared`.
    """

    images: int | None
    training_seconds: float
    maps: int
    maps_seconds: float
    compared: str


def break_even(training_seconds: float, maps: int, exact: Times, estimate: Times) -> Payback:
    """Images from which on an estimator has paid for its training and the maps it learns from.

    Args:
        training_seconds: Of one training.
        maps: Exact maps that it learns from.
        exact: Times of the exact engine.
        estimate: Times of the estimator.
    """
    which, slow, fast = compared(exact, estimate)
    maps_seconds = maps * slow["median"] / 1000
    images = None
    if slow["low"] > fast["high"]:
        gain = slow["median"] - fast["median"]
        images = math.ceil(1000 * (training_seconds + maps_seconds) / gain)
    return Payback(images, training_seconds, maps, maps_seconds, which)


def _one_and_many(call: Call, there: int) -> Times:
    one = latency(call, slice(0, 1), _REPEATS)
    # Where one image takes long, a batch of many would take minutes.
    slow = one["median"] * min(there, MANY) > _LONG_MS
    return {"one": one, "many": None if slow else _of_many(call, MANY, there, 5)}


def _of_many(call: Call, most: int, there: int, warm: int) -> dict[str, float] | None:
    """Milliseconds for one among many, and how many; None where there is but one."""
    many = min(most, there, MANY)
    if many < 2:
        return None
    took = latency(call, slice(0, many), 5, warm)
    return {**{name: value / many for name, value in took.items()}, "images": many}
