"""Pictures inside the page, of which there are only so many that it can be sent by mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from cache import Workspace
from cache.errors import CacheError
from pipelines.methods import number
from pipelines.methods.pixels import data_url, encode, view_of
from pipelines.methods.reading import pixel_reader
from pipelines.reporting.markup import Child, Html, tag

BYTES: Final = 6_000_000
"""What all pictures of a report may take, as they stand in the page."""

SIDE: Final = 192
"""Longer side that larger images are shrunk to, in pixels."""

VIEWS: Final = 4
"""Most views of an image that stand beside one another in its picture."""

_SMALL: Final = 64
"""Longer side, in pixels, up to which an image is sent without loss and shown pixel by pixel."""


class Pictures:
    """The images of a workspace as data URLs, as long as there is room for them.

    Attributes:
        left: Bytes that pictures may still take.
    """

    def __init__(self, workspace: Workspace, room: int = BYTES) -> None:
        """Open the images of a workspace.

        Raises:
            MissingArtefactError: The samples have not been read yet.
        """
        self.left = room
        self._read: Callable[[int], np.ndarray] = pixel_reader(workspace)
        self._views = workspace.dataset.views[:VIEWS]
        self._all = len(workspace.dataset.views)

    @property
    def views(self) -> str:
        """What the pictures show beside one another, as a sentence; empty for one view."""
        if self._all == 1:
            return ""
        more = f" ({self._all - len(self._views)} more left out)" * (self._all > len(self._views))
        return f"Each picture shows, from left to right: {', '.join(self._views)}{more}."

    def picture(self, row: int, alt: str) -> Html | None:
        """An image, or None where there is no room for it.

        Args:
            row: Its position among the samples.
            alt: What it shows, in words.
        """
        try:
            image = self._read(row)
        except CacheError:
            return tag("p", "The image's file was removed or changed.", class_="faint")
        shown = [view_of(image, place, self._all) for place in range(len(self._views))]
        beside = np.concatenate(shown, axis=1)
        small = max(image.shape[:2]) <= _SMALL
        url = data_url(encode(beside, SIDE * len(shown), lossless=small))
        return self.take(url, alt, small=small)

    def take(self, url: str, alt: str, *, small: bool) -> Html | None:
        """Any picture as an element, or None where there is no room for it.

        Args:
            url: Its data URL.
            alt: What it shows, in words.
            small: Whether its pixels are to be seen as such.
        """
        if len(url) > self.left:
            return None
        self.left -= len(url)
        return tag("img", src=url, alt=alt, class_="small" if small else None)


def gallery(
    pictures: Pictures, tiles: Sequence[tuple[int, str, Child]], of: int, what: str
) -> list[Html]:
    """Pictures with their captions, and how many there are of what.

    Args:
        pictures: The images.
        tiles: Position among the samples, alternative text and caption, in order.
        of: How many there are to choose from.
        what: What they are: ``mistakes on test, the surest first``.
    """
    shown = []
    for row, alt, caption in tiles:
        drawn = pictures.picture(row, alt)
        if drawn is None:
            break
        shown.append(tag("li", tag("figure", drawn, tag("figcaption", caption))))
    said = f"{len(shown):,} of {number.count(of)} {what}."
    if len(shown) < len(tiles):
        said += " The others are left out because the report would become too large."
    return [
        tag("p", f"{said} {pictures.views}".strip(), class_="faint"),
        tag("ul", *shown, class_="gallery"),
    ]
