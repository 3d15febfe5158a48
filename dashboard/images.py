"""Images by URL: the routes of the server that deliver them, and the links to them.

::

    /thumbnails/<workspace>/<fingerprint>/<view>/<sample_id>    small, made beforehand if need be
    /images/<workspace>/<fingerprint>/<view>/<sample_id>        whole, made when asked for

The fingerprint (its first 8 digits) is that of the artefact, so what a URL shows never changes and
browsers may keep it for good. Nothing of a URL is ever used as a path: workspace, view and sample
are looked up by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cache import Artefact, Dataset, Run, Workspace, cache_root, open_workspace
from cache.artefact import MANIFEST, read_json
from cache.errors import CacheError
from cache.store import load_array
from cache.tables import read_table
from pipelines.methods.pixels import encode, media_type, view_of
from pipelines.methods.reading import pixel_reader

LOSSLESS = 512
"""Longer side, in pixels, up to which a whole image is sent without loss."""

LARGEST = 2048
"""Longer side, in pixels, that larger images are shrunk to for the screen."""

OPEN_WORKSPACES = 8
"""How many workspaces stay open at a time; the least recently used is closed first."""

_DIGITS = 8

FOR_GOOD = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # No other site may show what is served here, the images of patients for instance.
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of an answer that never changes."""


def routes() -> list[Route]:
    """The routes, for ``st.App(..., routes=routes())``."""
    ending = "{workspace}/{fingerprint}/{view:path}/{sample_id}"
    return [
        Route(f"/thumbnails/{ending}", _answer(_thumbnail)),
        Route(f"/images/{ending}", _answer(_image)),
    ]


def view_shown(run: Run) -> str:
    """The view of the images that is shown beside what a run says: the first its model reads."""
    views = run.workspace.dataset.views
    if len(views) == 1 or not run.artefact("train").exists:
        return views[0]
    return first_read(views, run.document["channels"])


def first_read(views: Sequence[str], channels: Sequence[str]) -> str:
    """The first of some views that is one of these channels, or else the first."""
    return next((view for view in views if view in channels), views[0])


def thumbnail_url(workspace: Workspace, sample_id: str, view: str | None = None) -> str:
    """Link to the thumbnail of a sample.

    Args:
        workspace: Where the sample is.
        sample_id: Which sample.
        view: One of ``workspace.dataset.views``, or None for the first.

    Raises:
        MissingArtefactError: The thumbnails have not been made yet.
    """
    return _url("thumbnails", workspace.artefact("thumbnails"), workspace, sample_id, view)


def thumbnail_base(workspace: Workspace, view: str | None = None) -> str:
    """Link to the thumbnails of a view, up to the sample's id; arguments as above."""
    return thumbnail_url(workspace, "", view)


def image_url(workspace: Workspace, sample_id: str, view: str | None = None) -> str:
    """Link to the whole image of a sample, at most 2,048 pixels long; arguments as above.

    Raises:
        MissingArtefactError: The samples have not been read yet.
    """
    return _url("images", workspace.artefact("samples"), workspace, sample_id, view)


def pixels(workspace: Workspace, sample_id: str) -> np.ndarray:
    """The pixels of a sample as the models get them, before any resizing.

    Returns:
        Image (height, width, channels) with the channels and the dtype of the dataset.

    Raises:
        CacheError: There is no such sample, or its file is gone.
    """
    digits = _fingerprint(workspace.artefact("samples"))[:_DIGITS]
    samples = _samples(workspace.folder.parent, workspace.name, digits)
    return samples.read(samples.positions.find(sample_id))


class _Positions:
    """Position of each sample in ``samples.parquet``; 24 bytes a sample in memory."""

    def __init__(self, sample_ids: list[str]) -> None:
        unsorted = np.array(sample_ids, dtype=np.bytes_)
        self._order = np.argsort(unsorted)
        self._ids = unsorted[self._order]

    def find(self, sample_id: str) -> int:
        if sample_id.isascii() and sample_id.isalnum():
            wanted = np.bytes_(sample_id.encode())
            at = int(np.searchsorted(self._ids, wanted))
            if at < len(self._ids) and self._ids[at] == wanted:
                return int(self._order[at])
        raise CacheError(f"There is no sample '{sample_id}' in this workspace.")


@dataclass(frozen=True)
class _Samples:
    positions: _Positions
    dataset: Dataset
    read: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class _Thumbnails:
    """Pictures made beforehand, or the images themselves where all are small."""

    positions: _Positions
    views: tuple[str, ...]
    kept: tuple[np.ndarray, np.ndarray] | Callable[[int], np.ndarray]

    def picture(self, position: int, view: int) -> bytes:
        if callable(self.kept):
            return _encoded(self.kept(position), view, self.views)
        offsets, pictures = self.kept
        item = position * len(self.views) + view
        picture: np.ndarray = pictures[offsets[item] : offsets[item + 1]]
        return picture.tobytes()


@lru_cache(OPEN_WORKSPACES)
def _samples(root: Path, name: str, digits: str) -> _Samples:
    workspace = open_workspace(name, root)
    _check(workspace.artefact("samples"), digits)
    return _Samples(_positions(workspace), workspace.dataset, pixel_reader(workspace))


@lru_cache(OPEN_WORKSPACES)
def _thumbnails(root: Path, name: str, digits: str) -> _Thumbnails:
    workspace = open_workspace(name, root)
    artefact = workspace.artefact("thumbnails")
    _check(artefact, digits)
    made_from = artefact.manifest.inputs.get("samples")
    if made_from not in (None, workspace.artefact("samples").manifest.digest):
        raise CacheError(
            f"The thumbnails of '{name}' were made from other samples than it has now. "
            f"Make them again: {workspace.command}"
        )
    kept: tuple[np.ndarray, np.ndarray] | Callable[[int], np.ndarray] = pixel_reader(workspace)
    if read_json(artefact.path("thumbnails.json"))["kept"]:
        pictures = np.memmap(artefact.path("thumbnails.bin"), dtype=np.uint8, mode="r")
        kept = load_array(artefact.path("offsets.npy")), pictures
    return _Thumbnails(_positions(workspace), workspace.dataset.views, kept)


def _positions(workspace: Workspace) -> _Positions:
    path = workspace.artefact("samples").path("samples.parquet")
    table = read_table(path, "samples", columns=["sample_id"])
    return _Positions(table["sample_id"].tolist())


def _check(artefact: Artefact, digits: str) -> None:
    if artefact.manifest.fingerprint[:_DIGITS] != digits:
        raise CacheError(
            "This link belongs to an earlier state of the workspace, which was made again since. "
            "Reload the page that it stands on."
        )


def _answer(picture: Callable[[str, str, str, str], bytes]) -> Callable[[Request], Response]:
    # Not a coroutine: Starlette runs it in a thread, so that reading stops nobody else.
    def endpoint(request: Request) -> Response:
        given = request.path_params
        try:
            content = picture(
                given["workspace"], given["fingerprint"], given["view"], given["sample_id"]
            )
        except CacheError as error:
            return PlainTextResponse(str(error), 404, {"Cache-Control": "no-store"})
        kind = media_type(content)
        return Response(content, media_type=kind, headers=FOR_GOOD)

    return endpoint


def _thumbnail(workspace: str, digits: str, view: str, sample_id: str) -> bytes:
    there = _thumbnails(cache_root(), workspace, digits)
    return there.picture(there.positions.find(sample_id), _view(there.views, view))


def _image(workspace: str, digits: str, view: str, sample_id: str) -> bytes:
    there = _samples(cache_root(), workspace, digits)
    place = _view(there.dataset.views, view)
    return _encoded(there.read(there.positions.find(sample_id)), place, there.dataset.views)


def _encoded(image: np.ndarray, view: int, views: tuple[str, ...]) -> bytes:
    shown = view_of(image, view, len(views))
    return encode(shown, LARGEST, lossless=max(shown.shape[:2]) <= LOSSLESS)


def _view(views: tuple[str, ...], view: str) -> int:
    if view not in views:
        raise CacheError(f"There is no view '{view}' of these images. There are: {list(views)}.")
    return views.index(view)


def _url(
    kind: str, artefact: Artefact, workspace: Workspace, sample_id: str, view: str | None
) -> str:
    shown = workspace.dataset.views[0] if view is None else view
    parts = [kind, workspace.name, _fingerprint(artefact)[:_DIGITS], shown, sample_id]
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _fingerprint(artefact: Artefact) -> str:
    """Fingerprint of an artefact; a page of tiles asks for it once a tile."""
    written = artefact.path(MANIFEST).stat().st_mtime_ns
    return _manifest_fingerprint(artefact, written)


@lru_cache(64)
def _manifest_fingerprint(artefact: Artefact, written: int) -> str:
    return artefact.manifest.fingerprint
