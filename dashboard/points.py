"""The points of a map by URL, and where they are.

::

    /points/<workspace>/<fingerprint>/<run>/<embedding>/<projection>

The answer is binary: the length of a JSON head (uint32), the head, then the arrays that it
announces, all little-endian; see ``payload``. The fingerprint is of everything in it, so that
browsers may keep it for good, like the images of :mod:`dashboard.images`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cache import Run, Workspace, cache_root, open_workspace
from cache.embeddings import Embedding, open_embedding
from cache.errors import CacheError, CorruptArtefactError
from cache.tables import read_table
from dashboard import data
from dashboard.images import FOR_GOOD, thumbnail_base
from dashboard.widgets.scatter import Mark, Source

MOST_POINTS: Final = 50_000
"""Most images that a map draws as points."""

SAMPLE: Final = 20_000
"""How many points are drawn where there are more than that, over the density of all."""

DENSITY: Final = 256
"""Cells along one side of the picture of the density."""

SHARP: Final = 64
"""Longer side, in pixels, up to which thumbnails are scaled without smoothing."""

PROJECTIONS: Final = {"umap": "UMAP", "pca": "PCA"}

_SEED = 0
_DIGITS = 12


@dataclass(frozen=True)
class Map:
    """A projection as it is drawn.

    Attributes:
        embedding: What is projected.
        projection: Key of ``PROJECTIONS``.
        places: float32 (n, 2) of all samples, in parts of the longer side, from the lower left.
        drawn: int64 (m,) positions of the samples that are drawn, ascending.
        corner: Lower left corner in the projection's own units.
        side: Longer side in these units.
    """

    embedding: Embedding
    projection: str
    places: np.ndarray
    drawn: np.ndarray
    corner: tuple[float, float]
    side: float

    @property
    def whole(self) -> bool:
        """Whether every sample is drawn."""
        return len(self.drawn) == len(self.places)

    def mark(self, row: int, name: str) -> Mark:
        """A ring around a sample."""
        return Mark(float(self.places[row, 0]), float(self.places[row, 1]), name)

    def to_parts(self, place: np.ndarray) -> np.ndarray:
        """A place (2,) of the projection in parts of the longer side."""
        parts: np.ndarray = (np.asarray(place, np.float64) - self.corner) / self.side
        return parts


def routes() -> list[Route]:
    """The routes, for ``st.App(..., routes=routes())``."""
    path = "/points/{workspace}/{fingerprint}/{run}/{embedding}/{projection}"
    return [Route(path, _answer)]


def open_map(embedding: Embedding, projection: str) -> Map:
    """The map of an embedding.

    Raises:
        MissingArtefactError: It has not been projected yet.
        CorruptArtefactError: It was projected from other samples than there are now.
    """
    artefact = embedding.artefact("projection")
    folder, fingerprint = str(artefact.folder), artefact.manifest.fingerprint
    places, drawn, corner, side = _places(folder, fingerprint, projection, embedding)
    there = sum(data.split_counts(embedding.run.workspace).values())
    if len(places) != there:
        raise CorruptArtefactError(
            f"The map of '{embedding.name}' has {len(places):,} images, the workspace {there:,}. "
            f"It was made from other samples. Make it again: {embedding.run.workspace.command}"
        )
    return Map(embedding, projection, places, drawn, corner, side)


def source(shown: Map, view: str) -> Source:
    """Where the browser gets a map from.

    Args:
        shown: The map.
        view: View of the dataset whose thumbnails stand under the pointer.
    """
    embedding, workspace = shown.embedding, shown.embedding.run.workspace
    parts = [
        "points",
        workspace.name,
        _fingerprint(embedding),
        embedding.run.name,
        embedding.name,
        shown.projection,
    ]
    shape = workspace.dataset.shape
    return Source(
        points="/" + "/".join(quote(part, safe="") for part in parts),
        thumbnails=thumbnail_base(workspace, view),
        pixelated=shape is not None and max(shape[:2]) <= SHARP,
        drawn=len(shown.drawn),
    )


@lru_cache(8)
def _places(
    folder: str, fingerprint: str, projection: str, embedding: Embedding
) -> tuple[np.ndarray, np.ndarray, tuple[float, float], float]:
    found = np.asarray(embedding.projection(projection), np.float32)
    low, high = found.min(axis=0), found.max(axis=0)
    side = float(max(*(high - low), 1e-9))
    places = (found - low) / side
    rows = np.arange(len(places))
    if len(places) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(_SEED).permutation(len(places))[:SAMPLE])
    places.flags.writeable = rows.flags.writeable = False
    return places, rows, (float(low[0]), float(low[1])), side


def _fingerprint(embedding: Embedding) -> str:
    parts = [
        embedding.artefact("projection").manifest.fingerprint,
        embedding.run.workspace.artefact("samples").manifest.digest,
    ]
    predictions = embedding.run.artefact("predictions")
    if predictions.exists:
        parts.append(predictions.manifest.fingerprint)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]


def _answer(request: Request) -> Response:
    # Not a coroutine: Starlette runs it in a thread, so that reading stops nobody else.
    given = request.path_params
    try:
        if given["projection"] not in PROJECTIONS:
            raise CacheError(f"There is no projection '{given['projection']}'.")
        workspace = open_workspace(given["workspace"], cache_root())
        embedding = open_embedding(workspace.run(given["run"]), given["embedding"])
        if _fingerprint(embedding) != given["fingerprint"]:
            raise CacheError(
                "This link belongs to an earlier state of the map. Reload the page it stands on."
            )
        shown = open_map(embedding, given["projection"])
        predicted = _predicted(embedding.run, workspace)
        content = payload(workspace, shown.places, shown.drawn, predicted)
    except CacheError as error:
        return PlainTextResponse(str(error), 404, {"Cache-Control": "no-store"})
    return Response(content, media_type="application/octet-stream", headers=FOR_GOOD)


def payload(
    workspace: Workspace, places: np.ndarray, drawn: np.ndarray, predicted: np.ndarray
) -> bytes:
    """What the browser draws points from.

    Args:
        workspace: Whose samples they are.
        places: float32 (n, 2) of all samples, from 0 to 1.
        drawn: Positions (m,) of the samples that are drawn.
        predicted: Code (n,) of the class that is predicted for each sample, -1 for none.

    Returns:
        Head and arrays: places float32 (m, 2), labels uint16, predictions uint16 (65,535 for
        none), splits uint8, density uint8 (d, d), and the ids, a line each.
    """
    path = workspace.artefact("samples").path("samples.parquet")
    columns = ["sample_id", "label", "split"]
    samples = read_table(path, "samples", workspace.dataset.classes, columns).iloc[drawn]
    whole = len(drawn) == len(places)
    head = {
        "n": len(places),
        "drawn": len(drawn),
        "size": [max(float(extent), 0.02) for extent in places.max(axis=0)],
        "classes": list(workspace.dataset.classes),
        "density": 0 if whole else DENSITY,
    }
    encoded = json.dumps(head).encode("utf-8")
    arrays = [
        places[drawn].astype("<f4"),
        samples["label"].cat.codes.to_numpy().astype("<u2"),
        predicted[drawn].astype("<u2"),
        samples["split"].cat.codes.to_numpy().astype(np.uint8),
        np.empty(0, np.uint8) if whole else density(places),
    ]
    return b"".join(
        [
            len(encoded).to_bytes(4, "little"),
            encoded,
            *(array.tobytes() for array in arrays),
            "\n".join(samples["sample_id"]).encode("utf-8"),
        ]
    )


def _predicted(run: Run, workspace: Workspace) -> np.ndarray:
    """Code of the predicted class of each sample, -1 where there is none."""
    path = workspace.artefact("samples").path("samples.parquet")
    sample_ids = read_table(path, "samples", columns=["sample_id"])["sample_id"]
    if not run.artefact("predictions").exists:
        return np.full(len(sample_ids), -1)
    known = run.predictions().set_index("sample_id")["predicted"]
    return np.asarray(known.reindex(sample_ids).cat.codes)


def density(places: np.ndarray) -> np.ndarray:
    """How many points there are in each cell, from 0 to 255 by the root of the count.

    Args:
        places: (n, 2) in [0, 1].

    Returns:
        uint8 (cells, cells), rows from the lowest.
    """
    cells = np.clip((places * DENSITY).astype(np.int64), 0, DENSITY - 1)
    counts = np.bincount(cells[:, 1] * DENSITY + cells[:, 0], minlength=DENSITY * DENSITY)
    strength = np.sqrt(counts / np.quantile(counts[counts > 0], 0.98))
    levels: np.ndarray = np.clip(255 * strength, 0, 255).astype(np.uint8)
    return levels.reshape(DENSITY, DENSITY)
