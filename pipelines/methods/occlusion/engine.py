"""Opens a classifier for occlusion maps, in the quickest of three ways that fits it.

All ways give the same numbers: the probability of every class with the patch at each position, as
a pass through the whole network would give it, up to the rounding of float32 sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from pipelines.methods.backend import load_tensorflow
from pipelines.methods.occlusion import graph, reach
from pipelines.methods.occlusion.graph import Step
from pipelines.methods.occlusion.patches import Patches
from pipelines.methods.occlusion.regions import Regions
from pipelines.methods.occlusion.table import Table, network
from pipelines.methods.occlusion.whole import Progress, Whole

if TYPE_CHECKING:
    import keras

Way = Literal["whole", "table", "regions"]

PAYS = 1.25
"""How many times less work, by estimate, the regions must be before they are taken."""

Run = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Progress], np.ndarray]


@dataclass(frozen=True)
class Engine:
    """A classifier that is ready to make occlusion maps.

    Attributes:
        way: ``whole``, ``table`` or ``regions``.
        why: Why this way, in a sentence.
        patches: Where the patches lie.
        channels: Of the images.
        run: From images, hidden, rows, columns and progress to maps.
    """

    way: Way
    why: str
    patches: Patches
    channels: int
    run: Run

    def maps(
        self, images: np.ndarray, hidden: np.ndarray, *, progress: Progress | None = None
    ) -> np.ndarray:
        """Probabilities of all classes with the patch at every position.

        Args:
            images: float32 (b, height, width, channels), as the model takes them, finite.
            hidden: What hidden pixels show, of that shape or broadcastable to it.
            progress: Called with how many images are done, parts of one included, and how many
                there are.

        Returns:
            float32 (b, rows, columns, classes); two classes where the model has one output, the
            probability of the second.

        Raises:
            ValueError: The shapes are not as above.
        """
        return self.at(images, hidden, self.patches.rows, self.patches.columns, progress=progress)

    def at(
        self,
        images: np.ndarray,
        hidden: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        *,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The same at some rows and columns of centres only, every row with every column.

        Args:
            images: As for :meth:`maps`.
            hidden: As for :meth:`maps`.
            rows: Rising integers, some of ``patches.rows``.
            columns: Rising integers, some of ``patches.columns``.
            progress: As for :meth:`maps`.

        Returns:
            float32 (b, len(rows), len(columns), classes).

        Raises:
            ValueError: The shapes are not as above, or a centre is none of the patches'.
        """
        shape = self.patches.height, self.patches.width, self.channels
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or images.shape[1:] != shape or not len(images):
            raise ValueError(
                f"The 'images' of occlusion maps must have the shape (b, {_written(shape)}) of "
                f"what the model takes, b >= 1. Received: {images.shape}. "
                "Bring them to the model's input first."
            )
        try:
            shown = np.broadcast_to(np.asarray(hidden, np.float32), images.shape)
        except ValueError:
            raise ValueError(
                "The 'hidden' of occlusion maps must have the images' shape, or one that "
                f"broadcasts to it. Received: {np.shape(hidden)} for {images.shape}. "
                "Make it with filled."
            ) from None
        rows, columns = np.asarray(rows, np.int32), np.asarray(columns, np.int32)
        _check_centres(rows, self.patches.rows, "rows")
        _check_centres(columns, self.patches.columns, "columns")
        return self.run(images, shown, rows, columns, progress or _silent)


def open_engine(
    model: keras.Model,
    *,
    size: int = 3,
    stride: int = 1,
    way: Literal["auto", "whole", "table", "regions"] = "auto",
) -> Engine:
    """Open a classifier for occlusion maps.

    The ways ``table`` and ``regions`` keep the weights that the model has now.

    Args:
        model: Keras model from float32 images (batch, height, width, channels) of a fixed size to
            (batch, classes), or to (batch, 1), the probability of the second of two classes.
        size: Side of the patch, in pixels.
        stride: Pixels from one position to the next.
        way: ``auto`` takes the table where it fits, else the regions where they pay, else whole.

    Raises:
        ValueError: The model takes no such images or gives no such output, the way does not fit
            it, or size or stride is no integer >= 1.
    """
    load_tensorflow()
    height, width, channels = _image_shape(model)
    patches = Patches(height, width, size, stride)
    if way not in ("auto", *get_args(Way)):
        raise ValueError(
            "The 'way' of an occlusion engine must be auto, whole, table or regions. "
            f"Received: way={way!r}. Leave it out for the quickest one."
        )

    def engine(chosen: Way, why: str, run: Run) -> Engine:
        return Engine(chosen, why, patches, channels, run)

    if way == "whole":
        return engine(
            "whole",
            "Every position runs through the whole network, as asked.",
            _whole(model, patches),
        )
    steps = _steps(model)
    if isinstance(steps, str):
        if way != "auto":
            raise _misfit(way, steps)
        why = f"Every position runs through the whole network: {steps}."
        return engine("whole", why, _whole(model, patches))
    found = network(steps)
    if way in ("auto", "table"):
        if not isinstance(found, str):
            why = "A convolution, pooling and dense layers: each position is a sum of patterns."
            return engine("table", why, Table(found, patches))
        if way == "table":
            raise _misfit(way, found)
    boxes = reach.reached(steps, patches)
    parts = sum(box is not None for box in boxes) - 1
    before, after = reach.work(steps, boxes)
    if parts < 1 or boxes[0] is None:
        reason = "its first layer needs the whole image, or the patch reaches nearly all of it"
        if way == "regions":
            raise _misfit(way, reason)
    elif way == "regions" or before >= PAYS * after:
        why = (
            f"{parts} of {len(steps) - 1} steps are computed only where the patch reaches, "
            f"about {before / after:.1f} times less work than the whole network."
        )
        return engine("regions", why, Regions(steps, patches))
    else:
        reason = "what the patch reaches is nearly all of its work"
    why = f"Every position runs through the whole network: {found}, and {reason}."
    return engine("whole", why, _whole(model, patches))


def _whole(model: Any, patches: Patches) -> Whole:
    return Whole(model, patches)


def _steps(model: Any) -> list[Step] | str:
    """The steps of a model, or why it has none, as the end of a sentence."""
    steps = graph.read(model)
    if steps is None:
        return "the model is no plain graph of layers"
    return steps


def _image_shape(model: Any) -> tuple[int, int, int]:
    inputs = list(getattr(model, "inputs", None) or ())
    outputs = list(getattr(model, "outputs", None) or ())
    shapes = [tuple(one.shape[1:]) for one in inputs]
    spatial = len(shapes) == 1 and len(shapes[0]) == 3 and None not in shapes[0]
    if not spatial:
        received = ", ".join(f"({_written(one)})" for one in shapes) or "no known input"
        raise ValueError(
            "An occlusion map needs a model with a spatial input: one image (height, width, "
            f"channels) of a fixed size. Received: {received}. "
            "Explain a model that looks at images."
        )
    given = [tuple(one.shape[1:]) for one in outputs]
    if len(given) != 1 or len(given[0]) != 1 or given[0][0] is None:
        received = ", ".join(f"({_written(one)})" for one in given)
        raise ValueError(
            "An occlusion map needs a model with one output, the probabilities of the classes. "
            f"Received: {received}. Explain a classifier."
        )
    height, width, channels = shapes[0]
    return height, width, channels


def _misfit(way: str, reason: str) -> ValueError:
    return ValueError(
        f"The way '{way}' does not fit this model: {reason}. Received: way={way!r}. "
        "Use way='auto', which takes one that fits."
    )


def _check_centres(given: np.ndarray, known: np.ndarray, name: str) -> None:
    if (
        given.ndim != 1
        or not len(given)
        or (np.diff(given) < 1).any()
        or set(given.tolist()) - set(known.tolist())
    ):
        raise ValueError(
            f"The '{name}' of occlusion maps must be rising integers from 0 to {known[-1]}, in "
            f"steps of the stride. Received: {given.tolist()[:10]}. Take them from the patches."
        )


def _written(shape: tuple[Any, ...]) -> str:
    return ", ".join(str(side) for side in shape)


def _silent(done: float, total: int) -> None:
    """Progress that nobody follows."""
