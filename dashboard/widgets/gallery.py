"""The one gallery of the dashboard: images in tiles, to look through, select and open.

Everything that shows many samples shows them with :func:`gallery`. Images come by URL and load as
they scroll into view; a page of a long list is cut out with :func:`page_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, Literal, TypeVar

import streamlit as st

from dashboard.widgets.component import define, mount, pending

T = TypeVar("T")

TileSize = Literal["small", "medium", "large"]

Mark = Literal["right", "wrong", "match", "other"]

_PIXELS: dict[TileSize, int] = {"small": 96, "medium": 136, "large": 208}

_render = define("gallery")


@dataclass(frozen=True)
class Tile:
    """One image of a gallery.

    Attributes:
        id: Names the tile in events and in the selection: the ``sample_id``.
        src: URL of the thumbnail.
        alt: What the image shows, for those who do not see it.
        title: Short name, shown quietly in the caption's first row; may be empty.
        lines: Further rows of the caption, the first one stronger; keep their number equal over
            the tiles of a gallery.
        mark: Draws a tick, or a cross for "wrong" and "other", and the word in the caption's first
            row.
    """

    id: str
    src: str
    alt: str
    title: str = ""
    lines: tuple[str, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class GalleryEvent:
    """What came of a gallery in this run.

    Attributes:
        opened: Id of the tile that was clicked or entered since the last run, else None.
        similar: Id of the tile whose similar images were asked for since the last run, else None.
        selected: Ids now selected, those on other pages of the list included, in the order in
            which they were selected.
        changed: Whether the user changed the selection since the last run.
    """

    opened: str | None
    selected: tuple[str, ...]
    changed: bool
    similar: str | None = None


def gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    label: str,
    empty: str,
    selected: Iterable[str] | None = None,
    tile_size: TileSize = "medium",
    pixelated: bool = False,
    selectable: bool = True,
    searchable: bool = False,
) -> GalleryEvent:
    """Shows images in tiles.

    A click or Enter opens a tile; a click on its corner, Ctrl and click, or Space selects it;
    Shift extends the selection; arrow keys, Home and End move. Where tiles are searchable, their
    other corner, or the key s, asks for similar images.

    Args:
        tiles: The tiles of this page, ids all different.
        key: Unique in the app.
        label: Accessible name: what these images are.
        empty: Sentence shown in place of the tiles where there are none.
        selected: Ids selected before the user acted, where the caller keeps the selection (and
            passes ``event.selected`` back in the next run); None to let the gallery keep it.
        tile_size: Least width of a tile: 96, 136 or 208 pixels.
        pixelated: Scale without smoothing; for images of few pixels.
        selectable: Whether tiles can be selected; False where nothing is made of a selection.
        searchable: Whether each tile leads to the images similar to it.

    Returns:
        What the user did, and the selection that follows from it.

    Raises:
        ValueError: Two tiles share an id.
    """
    ids = dict.fromkeys(tile.id for tile in tiles)
    if len(ids) != len(tiles):
        raise ValueError(
            "The tiles of a gallery must have different ids. "
            f"Received: {len(tiles)} tiles with {len(ids)} ids. Pass each sample once."
        )
    kept = f"{key}.selected"
    before = tuple(st.session_state.get(kept, ()) if selected is None else selected)
    event = pending(key)
    after = _apply(before, event) if selectable else before
    if selected is None:
        st.session_state[kept] = after
    here = [each for each in after if each in ids]
    mount(
        _render,
        key=key,
        data={
            "tiles": [_as_json(tile) for tile in tiles],
            "selected": here,
            "elsewhere": len(after) - len(here),
            "label": label,
            "empty": empty,
            "tile_size": _PIXELS[tile_size],
            "pixelated": pixelated,
            "selectable": selectable,
            "searchable": searchable,
        },
    )
    opened, similar = event.get("opened"), event.get("similar")
    return GalleryEvent(
        opened=opened if isinstance(opened, str) else None,
        similar=similar if searchable and isinstance(similar, str) else None,
        selected=after,
        changed=after != before,
    )


@dataclass(frozen=True)
class Page(Generic[T]):
    """A cut of a long list.

    Attributes:
        items: What is on the page.
        first: Place of the first of them in the list, from 1; 0 for an empty list.
        last: Place of the last of them.
        total: Length of the list.
    """

    items: Sequence[T]
    first: int
    last: int
    total: int

    @property
    def caption(self) -> str:
        """Says what is shown of how many: ``61 to 120 of 350``."""
        if self.last - self.first + 1 >= self.total:
            return f"all {self.total:,}" if self.total else "none"
        return f"{self.first:,} to {self.last:,} of {self.total:,}"


def page_of(items: Sequence[T], *, key: str, per_page: int) -> Page[T]:
    """Cuts one page out of a long list, with a pager where there is more than one.

    Args:
        items: The whole list.
        key: Name of the page's number in the URL; unique in the app.
        per_page: Items on a page, at least 1.

    Returns:
        The page that the URL names; the first if the list has become too short for it.
    """
    pages = max(1, ceil(len(items) / per_page))
    number = st.pagination(pages, key=key, bind="query-params") if pages > 1 else 1
    start = (number - 1) * per_page
    shown = items[start : start + per_page]
    return Page(shown, start + 1 if len(shown) else 0, start + len(shown), len(items))


def start_over(page: str, looked_at: object) -> None:
    """Go back to the first page of a list when there is something else to look at.

    Args:
        page: Key of the page's number, as for :func:`page_of`, which is called after.
        looked_at: What is looked at, as something that can be compared.
    """
    kept = f"{page}.looked_at"
    if st.session_state.setdefault(kept, looked_at) != looked_at:
        st.session_state[kept] = looked_at
        st.session_state[page] = 1


def _apply(before: tuple[str, ...], event: Mapping[str, Any]) -> tuple[str, ...]:
    """The selection after an event: what it takes away goes, what it adds comes last."""
    kept = () if event.get("clear") else before
    removed = set(_strings(event.get("removed")))
    added = _strings(event.get("added"))
    return tuple(dict.fromkeys([*(each for each in kept if each not in removed), *added]))


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _as_json(tile: Tile) -> dict[str, Any]:
    return {
        "id": tile.id,
        "src": tile.src,
        "alt": tile.alt,
        "title": tile.title,
        "lines": list(tile.lines),
        "mark": tile.mark,
    }
