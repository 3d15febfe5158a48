"""Occlusion maps of deep networks: only the region that the patch has reached is computed again.

The image is run once and its activations are kept. For every position each step is then computed on
its box alone, on what the step before has changed stitched into the kept activations around it. The
first step whose box covers most of its map, or that is not known to work on boxes, gets the whole
map, and from there on the network runs as usual, for many positions at once.

Source: S. Nakandala, A. Kumar, Y. Papakonstantinou, "Incremental and approximate inference for
faster occlusion-based deep CNN explanations", SIGMOD 2019 (Krypton), of which the exact part is
made here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.methods.backend import traced
from pipelines.methods.feeding import to_probabilities
from pipelines.methods.occlusion import tensors
from pipelines.methods.occlusion.graph import Pair, Step
from pipelines.methods.occlusion.patches import Patches
from pipelines.methods.occlusion.reach import Box, Lines, reached, window_of
from pipelines.methods.occlusion.whole import Progress, copies_for


class Regions:
    """Runs the boxes of many positions of one image at a time.

    Its weights are those that the model had when it was read.

    Attributes:
        copies: How many positions at a time.
        parts: How many steps are computed on boxes.
    """

    def __init__(self, steps: list[Step], patches: Patches) -> None:
        import tensorflow as tf

        self.patches = patches
        self.steps = steps
        self.boxes = reached(steps, patches)
        self.parts = sum(box is not None for box in self.boxes) - 1
        self.copies = copies_for(self._largest())
        self._kept = self._needed()
        image = tf.TensorSpec((1, *steps[0].shape), tf.float32)
        places = tf.TensorSpec((None,), tf.int32)
        kept = [tf.TensorSpec((1, *steps[one].shape), tf.float32) for one in self._kept]
        self._clean = traced(self._run_clean, image)
        self._changed = traced(self._run_changed, image, places, places, *kept)

    def __call__(
        self,
        images: np.ndarray,
        hidden: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        progress: Progress,
    ) -> np.ndarray:
        """Probabilities at the given rows and columns: float32 (b, rows, columns, classes)."""
        stride = self.patches.stride
        down, right = np.meshgrid(rows // stride, columns // stride, indexing="ij")
        places = np.stack([down.ravel(), right.ravel()]).astype(np.int32)
        outputs = []
        for number in range(len(images)):
            image, shown = images[number : number + 1], hidden[number : number + 1]
            kept = self._clean(image)
            for first in range(0, places.shape[1], self.copies):
                some = places[:, first : first + self.copies]
                outputs.append(self._changed(shown, some[0], some[1], *kept).numpy())
                done = min(1.0, (first + self.copies) / places.shape[1])
                progress(number + done, len(images))
        probabilities = to_probabilities(np.concatenate(outputs))
        return probabilities.reshape(len(images), len(rows), len(columns), -1)

    def _needed(self) -> list[int]:
        """Steps whose activations are kept: the image, and all that is read beyond its boxes."""
        needed = {0}
        for step, box in zip(self.steps, self.boxes, strict=True):
            for one in step.inputs:
                theirs = self.boxes[one]
                if theirs is not None and not self._as_it_is(step, box, one, theirs):
                    needed.add(one)
        return sorted(needed)

    def _as_it_is(self, step: Step, box: Box | None, one: int, theirs: Box) -> bool:
        """Whether a step can take the boxes of another without anything around them."""
        if box is None:
            return theirs.size == self.steps[one].shape[:2]
        if step.slides:
            size, starts = window_of(step, box)
            return (
                size == theirs.size
                and np.array_equal(starts[0], theirs.rows.start)
                and np.array_equal(starts[1], theirs.columns.start)
            )
        return step.kind != "merge" or box.same(theirs)

    def _largest(self) -> int:
        """Values of the largest tensor that one position needs."""
        values = [int(np.prod(self.steps[0].shape))]
        for step, box in zip(self.steps, self.boxes, strict=True):
            if box is None:
                values += [int(np.prod(step.shape))]
                values += [int(np.prod(self.steps[one].shape)) for one in step.inputs]
            elif step.slides:
                size, _ = window_of(step, box)
                values.append(size[0] * size[1] * self.steps[step.inputs[0]].shape[2])
            else:
                values.append(box.size[0] * box.size[1] * step.shape[2])
        return max(values)

    def _run_clean(self, image: Any) -> list[Any]:
        """Activations of the whole image, of the steps that are kept."""
        values: list[Any] = [image]
        for step in self.steps[1 : self._kept[-1] + 1]:
            values.append(tensors.run(step, [values[one] for one in step.inputs]))
        return [values[one] for one in self._kept]

    def _run_changed(self, hidden: Any, down: Any, right: Any, *kept: Any) -> Any:
        """Outputs at some positions, given what hidden pixels show and what was kept."""
        clean = dict(zip(self._kept, kept, strict=True))
        values: list[Any] = []
        for place, (step, box) in enumerate(zip(self.steps, self.boxes, strict=True)):
            if place == 0:
                values.append(self._patch(clean[0], hidden, down, right))
                continue
            taken = [
                self._taken(step, box, one, values[one], clean.get(one), down, right)
                for one in step.inputs
            ]
            if box is None:
                values.append(tensors.run(step, taken))
            else:
                origin = _starts((box.rows.start, box.columns.start), down, right)
                values.append(tensors.run_part(step, taken, origin, box.size))
        return values[-1]

    def _patch(self, image: Any, hidden: Any, down: Any, right: Any) -> Any:
        """The boxes of the image: hidden inside the patch, the image around it."""
        box = self.boxes[0]
        assert box is not None
        starts = _starts((box.rows.start, box.columns.start), down, right)
        inside = tensors.outer(
            _covered(box.rows, down, starts[0]), _covered(box.columns, right, starts[1])
        )
        return tensors.patch(image, hidden, inside, starts, box.size)

    def _taken(
        self,
        step: Step,
        box: Box | None,
        one: int,
        value: Any,
        clean: Any,
        down: Any,
        right: Any,
    ) -> Any:
        """What a step takes of another: its boxes, with what lies around them where needed."""
        theirs = self.boxes[one]
        if theirs is None or clean is None:
            return value
        if self._as_it_is(step, box, one, theirs):
            return value
        size: Pair
        if box is None:
            size = self.steps[one].shape[0], self.steps[one].shape[1]
            nought = np.zeros_like(theirs.rows.start), np.zeros_like(theirs.columns.start)
            starts = _starts(nought, down, right)
        elif step.slides:
            size, from_where = window_of(step, box)
            starts = _starts(from_where, down, right)
        else:
            size = box.size
            starts = _starts((box.rows.start, box.columns.start), down, right)
        origin = _starts((theirs.rows.start, theirs.columns.start), down, right)
        return tensors.stitched(
            clean, value, origin, starts, size, tensors.outside(step), theirs.size
        )


def _starts(lines: tuple[np.ndarray, np.ndarray], down: Any, right: Any) -> tuple[Any, Any]:
    """Where something starts at some positions, from where it starts by row and by column."""
    import tensorflow as tf

    rows, columns = (tf.constant(one.astype(np.int32)) for one in lines)
    return tf.gather(rows, down), tf.gather(columns, right)


def _covered(lines: Lines, places: Any, start: Any) -> Any:
    """Which lines of the boxes lie in the patch, bool (n, size)."""
    import tensorflow as tf

    line = start[:, None] + tf.range(lines.size)[None]
    first, end = (tf.gather(one.astype(np.int32), places) for one in (lines.first, lines.end))
    return (line >= first[:, None]) & (line < end[:, None])
