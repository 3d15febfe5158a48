"""Occlusion maps of one image, side by side: what the model says while a patch hides each place.

The image comes first, then one panel a map. A position chosen on any panel, by pointer or arrow
keys, is marked on all of them; which one it is stays in the browser, so that moving over the maps
costs no run of the script.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from plotly.colors import get_colorscale

from dashboard.widgets.component import Step, define, mount, stepping
from pipelines.methods.colours import DIVERGING, SEQUENTIAL

Kind = Literal["probability", "difference", "relative"]

LEAST_DIFFERENCE: Final = 0.01
"""Where the scale of differences ends at the least: below it rounding would look like structure."""

PARTS: Final = ("occlusion_drawing", "occlusion_parts")
"""What a widget that paints maps is made of besides its own files; see ``define``."""

_SEQUENTIAL: Final = [colour for _, colour in get_colorscale(SEQUENTIAL)]

_render = define("occlusion", *PARTS)


@dataclass(frozen=True)
class Panel:
    """One map.

    Attributes:
        title: A word or two: ``Exact``.
        values: float32 (rows, columns), one a position: the probability with the patch there, a
            difference of two, or what only means something within the map, from 0 to 1; nan where
            it is not computed yet.
        kind: Which of the three; it decides the colours.
        note: One line under the map, may be empty.
    """

    title: str
    values: np.ndarray
    kind: Kind
    note: str = ""


def occlusion_maps(
    src: str,
    width: int,
    height: int,
    panels: Sequence[Panel],
    *,
    key: str,
    label: str,
    patch: int | None,
    stride: int,
    clean: float | None,
    scale: tuple[float, float] = (0, 1),
    hidden: str | None = None,
    pixelated: bool = True,
    index: int = 0,
    total: int = 1,
    revealed: int = 0,
    step: Step | None = None,
) -> None:
    """Shows an image and maps of what hiding each place of it does.

    Position (i, j) of a map is the pixel (i * stride, j * stride), the centre of a patch that is
    clipped at the border. Probabilities share ``scale`` and its bar, differences one of their own
    that is centred on zero. Play slides the patch over all positions and paints the maps as it
    goes. Arrow keys move the patch, the space bar plays; in a list of images ``p`` and ``n`` (or
    brackets) ask for another one.

    Args:
        src: URL of the image.
        width: Its own width in pixels, whatever the URL delivers.
        height: Its own height in pixels.
        panels: The maps.
        key: Unique in the app.
        label: Accessible name: of what image, model and class these maps are.
        patch: Side of the patch in pixels; None for maps that are not made with one: nothing can
            be played then, and a position is the pixels that are nearer to it than to any other.
        stride: Pixels from one position to the next.
        clean: Probability without a patch; None where no map is of probabilities with one.
        scale: Probabilities that the first and the last colour stand for.
        hidden: CSS colour of what the model saw in place of the hidden pixels, painted into the
            patch on the image; None to draw only its outline.
        pixelated: Scale the image without smoothing.
        index: Place of the image in a list, from 0.
        total: Length of that list; up to 1, there is nothing to go to.
        revealed: The maps scroll into sight when this changes.
        step: Goes to the previous or the next image; None where there is nothing to go to.

    Raises:
        ValueError: A map has not one value a position, the patch or the stride is no whole number
            of pixels, the scale has no extent, or ``clean`` is no probability.
    """
    data = map_data(width, height, panels, patch=patch, stride=stride, clean=clean, scale=scale)
    mount(
        _render,
        key=key,
        data={
            **data,
            "src": src,
            "pixelated": pixelated,
            "label": label,
            "hidden": hidden,
            "index": index,
            "total": total,
            "revealed": revealed,
        },
        handlers=stepping(step),
    )


def map_data(
    width: int,
    height: int,
    panels: Sequence[Panel],
    *,
    patch: int | None,
    stride: int,
    clean: float | None,
    scale: tuple[float, float],
) -> dict[str, Any]:
    """What ``occlusion_drawing.js`` needs to paint maps and to read them.

    Args:
        width: Of the image that the model read, in pixels.
        height: Likewise.
        panels: The maps.
        patch: As for :func:`occlusion_maps`, and so the rest.
        stride: Pixels from one position to the next.
        clean: Probability without a patch.
        scale: Probabilities that the first and the last colour stand for.

    Raises:
        ValueError: As for :func:`occlusion_maps`.
    """
    shape = _shape(width, height, patch, stride)
    _check(panels, shape, clean, scale)
    low, high = scale
    return {
        "image_width": width,
        "image_height": height,
        "rows": shape[0],
        "columns": shape[1],
        "patch": patch,
        "stride": stride,
        "clean": None if clean is None else float(clean),
        "panels": [
            {
                "title": panel.title,
                "kind": panel.kind,
                "note": panel.note,
                "values": _base64(panel.values),
            }
            for panel in panels
        ],
        "scales": {
            "probability": {"low": float(low), "high": float(high), "colours": _SEQUENTIAL},
            "difference": _differences(panels),
            "relative": {"low": 0.0, "high": 1.0, "colours": _SEQUENTIAL},
        },
    }


def _shape(width: int, height: int, patch: int | None, stride: int) -> tuple[int, int]:
    given = {"width": width, "height": height, "stride": stride}
    if patch is not None:
        given["patch"] = patch
    for name, pixels in given.items():
        if type(pixels) is not int or pixels < 1:
            raise ValueError(
                f"The '{name}' of occlusion maps must be an integer >= 1, in pixels. "
                f"Received: {name}={pixels!r}."
            )
    return math.ceil(height / stride), math.ceil(width / stride)


def _check(
    panels: Sequence[Panel],
    shape: tuple[int, int],
    clean: float | None,
    scale: tuple[float, float],
) -> None:
    for panel in panels:
        if panel.values.shape != shape:
            raise ValueError(
                f"An occlusion map needs one value a position, here shape={shape}. "
                f"Received: shape={panel.values.shape} for the map '{panel.title}'. "
                "Pass the stride that the map was made with."
            )
    low, high = scale
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            "The 'scale' of occlusion maps must go from a lower to a higher probability. "
            f"Received: scale=({low}, {high}). Pass (0, 1) to show all there can be."
        )
    if clean is not None and not 0 <= clean <= 1:
        raise ValueError(
            "The 'clean' probability must be between 0 and 1. "
            f"Received: clean={clean}. Pass what the model says of the image without a patch."
        )


def _differences(panels: Sequence[Panel]) -> dict[str, Any]:
    """Scale of the differences, from minus the largest one to itself."""
    values = [panel.values for panel in panels if panel.kind == "difference"]
    sizes = np.abs(np.concatenate([each.ravel() for each in values])) if values else np.empty(0)
    sizes = sizes[np.isfinite(sizes)]
    end = max(LEAST_DIFFERENCE, float(sizes.max(initial=0)))
    return {"low": -end, "high": end, "colours": list(DIVERGING)}


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")
