"""Occlusion maps of one image as the page shows them: made live, and what is read off them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import streamlit as st

from cache import Run
from dashboard import live
from dashboard.images import LOSSLESS
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.pixels import data_url, encode, to_display

if TYPE_CHECKING:
    from pipelines.methods.occlusion.engine import Engine
    from pipelines.methods.occlusion.refine import Grid

Fill = Literal["black", "mean", "blur"]

FILLS: Final[tuple[Fill, ...]] = ("black", "mean", "blur")
"""What hidden pixels can show: nothing, the mean of train, or the image itself, blurred."""

GRID: Final = 32
"""Positions along a side that a map has at most where no stride is chosen."""

PATCH_SHARE: Final = 9
"""Of the side of a large image a patch takes one part in so many, where none is chosen."""

COARSEST: Final = 64
"""Positions of the first grid where a map takes its time."""

_KEPT = "occlusion_kept"
_MOST_KEPT = 40
_DARK = "#000000"


@dataclass(frozen=True)
class Explained:
    """The maps of one image.

    Attributes:
        maps: float32 (rows, columns, classes), probabilities with the patch at each position.
        clean: float32 (classes,), without it.
        stride: Pixels between the positions of the maps.
        done: Share of all positions that are known, those of the next grid included, up to 1.
        known: How many these are.
        milliseconds: What they took so far.
        way: How they were computed.
        why: Why that way.
    """

    maps: np.ndarray
    clean: np.ndarray
    stride: int
    done: float
    known: int
    milliseconds: float
    way: str
    why: str

    @property
    def whole(self) -> bool:
        """Whether all positions are known."""
        return self.done >= 1

    @property
    def flips(self) -> int:
        """Positions at which a patch changes the prediction."""
        return int((self.maps.argmax(axis=2) != self.clean.argmax()).sum())


@dataclass(frozen=True)
class Question:
    """What is asked about an image.

    Attributes:
        run: Whose model.
        image: float32 (height, width, channels) as the model reads it.
        patch: Side of the patch in pixels.
        stride: Pixels from one position to the next.
        fill: What hidden pixels show.
        of: Position of the class asked for.
    """

    run: Run
    image: np.ndarray
    patch: int
    stride: int
    fill: Fill
    of: int

    @property
    def label(self) -> str:
        """Name of the class asked for."""
        return self.run.workspace.dataset.classes[self.of]


def default_patch(side: int) -> int:
    """Side of the patch for images of a longer side: 3 pixels, or a ninth of it."""
    ninth = side // PATCH_SHARE
    return max(3, ninth + (ninth % 2 == 0))


def default_stride(side: int) -> int:
    """Pixels from one position to the next for images of a longer side."""
    return -(-side // GRID)


def explain(run: Run, image: np.ndarray, patch: int, stride: int, fill: Fill) -> Explained:
    """The maps of an image as far as they are known: at first of a coarse grid.

    Args:
        run: Whose model is asked.
        image: float32 (height, width, channels) as the model reads it.
        patch: Side of the patch in pixels.
        stride: Pixels from one position to the next, in the end.
        fill: What hidden pixels show.

    Raises:
        MissingArtefactError: The run has not been trained yet.
        ValueError: The model cannot be explained by occlusion.
    """
    work = _work(run, image, patch, stride, fill)
    if work.known is None:
        work.known = _next(work)
    assert work.known is not None, "there is a first grid"
    return work.known


def refine(run: Run, image: np.ndarray, patch: int, stride: int, fill: Fill) -> Explained | None:
    """Compute a part of the next finer grid, a fraction of a second; arguments as above.

    Returns:
        What is known then; None where there was nothing left to do.
    """
    work = _work(run, image, patch, stride, fill)
    further = _next(work)
    work.known = further or work.known
    return further


@dataclass
class _Work:
    """Maps that are being made."""

    engine: Engine
    clean: np.ndarray
    grids: Iterator[Grid]
    known: Explained | None = None


def _work(run: Run, image: np.ndarray, patch: int, stride: int, fill: Fill) -> _Work:
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    artefact = run.artefact("train")
    key = (str(artefact.folder), artefact.manifest.fingerprint, digest, patch, stride, fill)
    kept: dict[object, _Work] = st.session_state.setdefault(_KEPT, {})
    if key not in kept:
        images = image[None]
        engine = live.engine(run, patch, stride)
        # Where a map takes no time, all of it is computed at once.
        coarsest = engine.patches.count if engine.way == "table" else COARSEST
        grids = live.occlude(engine, images, hidden(run, image, patch, fill)[None], coarsest)
        kept[key] = _Work(engine, live.probabilities(run, images)[0], grids)
    kept[key] = kept.pop(key)
    for oldest in list(kept)[:-_MOST_KEPT]:
        del kept[oldest]
    return kept[key]


def _next(work: _Work) -> Explained | None:
    """The maps after a further part of the work; None after the last."""
    started = time.perf_counter()
    grid = next(work.grids, None)
    if grid is None:
        return None
    before = work.known.milliseconds if work.known else 0.0
    milliseconds = before + 1000 * (time.perf_counter() - started)
    engine = work.engine
    return Explained(
        grid.maps[0],
        work.clean,
        grid.stride,
        grid.done,
        round(grid.done * engine.patches.count),
        milliseconds,
        engine.way,
        engine.why,
    )


def filling(run: Run, fill: Fill) -> float | list[float] | str:
    """What hidden pixels show, as the stage of the exact maps writes it down."""
    if fill == "mean":
        return live.mean(run)
    return fill if fill == "blur" else 0.0


def hidden(run: Run, image: np.ndarray, patch: int, fill: Fill) -> np.ndarray:
    """What hidden pixels of an image show, float32 of its shape (height, width, channels).

    Args:
        run: Whose model reads it.
        image: float32 (height, width, channels) as the model reads it.
        patch: Side of the patch in pixels.
        fill: What hidden pixels show.
    """
    from pipelines.methods.occlusion.patches import filled

    shown: np.ndarray = filled(image[None], filling(run, fill), patch)[0]
    return shown


def hidden_colour(run: Run, fill: Fill) -> str | None:
    """CSS colour of what hidden pixels show; None where it differs from place to place."""
    if fill == "blur":
        return None
    if fill == "black":
        return _DARK
    levels = np.clip(np.rint(255 * np.array(live.mean(run))), 0, 255).astype(int).tolist()
    red, green, blue = levels if len(levels) == 3 else [levels[0]] * 3
    return f"#{red:02x}{green:02x}{blue:02x}"


def picture(image: np.ndarray, channel: int | None) -> str:
    """Data URL of an image as the model reads it.

    Args:
        image: float32 (height, width, channels) in [0, 1].
        channel: Which channel to show in grey; None to show them as colours.
    """
    shown = to_display(image if channel is None else image[..., channel : channel + 1])
    return data_url(encode(shown, lossless=max(shown.shape[:2]) <= LOSSLESS))


def finding(explained: Explained, label: str, of: int, patch: int) -> str:
    """The sentence that the page opens with, in Markdown.

    Args:
        explained: The maps.
        label: Name of the class that is asked for.
        of: Its position.
        patch: Side of the patch.
    """
    asked, clean = explained.maps[..., of], float(explained.clean[of])
    lowest = float(asked.min())
    row, column = np.unravel_index(int(asked.argmin()), asked.shape)
    size = f"{patch} × {patch} pixels"
    if clean - lowest < 0.005:
        start = f"No patch of {size} lowers the probability of {plain(label)} by half a percent"
    else:
        start = (
            f"Hiding {size} takes {plain(label)} from {number.percent(clean)} to "
            f"{number.percent(lowest)} at worst, at row {row}, column {column} of the map"
        )
    flips, count = explained.flips, asked.size
    end = (
        f"{number.plural(flips, 'position')} of {count:,} change the prediction"
        if flips
        else f"none of {count:,} positions changes the prediction"
    )
    return f"{start}; {end}."


def took(explained: Explained) -> str:
    """A line on what the maps took: ``441 positions in 1.2 ms``."""
    time_taken = explained.milliseconds
    told = f"{time_taken:.1f} ms" if time_taken < 1000 else f"{time_taken / 1000:.1f} s"
    return f"{explained.known:,} positions in {told}"


def scale(values: list[np.ndarray], clean: list[float]) -> tuple[float, float]:
    """Probabilities from the lowest to the highest on show, a little apart at the least."""
    low = min(float(np.nanmin(each)) for each in values)
    high = max(*(float(np.nanmax(each)) for each in values), *clean)
    middle = (low + high) / 2
    reach = max((high - low) / 2, 0.005)
    return max(0.0, middle - reach), min(1.0, middle + reach)
