"""One image, large: to look at closely, to walk on from, and to pick a region of pixels in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.widgets.component import Handler, Step, define, mount, pending, stepping
from dashboard.widgets.occlusion import PARTS, Panel, map_data

Region = tuple[int, int, int, int]
"""Part of an image in its own pixels: x0, y0, x1, y1, where x1 and y1 are the first beyond."""

SMALL = 128
"""Longer side, in pixels, up to which an image is scaled without smoothing."""

_render = define("viewer", *PARTS, "viewer_overlay", "viewer_verdicts")


@dataclass(frozen=True)
class Picture:
    """An image to show large.

    Attributes:
        src: Its URL.
        width: Its own width in pixels, whatever the URL delivers.
        height: Its own height in pixels.
        alt: What it shows, for those who do not see it.
        title: Short name.
    """

    src: str
    width: int
    height: int
    alt: str
    title: str = ""


@dataclass(frozen=True)
class Overlay:
    """An occlusion map to lay over a picture.

    Attributes:
        values: float32 (rows, columns): the probability with the patch at each position.
        width: Of the image that the model read, in pixels; the map covers the whole picture.
        height: Likewise.
        patch: Side of the patch, in those pixels.
        stride: Pixels from one position to the next.
        clean: Probability without a patch.
        scale: Probabilities that the first and the last colour stand for.
        says: What the values are: ``Probability of 7 with the patch there``.
    """

    values: np.ndarray
    width: int
    height: int
    patch: int
    stride: int
    clean: float
    scale: tuple[float, float]
    says: str


@dataclass(frozen=True)
class Verdicts:
    """The verdicts that a reviewer may give on a picture, each with a button and a key.

    The widget sends what is given, and that the last one is to be taken back, to ``handlers`` with
    a token of its own: sent again because no answer came, an event bears the same token.

    Attributes:
        sample_id: The image.
        given: Its label.
        suggested: The label that may be the right one.
        labels: All classes, each with its key; none has one where they are too many.
        handlers: For the actions ``verdict`` (``verdict``, ``decided``, ``sample_id``, ``given``,
            ``note``, ``token``) and ``undo`` (``token``).
        standing: What the reviewer has said of it: ``verdict``, ``decided``, ``note``.
        disabled: Whether none can be given now.
        undoable: Whether there is one to take back.
    """

    sample_id: str
    given: str
    suggested: str
    labels: Mapping[str, str | None]
    handlers: Mapping[str, Handler]
    standing: Mapping[str, str | None] | None = None
    disabled: bool = False
    undoable: bool = False


@dataclass(frozen=True)
class ViewerEvent:
    """What came of a viewer in this run.

    Attributes:
        closed: Whether the user closed it.
        region: The region now picked, or None.
        changed: Whether the user changed the region since the last run.
    """

    closed: bool
    region: Region | None
    changed: bool


def viewer(
    picture: Picture,
    *,
    key: str,
    index: int,
    total: int,
    label: str = "Image",
    picker: bool = False,
    region: Region | None = None,
    height: int = 440,
    preload: Sequence[str] = (),
    closable: bool = True,
    listed: bool = True,
    overlay: Overlay | None = None,
    step: Step | None = None,
    verdicts: Verdicts | None = None,
) -> ViewerEvent:
    """Shows one image of a list, scaled to fit; small images stay sharp.

    While it is on screen the left and right arrow keys move through the list and Escape closes,
    unless something that uses these keys itself has the focus.

    Args:
        picture: The image.
        key: Unique in the app.
        index: Its place in the list, from 0.
        total: Length of the list.
        label: Accessible name of the whole.
        picker: Let the user drag a rectangle, or click a pixel.
        region: The region picked before the user acted; the caller keeps it.
        height: Height of the picture's place on screen, in pixels.
        preload: URLs of images that are likely next.
        closable: Whether it can be closed; False where it is the page's own picture.
        listed: Whether the image is one of the list; if not, no place in it is told.
        overlay: A map over the picture, read where the pointer is; its opacity is the user's and
            stays from image to image.
        step: Goes to the previous or the next image; None where the list has but one.
        verdicts: What can be said of its label, if anything.

    Returns:
        What the user did. Where it asks to be closed, the caller does so at once: Streamlit may
        break the run off at its next command, and the event with it.

    Raises:
        ValueError: The overlay is no map of such an image.
    """
    event = pending(key)
    action = event.get("action")
    after = _apply(region, event, picture) if picker else None
    mount(
        _render,
        key=key,
        data={
            "src": picture.src,
            "image_width": picture.width,
            "image_height": picture.height,
            "alt": picture.alt,
            "title": picture.title,
            "pixelated": max(picture.width, picture.height) <= SMALL,
            "index": index,
            "total": total,
            "label": label,
            "picker": picker,
            "region": after,
            "height": height,
            "preload": list(preload),
            "closable": closable,
            "closing": action == "close",
            "listed": listed,
            "overlay": _told(overlay),
            "verdicts": _offered(verdicts),
        },
        handlers={**stepping(step), **({} if verdicts is None else verdicts.handlers)},
    )
    return ViewerEvent(
        closed=action == "close",
        region=after,
        changed=picker and after != region,
    )


def _told(overlay: Overlay | None) -> dict[str, Any] | None:
    if overlay is None:
        return None
    data = map_data(
        overlay.width,
        overlay.height,
        [Panel("Probability", overlay.values, "probability")],
        patch=overlay.patch,
        stride=overlay.stride,
        clean=overlay.clean,
        scale=overlay.scale,
    )
    return {**data, "says": overlay.says}


def _offered(verdicts: Verdicts | None) -> dict[str, Any] | None:
    if verdicts is None:
        return None
    return {
        "sample_id": verdicts.sample_id,
        "given": verdicts.given,
        "suggested": verdicts.suggested,
        "labels": [{"name": name, "key": key} for name, key in verdicts.labels.items()],
        "standing": None if verdicts.standing is None else dict(verdicts.standing),
        "disabled": verdicts.disabled,
        "undoable": verdicts.undoable,
    }


def _apply(before: Region | None, event: Mapping[str, Any], picture: Picture) -> Region | None:
    if "region" not in event:
        return before
    given = event["region"]
    if not (isinstance(given, list) and len(given) == 4 and all(type(n) is int for n in given)):
        return None
    x0, y0, x1, y1 = given
    inside = 0 <= x0 < x1 <= picture.width and 0 <= y0 < y1 <= picture.height
    return (x0, y0, x1, y1) if inside else before
