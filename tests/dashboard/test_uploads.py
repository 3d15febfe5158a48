from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cache import Workspace, open_workspace
from cache.embeddings import open_embedding
from dashboard import embedding_data, neighbourhoods, uploads
from dashboard.neighbourhoods import Scope
from dashboard.uploads import Refused, Upload


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_upload_has_the_pixels_channels_and_dtype_of_the_dataset(
    workspaces: dict[str, Workspace],
) -> None:
    grey = noise(8, 8)
    got = uploads.read(png(grey), "x.png", workspaces["shapes"])
    assert isinstance(got, Upload)
    assert got.image.dtype == np.uint8
    assert (got.image[..., 0] == grey).all()
    assert got.src.startswith("data:image/png;base64,")
    # Grey stored as colour is the same image.
    colour = uploads.read(png(np.stack([grey] * 3, axis=-1)), "y.png", workspaces["shapes"])
    assert isinstance(colour, Upload)
    assert colour.id == got.id
    other = uploads.read(png(noise(12, 9, 3)), "z.png", workspaces["shapes"])
    assert isinstance(other, Upload)
    assert other.image.shape == (12, 9, 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty (0 bytes)"),
        (b"just words", "its content is text, not an image"),
        (bytes(range(128, 256)), "its content is not a whole JPEG"),
        (png(noise(40, 40))[:-200], "it is damaged or cut off"),
        (png(noise(30, 40)), "it has 40 x 30 pixels, more than the 1,000 allowed"),
        (b"\x89PNG" + b"\0" * 3_000, "it has 3.0"),
    ],
)
def test_what_is_no_fitting_image_is_refused_with_the_reason(
    workspaces: dict[str, Workspace],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    reason: str,
) -> None:
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1_000)
    monkeypatch.setattr(uploads, "MOST_BYTES", 2_900)
    if "cut off" in reason:
        monkeypatch.setattr(uploads, "MOST_PIXELS", 10_000)
    got = uploads.read(content, "../odd <b>.png", workspaces["shapes"])
    assert isinstance(got, Refused)
    assert got.reason.startswith(reason)
    assert "odd" not in got.reason


def test_a_picture_is_no_image_of_other_channels(workspaces: dict[str, Workspace]) -> None:
    got = uploads.read(png(noise(8, 8)), "x.png", workspaces["stamps"])
    assert isinstance(got, Refused)
    assert "template, science" in got.reason


def test_an_upload_is_known_for_a_copy_of_a_sample(real_digits: Path) -> None:
    workspace = open_workspace("digits", real_digits)
    embedding = open_embedding(workspace.run("hits"), "pixels")
    images, table = workspace.images(), embedding_data.table(embedding.run)
    assert images is not None
    row = int(np.flatnonzero(table["split"] == "test")[7])
    brighter = np.clip(np.asarray(images[row], np.float64) * 0.9, 0, 255).astype(images.dtype)
    for image, known in (
        (np.asarray(images[row]), True),
        (brighter, True),
        (noise(8, 8, 1).astype(images.dtype), False),
    ):
        upload = Upload("id", "x.png", image, "")
        assert (row in uploads.copies(upload, embedding)) == known
        found = neighbourhoods.neighbours_of_vector(
            embedding,
            table,
            uploads.vector(upload, embedding),
            10,
            Scope(clean=True),
            uploads.copies(upload, embedding),
        )
        assert row not in found.rows or not known


def test_nothing_is_written(
    workspaces: dict[str, Workspace], cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(cache_folder.rglob("*"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an upload was written to disk")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    uploads.read(png(noise(20, 20)), "x.png", workspaces["shapes"])
    assert sorted(cache_folder.rglob("*")) == before
