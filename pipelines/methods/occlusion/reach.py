"""How far a hidden patch reaches into a network: boxes of every step, for every position.

The rows that a patch can change depend on its row alone, and so do the columns. All boxes of a step
get one size, that of the largest, and are moved back inside the map at its border: computing more
than what has changed costs time and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.methods.occlusion.graph import Pair, Step
from pipelines.methods.occlusion.patches import Patches, span

LIMIT = 0.8
"""Part of a map from which the whole of it is computed: a box costs a copy besides."""

# What moving one number costs, in multiplications of a convolution: estimates, from the memory that
# is read and written. They decide only whether the regions are taken.
_MOVED = 30
_GATHERED = 60


@dataclass(frozen=True)
class Lines:
    """The boxes of a step in one direction, by the row (or column) that the patch is centred on.

    Attributes:
        first: First line that can change (n,).
        end: First line beyond (n,).
        size: Lines of a box.
        start: First line of the box (n,).
    """

    first: np.ndarray
    end: np.ndarray
    size: int
    start: np.ndarray


@dataclass(frozen=True)
class Box:
    """The boxes of a step: rows and columns."""

    rows: Lines
    columns: Lines

    @property
    def size(self) -> Pair:
        """Rows and columns of every box of the step."""
        return self.rows.size, self.columns.size

    def same(self, other: Box) -> bool:
        """Whether all boxes lie where those of another step do."""
        return all(
            mine.size == its.size and np.array_equal(mine.start, its.start)
            for mine, its in ((self.rows, other.rows), (self.columns, other.columns))
        )


def reached(steps: list[Step], patches: Patches) -> list[Box | None]:
    """The boxes of every step; None from where the whole map is computed.

    Args:
        steps: As :func:`pipelines.methods.occlusion.graph.read` gives them.
        patches: Where the patches lie.
    """
    found: list[Box | None] = []
    for step in steps:
        taken = [found[one] for one in step.inputs]
        box = None
        if step.kind == "input":
            box = Box(
                _lines(*span(patches.rows, patches.size, patches.height), patches.height),
                _lines(*span(patches.columns, patches.size, patches.width), patches.width),
            )
        elif step.kind != "other" and all(one is not None for one in taken):
            boxes = [one for one in taken if one is not None]
            rows = _next(step, [one.rows for one in boxes], 0)
            columns = _next(step, [one.columns for one in boxes], 1)
            if rows.size * columns.size < LIMIT * step.shape[0] * step.shape[1]:
                box = Box(rows, columns)
        found.append(box)
    return found


def window_of(step: Step, box: Box) -> tuple[Pair, tuple[np.ndarray, np.ndarray]]:
    """What a step has to take to compute its boxes.

    Returns:
        Rows and columns, and where they start for each row and each column of centres; they may
        start before the map and end beyond it.
    """
    window = step.window
    sizes = [
        (lines.size - 1) * window.strides[axis] + window.reach[axis]
        for axis, lines in enumerate((box.rows, box.columns))
    ]
    starts = [
        lines.start * window.strides[axis] - window.before[axis]
        for axis, lines in enumerate((box.rows, box.columns))
    ]
    return (sizes[0], sizes[1]), (starts[0], starts[1])


def work(steps: list[Step], boxes: list[Box | None]) -> tuple[float, float]:
    """What one position costs through the whole network and through its boxes, roughly.

    In multiplications of a convolution; only the ratio means something.
    """
    through_all = by_boxes = 0.0
    for step, box in zip(steps, boxes, strict=True):
        full = _cost(step, steps)
        through_all += full
        if box is None:
            by_boxes += full
            # What is not whole yet is put together here.
            for one in step.inputs:
                if boxes[one] is not None:
                    by_boxes += _GATHERED * float(np.prod(steps[one].shape))
            continue
        part = box.size[0] * box.size[1] / (step.shape[0] * step.shape[1])
        by_boxes += full * part
        if step.slides and step.window.reach != (1, 1):
            size, _ = window_of(step, box)
            by_boxes += _GATHERED * size[0] * size[1] * steps[step.inputs[0]].shape[2]
    return through_all, by_boxes


def _cost(step: Step, steps: list[Step]) -> float:
    values = float(np.prod(step.shape))
    if step.kernel is not None:
        inner = step.kernel.shape[:2] if step.kind == "depthwise" else step.kernel.shape[:3]
        return values * (float(np.prod(inner)) + _MOVED)
    if type(step.layer).__name__ == "Dense":
        return values * float(np.prod(steps[step.inputs[0]].shape[-1:]))
    if step.kind == "input":
        return 0.0
    return values * (_MOVED + (float(np.prod(step.window.size)) if step.slides else 0.0))


def _lines(first: np.ndarray, end: np.ndarray, length: int) -> Lines:
    size = int(max(1, (end - first).max()))
    start = np.clip(first, 0, length - size)
    return Lines(first, end, size, start.astype(np.int32))


def _next(step: Step, taken: list[Lines], axis: int) -> Lines:
    """The lines of a step from those of what it takes."""
    length = step.shape[axis]
    first = np.min([one.first for one in taken], axis=0)
    end = np.max([one.end for one in taken], axis=0)
    window = step.window
    before, stride, reach = window.before[axis], window.strides[axis], window.reach[axis]
    if step.kind == "pad":
        first, end = first + before, end + before
    elif step.slides:
        first = -(-(first + before - reach + 1) // stride)
        end = (end - 1 + before) // stride + 1
    return _lines(np.clip(first, 0, length), np.clip(end, 0, length), length)
