from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache import Workspace
from cache.artefact import read_json
from cache.store import load_array
from pipelines.errors import StageError
from pipelines.methods import pixels

MakeFolder = Callable[[Mapping[str, Any]], Path]
RunStages = Callable[..., Workspace]

RNG = np.random.default_rng(6)


def pictures(workspace: Workspace) -> list[list[tuple[str, np.ndarray]]]:
    """Format and pixels of each view of each sample, read as the dashboard reads them."""
    artefact = workspace.artefact("thumbnails")
    assert read_json(artefact.path("thumbnails.json")) == {"kept": True}
    offsets = load_array(artefact.path("offsets.npy"))
    content = artefact.path("thumbnails.bin").read_bytes()
    views, count = len(workspace.dataset.views), len(workspace.samples())
    assert offsets.dtype == np.int64
    assert len(offsets) == count * views + 1
    assert (offsets[0], offsets[-1]) == (0, len(content))
    found = []
    for start, end in itertools.pairwise(offsets):
        with Image.open(io.BytesIO(content[start:end])) as image:
            found.append((str(image.format), np.asarray(image)))
    return [found[row * views : (row + 1) * views] for row in range(count)]


def run_folder(make: MakeFolder, run: RunStages, files: Mapping[str, Any]) -> Workspace:
    root = make(files)
    return run({"source": "folder", "root": str(root)}, "samples", "thumbnails")


def smooth(height: int, width: int, channels: int, phase: int) -> np.ndarray:
    """An image that lossy compression keeps nearly as it is; its phase tells it from others."""
    y, x = np.mgrid[:height, :width]
    waves = [
        127 + 120 * np.sin(phase + channel + x / width * 3 + y / height * 2)
        for channel in range(channels)
    ]
    image = np.stack(waves, axis=-1).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_every_pixel(
    make_folder: MakeFolder, run_stages: RunStages, channels: int
) -> None:
    sizes = [(64, 30), (64, 31)] if channels == 1 else [(20, 64, 3), (21, 64, 3)]
    files = {
        f"{'ab'[i % 2]}/{i}.png": RNG.integers(0, 256, sizes[i % 2], np.uint8) for i in range(8)
    }
    workspace = run_folder(make_folder, run_stages, files)
    for path, ((kind, picture),) in zip(
        workspace.samples()["path"], pictures(workspace), strict=True
    ):
        assert kind == "PNG"
        assert (picture == files[path]).all()


def test_large_images_are_shrunk_with_their_aspect(
    make_folder: MakeFolder, run_stages: RunStages
) -> None:
    sizes = [(65, 40), (192, 100), (300, 900), (700, 350)]
    files = {f"{'ab'[i % 2]}/{i}.png": smooth(*sizes[i % 4], channels=3, phase=i) for i in range(8)}
    expected = [(65, 40), (192, 100), (64, 192), (192, 96)]
    workspace = run_folder(make_folder, run_stages, files)
    assert workspace.artefact("thumbnails").manifest.rows == 8
    for path, ((kind, picture),) in zip(
        workspace.samples()["path"], pictures(workspace), strict=True
    ):
        number = int(Path(path).stem)
        assert kind == "WEBP"
        assert picture.shape[:2] == expected[number % 4]
        small = pixels.prepare(files[path], picture.shape[:2])
        difference = np.abs(picture.astype(int) - small).mean()
        others = [
            np.abs(picture.astype(int) - pixels.prepare(files[other], picture.shape[:2])).mean()
            for other in files
            if other != path
        ]
        assert difference < 6 < min(others), "the right picture, hardly changed"


def test_mixtures_of_size_depth_and_colour_show_what_their_files_hold(
    make_folder: MakeFolder, run_stages: RunStages
) -> None:
    deep = (RNG.random((20, 20)) * 3000 + 1000).astype(np.uint16)
    files = {f"{'ab'[i % 2]}/{i}.png": RNG.integers(0, 256, (12, 12), np.uint8) for i in range(8)}
    files |= {"a/deep.png": deep, "b/colour.png": RNG.integers(0, 256, (9, 9, 3), np.uint8)}
    workspace = run_folder(make_folder, run_stages, files)
    table = workspace.samples()
    shown = {p: found[0][1] for p, found in zip(table["path"], pictures(workspace), strict=True)}
    colour = pixels.to_dtype(files["b/colour.png"], np.dtype(np.uint16))
    assert (shown["b/colour.png"] == pixels.to_display(colour)).all()
    grey = shown["a/deep.png"]
    assert grey.shape == (20, 20, 3)
    assert grey.min() < 10
    assert grey.max() > 245, "a 16-bit image is stretched to be seen"
    order = np.argsort(deep, axis=None)
    assert (np.diff(grey[..., 0].ravel()[order].astype(int)) >= 0).all()


def test_each_channel_that_is_no_colour_is_a_view(tmp_path: Path, run_stages: RunStages) -> None:
    images = (RNG.random((12, 70, 5, 4)) * 255).astype(np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(12) % 2)
    dataset = {"source": "arrays", "path": str(tmp_path / "x.npz")}
    workspace = run_stages(dataset, "samples", "thumbnails")
    assert workspace.dataset.views == tuple(f"channel {i}" for i in range(1, 5))
    for row, views in enumerate(pictures(workspace)):
        for channel, (kind, picture) in enumerate(views):
            assert kind == "WEBP"
            assert np.abs(picture[..., 0].astype(int) - images[row, ..., channel]).mean() < 30


def test_none_are_kept_where_all_images_are_small(tmp_path: Path, run_stages: RunStages) -> None:
    images = RNG.random((12, 7, 5, 4)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(12) % 2)
    dataset = {"source": "arrays", "path": str(tmp_path / "x.npz")}
    artefact = run_stages(dataset, "samples", "thumbnails").artefact("thumbnails")
    assert read_json(artefact.path("thumbnails.json")) == {"kept": False}
    assert not (artefact.folder / "thumbnails.bin").exists()
    assert artefact.manifest.rows == 12


def test_a_file_that_was_spoilt_unseen_stops_the_stage_and_leaves_nothing(
    make_folder: MakeFolder, run_stages: RunStages
) -> None:
    sizes = [(12, 12), (13, 12)]
    root = make_folder({f"{'ab'[i % 2]}/{i}.png": smooth(*sizes[i % 2], 1, i) for i in range(8)})
    dataset = {"source": "folder", "root": str(root)}
    workspace = run_stages(dataset)
    # Of the same size and time as before, so that the samples still stand.
    path = root / "a" / "4.png"
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StageError, match=r"'thumbnails' failed: .*a/4\.png") as caught:
        run_stages(dataset, "thumbnails")
    assert "Put it back, or run: python -m pipelines run tried" in str(caught.value)
    assert not workspace.artefact("thumbnails").folder.exists()
