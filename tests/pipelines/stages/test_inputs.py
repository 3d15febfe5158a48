from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import Workspace
from cache.artefact import read_json
from pipelines.errors import RecipeError
from pipelines.methods import pixels

MakeFolder = Callable[[Mapping[str, Any]], Path]
RunStages = Callable[..., Workspace]

RNG = np.random.default_rng(5)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


@pytest.fixture
def resolve(make_folder: MakeFolder, run_stages: RunStages) -> Callable[..., dict[str, Any]]:
    """What the stage decides for images of these shapes: ``resolve([(8, 8)], channels="grey")``."""

    def run(shapes: list[tuple[int, ...]], model: str = "auto", **image: Any) -> dict[str, Any]:
        count = max(8, len(shapes))
        root = make_folder(
            {f"{'ab'[i % 2]}/{i}.png": noise(*shapes[i % len(shapes)]) for i in range(count)}
        )
        workspace = run_stages(
            {"source": "folder", "root": str(root)},
            "samples",
            "inputs",
            runs={"cnn": {"model": model, "image": image}},
        )
        artefact = workspace.artefact("inputs", "cnn")
        assert artefact.manifest.rows == count
        document: dict[str, Any] = read_json(artefact.path("inputs.json"))
        written = (artefact.folder / "pixels.npy").exists()
        assert written != document["native"]
        if written:
            array = np.load(artefact.path("pixels.npy"))
            assert array.shape[:3] == (count, *document["size"])
            read = [pixels.decode(root / path) for path in workspace.samples()["path"]]
            taken: pixels.Channels = "grey" if document["channels"] == ["grey"] else None
            for image_there, decoded in zip(array, read, strict=True):
                prepared = pixels.prepare(decoded, tuple(document["size"]), taken)
                assert (image_there == prepared).all()
        return document

    return run


Resolve = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("shapes", "size", "native"),
    [
        ([(8, 8)], [8, 8], True),
        ([(21, 30)], [21, 30], True),
        ([(128, 100)], [128, 100], True),
        ([(129, 100)], [96, 96], False),
        ([(150, 200)], [128, 128], False),
        ([(300, 70)], [64, 64], False),
        ([(20, 20), (30, 25)], [64, 64], False),
        ([(100, 150), (110, 400), (120, 97)], [96, 96], False),
        # The median image, not the largest, and its shorter side.
        ([(70, 300), (80, 80), (500, 500)], [64, 64], False),
        ([(200, 130), (140, 700)], [128, 128], False),
    ],
)
def test_auto_chooses_a_size_that_does_not_enlarge(
    resolve: Resolve, shapes: list[tuple[int, int]], size: list[int], native: bool
) -> None:
    document = resolve(shapes)
    assert document["size"] == size
    assert document["native"] == native
    assert document["channels"] == ["grey"]
    assert document["model"] == "compact_cnn"


def test_what_the_recipe_says_is_kept(resolve: Resolve) -> None:
    document = resolve([(20, 20)], model="hits_deep", size=[11, 13])
    assert document == {
        "model": "hits_deep", "size": [11, 13], "channels": ["grey"], "native": False,
    }  # fmt: skip


def test_images_of_the_size_that_is_asked_for_are_not_copied(resolve: Resolve) -> None:
    assert resolve([(20, 24)], size=[20, 24])["native"]


@pytest.mark.parametrize(
    ("shape", "wanted", "channels"),
    [
        ((9, 9), "auto", ["grey"]),
        ((9, 9), "grey", ["grey"]),
        ((9, 9), "rgb", ["red", "green", "blue"]),
        ((9, 9, 3), "auto", ["red", "green", "blue"]),
        ((9, 9, 3), "grey", ["grey"]),
        ((9, 9, 3), ["green"], ["green"]),
    ],
)
def test_channels_are_resolved(
    resolve: Resolve, shape: tuple[int, ...], wanted: Any, channels: list[str]
) -> None:
    assert resolve([shape], channels=wanted)["channels"] == channels


def test_grey_from_colour_is_resized_as_grey(resolve: Resolve) -> None:
    assert resolve([(40, 40, 3)], channels="grey", size=[16, 16])["channels"] == ["grey"]


def test_grey_that_is_read_three_times_is_kept_once(
    make_folder: MakeFolder, run_stages: RunStages
) -> None:
    root = make_folder({f"{'ab'[i % 2]}/{i}.png": noise(20, 20) for i in range(8)})
    runs = {"cnn": {"image": {"channels": "rgb", "size": [10, 10]}}}
    workspace = run_stages({"source": "folder", "root": str(root)}, "samples", "inputs", runs=runs)
    array = np.load(workspace.artefact("inputs", "cnn").path("pixels.npy"))
    assert array.shape == (8, 10, 10, 1)


def test_channels_that_the_images_do_not_have_are_refused(resolve: Resolve) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve([(9, 9)], channels=["grey", "infrared"])
    message = str(caught.value)
    assert "runs.cnn" in message
    assert "['infrared']" in message
    assert "['grey']" in message
    assert "image.channels" in message


@pytest.mark.parametrize("wanted", ["grey", "rgb"])
def test_channels_that_are_no_colours_have_no_grey(
    tmp_path: Path, run_stages: RunStages, wanted: str
) -> None:
    np.savez(tmp_path / "x.npz", images=noise(12, 6, 6, 4), labels=np.arange(12) % 2)
    dataset = {"source": "arrays", "path": str(tmp_path / "x.npz")}
    runs = {"cnn": {"image": {"channels": wanted}}}
    with pytest.raises(RecipeError, match=rf"'cnn' asks for '{wanted}'.*'channel 1'") as caught:
        run_stages(dataset, "samples", "inputs", runs=runs)
    assert "runs.cnn.image.channels" in str(caught.value)
