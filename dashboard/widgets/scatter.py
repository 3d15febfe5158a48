"""A map of many points: to look at, to move over, and to draw an outline around some of them.

Places and ids come once, by URL (see :mod:`dashboard.points`); colours and the selection come with
every run, so that a map keeps its view while it is coloured anew. What comes back is only the
outline that a person drew: whoever knows all points says which lie inside.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dashboard.widgets.component import define, mount, pending

Outline = tuple[tuple[int, int], ...]
"""Vertices, in units of a ten-thousandth of the map's longer side, from its lower left corner."""

UNITS: Final = 10_000
"""The longer side of a map in the units of an outline."""

MOST_VERTICES: Final = 400

_FARTHEST: Final = 100 * UNITS
_NUMBERS: Final = "_"

_render = define("scatter", "scatter_drawing", "scatter_parts")

SHAPES: Final = {"circle": 0, "square": 1, "diamond": 2, "cross": 3, "triangle-up": 4, "x": 5}
"""What a point can look like: Plotly's name of the symbol, and the widget's number of it."""


@dataclass(frozen=True)
class Entry:
    """A line of the legend.

    Attributes:
        code: Code of the points that it names.
        name: What they are.
        count: How many there are, all points counted.
    """

    code: int
    name: str
    count: int


@dataclass(frozen=True)
class Colouring:
    """What colour each drawn point has.

    Attributes:
        codes: uint8 or uint16 (drawn,), places in the palette; what lies beyond it is grey.
        palette: ``#RRGGBB`` by code.
        entries: The legend; none for a scale.
        scale: Ends of a scale in words, or None where the codes are kinds.
        shapes: Names of ``SHAPES`` by code; circles where there are none.
    """

    codes: np.ndarray
    palette: Sequence[str]
    entries: Sequence[Entry] = ()
    scale: tuple[str, str] | None = None
    shapes: Sequence[str] = ()


@dataclass(frozen=True)
class Mark:
    """A place to point out with a ring and a name.

    Attributes:
        x: In parts of the map's longer side, from the lower left corner.
        y: Upwards, the same way.
        name: A word or two, may be empty.
    """

    x: float
    y: float
    name: str = ""


@dataclass(frozen=True)
class ScatterEvent:
    """What came of a map in this run.

    Attributes:
        outline: The outline drawn since the last run, or None.
        added: Whether it is to be added to what is selected.
        opened: Id of the point clicked since the last run, or None.
        cleared: Whether the selection was cleared.
    """

    outline: Outline | None = None
    added: bool = False
    opened: str | None = None
    cleared: bool = False


@dataclass(frozen=True)
class Selected:
    """What is selected on a map.

    Attributes:
        drawn: One truth value a drawn point.
        total: How many are selected of all points, the drawn and the others.
        outline: What to draw around them, or None.
    """

    drawn: np.ndarray
    total: int
    outline: Outline | None = None


@dataclass(frozen=True)
class Source:
    """Where the points and their pictures come from.

    Attributes:
        points: URL of the points.
        thumbnails: URL of the thumbnails up to the id.
        pixelated: Scale thumbnails without smoothing.
        drawn: How many points the URL delivers.
    """

    points: str
    thumbnails: str
    pixelated: bool
    drawn: int


def happened(key: str) -> ScatterEvent:
    """What the user did on a map since the last run; ask before it is shown with its selection.

    Args:
        key: The map's key.
    """
    event = pending(key)
    opened = event.get("opened")
    return ScatterEvent(
        outline=read_outline(event.get("outline")),
        added=event.get("add") is True,
        opened=opened if isinstance(opened, str) else None,
        cleared=event.get("clear") is True,
    )


def scatter(
    source: Source,
    colouring: Colouring,
    *,
    key: str,
    label: str,
    selected: Selected | None = None,
    marks: Sequence[Mark] = (),
    height: int = 520,
    axes: tuple[str, str] | None = None,
) -> None:
    """Shows a map of points.

    Dragging draws a lasso or a box, or moves the map; the wheel zooms; a click opens a point.
    Points that are not selected turn grey. The buttons above it and the keys they name do the
    same without a pointer.

    Args:
        source: Where the points come from.
        colouring: Their colours.
        key: Unique in the app.
        label: Accessible name: what the map is of.
        selected: What is selected; the caller keeps it. None for no selection.
        marks: Places to point out.
        height: Of the map on screen, in pixels.
        axes: What the sides of a unit square are, from left to right and from bottom to top, in
            shares; None for a map, whose places mean nothing by themselves.

    Raises:
        ValueError: There is not one code for each drawn point.
    """
    if len(colouring.codes) != source.drawn:
        raise ValueError(
            "A map needs one colour code for each drawn point. "
            f"Received: {len(colouring.codes)} codes, {source.drawn} points."
        )
    wide = colouring.codes.dtype != np.uint8
    outline = selected.outline if selected is not None else None
    mount(
        _render,
        key=key,
        data={
            "url": source.points,
            "thumbnails": source.thumbnails,
            "pixelated": source.pixelated,
            "codes": _base64(colouring.codes.astype("<u2" if wide else np.uint8)),
            "wide": wide,
            "palette": list(colouring.palette),
            "shapes": [SHAPES.get(name, 0) for name in colouring.shapes],
            "legend": {
                "items": [
                    {"code": each.code, "name": each.name, "count": f"{each.count:,}"}
                    for each in colouring.entries
                ],
                "scale": None
                if colouring.scale is None
                else {"low": colouring.scale[0], "high": colouring.scale[1]},
            },
            "selected": None
            if selected is None
            else _base64(np.packbits(selected.drawn, bitorder="little")),
            "selected_total": 0 if selected is None else selected.total,
            "outline": None if outline is None else [[x / UNITS, y / UNITS] for x, y in outline],
            "marks": [{"x": mark.x, "y": mark.y, "name": mark.name} for mark in marks],
            "label": label,
            "height": height,
            "axes": None if axes is None else list(axes),
        },
    )


def read_outline(given: object) -> Outline | None:
    """An outline that came from outside, or None where it is none."""
    if not isinstance(given, list) or not 3 <= len(given) <= MOST_VERTICES:
        return None
    vertices = []
    for pair in given:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(v) is int for v in pair)):
            return None
        if max(map(abs, pair)) > _FARTHEST:
            return None
        vertices.append((pair[0], pair[1]))
    return tuple(vertices)


def write_outline(outline: Outline) -> str:
    """An outline as text for the URL."""
    return _NUMBERS.join(str(value) for pair in outline for value in pair)


def parse_outline(text: str) -> Outline | None:
    """An outline from the URL, or None where the text means none."""
    try:
        numbers = [int(value) for value in text.split(_NUMBERS)]
    except ValueError:
        return None
    return read_outline([list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=False)])


def inside(places: np.ndarray, outline: Outline) -> np.ndarray:
    """Which points lie within an outline, by the even-odd rule.

    Args:
        places: Points (n, 2), in parts of the map's longer side.
        outline: Its vertices.

    Returns:
        bool (n,).
    """
    vertices = np.asarray(outline, np.float64) / UNITS
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    within = np.zeros(len(places), bool)
    near = np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
    x, y = places[near].astype(np.float64).T
    odd = np.zeros(len(near), bool)
    for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crossed = (y0 > y) != (y1 > y)
        odd ^= crossed & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    within[near] = odd
    return within


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
