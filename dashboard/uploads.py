"""Images that a person uploads: bounded, decoded in memory, and never written to disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import streamlit as st

from cache import Workspace
from cache.embeddings import Embedding
from dashboard import data, embedding_data, live, neighbourhoods, selection
from dashboard.images import LOSSLESS
from dashboard.points import Map
from dashboard.widgets.gallery import Tile, gallery
from dashboard.widgets.messages import plain
from dashboard.widgets.scatter import Mark
from dashboard.widgets.viewer import SMALL
from pipelines.methods import number, reading
from pipelines.methods.decoding import FORMATS, UnreadableImageError, decode_bytes
from pipelines.methods.neighbours import Nearest, one_query
from pipelines.methods.pixels import content_hash, data_url, encode, to_display

MOST_BYTES: Final = 20_000_000
"""Largest file, in bytes."""

MOST_PIXELS: Final = 25_000_000
"""Most pixels of an image."""

MOST_IMAGES: Final = 12
"""Most images at a time, and most that are kept."""

ENDINGS: Final = ("jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff")

KEY: Final = "similarity_upload"
_KEPT: Final = "similarity_uploads"
_REFUSED: Final = "similarity_refused"
_FORGOTTEN: Final = "similarity_forgotten"
_SHOWN: Final = "similarity_shown"
_TURN: Final = "similarity_upload_turn"

_LARGEST_SHOWN = 1024
_NEAR = 10


@dataclass
class Upload:
    """An uploaded image.

    Attributes:
        id: Digest of its pixels.
        name: Name of its file, as the browser told it.
        image: Pixels (height, width, channels) with the channels and dtype of the dataset.
        src: The picture as a data URL.
        vectors: Its vectors known so far, by run, embedding and fingerprint.
        copies: Positions of the samples that it is a copy of, by the same.
        places: Where it stands on the maps shown so far, by the same and the projection.
    """

    id: str
    name: str
    image: np.ndarray
    src: str
    vectors: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)
    copies: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)
    places: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A file that was not taken.

    Attributes:
        name: Name of the file.
        reason: Why, in plain words.
    """

    name: str
    reason: str


def there() -> dict[str, Upload]:
    """The uploads of this session and workspace by id, the newest last."""
    selection.of_workspace(_KEPT, {})
    kept: dict[str, Upload] = st.session_state.setdefault(_KEPT, {})
    return kept


def draw(workspace: Workspace) -> None:
    """Draw the field for files, and what was refused."""
    files = ", ".join(FORMATS)
    st.file_uploader(
        "Upload images",
        type=list(ENDINGS),
        accept_multiple_files=True,
        key=f"{KEY}_{st.session_state.setdefault(_TURN, 0)}",
        on_change=_take,
        args=(workspace,),
        max_upload_size=MOST_BYTES // 1_000_000,
        help=f"{files}, up to {number.size(MOST_BYTES)} and {MOST_PIXELS // 1_000_000} million "
        f"pixels each; the newest {MOST_IMAGES} are kept. They stay in memory and go when you "
        "leave.",
    )
    for refused in st.session_state.get(_REFUSED, []):
        st.text(f"{refused.name} was not taken: {refused.reason}.")
    forgotten = st.session_state.get(_FORGOTTEN)
    if forgotten:
        were = "was" if len(forgotten) == 1 else "were"
        st.text(f"{', '.join(forgotten)} {were} forgotten: the newest {MOST_IMAGES} are kept.")


def choose(workspace: Workspace, key: str) -> None:
    """Draw the field for files and what was uploaded so far, one of which can be looked at.

    Args:
        workspace: Whose kind of image the uploads become.
        key: Of the gallery, unique in the app.
    """
    channels = workspace.dataset.channels
    if len(channels) not in (1, 3):
        st.caption(
            f"No upload here: an image of this workspace has {len(channels)} channels "
            f"({plain(', '.join(channels))}), and no picture file holds these."
        )
        return
    draw(workspace)
    kept = there()
    if not kept:
        return
    event = gallery(
        [
            Tile(each.id, each.src, f"The upload {each.name}", lines=(each.name,))
            for each in kept.values()
        ],
        key=key,
        label="Uploads; a click looks at one",
        empty="",
        tile_size="small",
        pixelated=all(max(each.image.shape[:2]) <= SMALL for each in kept.values()),
        selectable=False,
    )
    st.button(
        "Forget the uploads",
        key="similarity_forget",
        icon=":material/delete:",
        type="tertiary",
        on_click=forget,
    )
    if event.opened in kept:
        show(event.opened)
        st.rerun()


def forget() -> None:
    """Forget all uploads."""
    st.session_state[_KEPT] = {}
    st.session_state[_REFUSED] = st.session_state[_FORGOTTEN] = []
    st.session_state.pop(_SHOWN, None)


def show(upload_id: str) -> None:
    """Make an upload the query, in place of the image that the URL names."""
    st.session_state[_SHOWN] = upload_id
    selection.open_image(None)


def shown() -> Upload | None:
    """The upload that is the query, or None where an image of the data is."""
    if selection.image() is not None:
        st.session_state.pop(_SHOWN, None)
    return there().get(st.session_state.get(_SHOWN, ""))


def read(content: bytes, name: str, workspace: Workspace) -> Upload | Refused:
    """Decode an uploaded file as the pipeline decodes the files of a dataset.

    Args:
        content: The file.
        name: Its name; only for messages.
        workspace: Whose channels and dtype the image gets.
    """
    if len(content) > MOST_BYTES:
        return Refused(
            name, f"it has {number.size(len(content))}, more than the {number.size(MOST_BYTES)}"
        )
    try:
        image = decode_bytes(content, name, MOST_PIXELS)
        if image.shape[2] == 3 and (image == image[..., :1]).all():
            image = image[..., :1]
        image = reading.as_sample(image, workspace.dataset)
    except UnreadableImageError as error:
        return Refused(name, error.reason)
    except ValueError as error:
        return Refused(name, str(error).rstrip("."))
    digest = hashlib.sha256(f"{image.shape} {image.dtype}".encode() + image.tobytes()).hexdigest()
    display = to_display(image)
    picture = encode(display, _LARGEST_SHOWN, lossless=max(display.shape[:2]) <= LOSSLESS)
    return Upload(digest[:16], name, image, data_url(picture))


def vector(upload: Upload, embedding: Embedding) -> np.ndarray:
    """Vector of an upload, float32 (dim,), computed at the first time of asking.

    Raises:
        MissingArtefactError: The embedding has not been computed yet.
    """
    return _vectors([upload], embedding)[0]


def copies(upload: Upload, embedding: Embedding) -> np.ndarray:
    """Positions of the samples that an upload is a copy of, or nearly, int64 (m,).

    Found as near-duplicates among the samples are: those of equal pixels, and of its nearest those
    whose pixels are all but the same. Where an embedding has no near-duplicates yet, the former.

    Raises:
        MissingArtefactError: The embedding has not been computed yet.
    """
    key = _key(embedding, "vectors")
    if key not in upload.copies:
        hashes = data.samples(embedding.run.workspace)["content_hash"]
        equal = np.flatnonzero((hashes == content_hash(upload.image)).to_numpy(bool))
        upload.copies[key] = np.union1d(equal, _near_copies(upload, embedding))
    return upload.copies[key]


def marks(on: Map) -> list[Mark]:
    """Where the uploads stand on a map: each amid the images nearest to it.

    Vectors that the map's embedding does not have of them yet are computed.

    Raises:
        MissingArtefactError: The embedding has not been computed yet.
    """
    kept = list(there().values())
    return [
        Mark(*_place(upload, known, on), upload.name)
        for upload, known in zip(kept, _vectors(kept, on.embedding), strict=True)
    ]


def marked() -> str:
    """What the rings of a map are, in a sentence; empty where there are no uploads."""
    count = len(there())
    if not count:
        return ""
    if count == 1:
        return f"The ring with a name is your upload, amid the {_NEAR} images nearest to it."
    return f"The {count} rings with names are your uploads, each amid the {_NEAR} images nearest."


def _near_copies(upload: Upload, embedding: Embedding) -> np.ndarray:
    if not embedding_data.has(embedding, "retrieval"):
        return neighbourhoods.NONE
    from pipelines.methods.feeding import open_inputs
    from pipelines.methods.near_duplicates import alike

    run = embedding.run
    threshold = embedding_data.document(embedding, "retrieval")["near_duplicates"]["correlation"]
    near = _nearest(vector(upload, embedding), embedding).positions
    images = open_inputs(run.workspace, run.name).batch(near)
    found: np.ndarray = near[alike(live.to_input(run, upload.image), images, threshold)]
    return found


def _nearest(known: np.ndarray, embedding: Embedding) -> Nearest:
    metric = embedding_data.document(embedding, "neighbours")["metric"]
    return one_query(known, embedding.vectors(), _NEAR, metric)


def _vectors(uploads: list[Upload], embedding: Embedding) -> list[np.ndarray]:
    """Vectors of uploads, each float32 (dim,); what is not known yet is computed together."""
    key = _key(embedding, "vectors")
    unknown = [upload for upload in uploads if key not in upload.vectors]
    if unknown:
        what = unknown[0].name if len(unknown) == 1 else f"{len(unknown)} uploads"
        with st.spinner(f"Computing the vectors of {plain(what)} in {plain(embedding.title)} …"):
            found = live.embed(embedding, [upload.image for upload in unknown])
        for upload, one in zip(unknown, found, strict=True):
            upload.vectors[key] = one
    return [upload.vectors[key] for upload in uploads]


def _place(upload: Upload, known: np.ndarray, on: Map) -> tuple[float, float]:
    """Where an upload stands, in parts of the map's longer side."""
    from pipelines.methods.placing import place

    key = (*_key(on.embedding, "projection"), on.projection)
    if key not in upload.places:
        near = _nearest(known, on.embedding)
        points = np.asarray(on.embedding.projection(on.projection))
        x, y = on.to_parts(place(points, near.positions, near.distances)).tolist()
        upload.places[key] = (x, y)
    return upload.places[key]


def _take(workspace: Workspace) -> None:
    """Take what was just uploaded, and empty the field for the next files."""
    turn = st.session_state[_TURN]
    files: list[Any] = st.session_state.get(f"{KEY}_{turn}") or []
    st.session_state[_TURN] = turn + 1
    refused: list[Refused] = []
    kept = dict(there())
    for place, file in enumerate(files):
        if place >= MOST_IMAGES:
            refused.append(Refused(file.name, f"only {MOST_IMAGES} are taken at a time"))
            continue
        got = read(file.getvalue(), file.name, workspace)
        if isinstance(got, Refused):
            refused.append(got)
        else:
            # Uploaded again, it is the newest again.
            kept.pop(got.id, None)
            kept[got.id] = got
            show(got.id)
    st.session_state[_FORGOTTEN] = [each.name for each in list(kept.values())[:-MOST_IMAGES]]
    st.session_state[_KEPT] = dict(list(kept.items())[-MOST_IMAGES:])
    st.session_state[_REFUSED] = refused


def _key(embedding: Embedding, stage: str) -> tuple[str, ...]:
    return embedding.run.name, embedding.name, embedding.artefact(stage).manifest.fingerprint
