from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cache import Dataset, Workspace
from cache.errors import CacheError
from pipelines.methods import pixels
from pipelines.methods.reading import (
    as_sample,
    channel_positions,
    pixel_reader,
    read_file,
    taken_channels,
)

MakeFolder = Callable[[Mapping[str, Any]], Path]
RunStages = Callable[..., Workspace]

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 256, (10, 14), np.uint8)
COLOUR = RNG.integers(0, 256, (12, 8, 3), np.uint8)


@pytest.fixture
def mixed(make_folder: MakeFolder, run_stages: RunStages) -> Workspace:
    """Images of mixed shape, grey and colour, that are read from their files."""
    files = {f"{name}/{i}.png": None for name in ("cat", "dog") for i in range(4)}
    root = make_folder({**files, "cat/grey.png": GREY, "dog/colour.png": COLOUR})
    return run_stages({"source": "folder", "root": str(root)})


def position(workspace: Workspace, path: str) -> int:
    return int(np.flatnonzero(workspace.samples()["path"] == path)[0])


def test_files_come_in_the_channels_of_the_dataset(mixed: Workspace) -> None:
    read = pixel_reader(mixed)
    assert (read(position(mixed, "dog/colour.png")) == COLOUR).all()
    grey = read(position(mixed, "cat/grey.png"))
    assert (grey == GREY[..., None]).all()
    assert grey.shape == (10, 14, 3)
    for row in range(len(mixed.samples())):
        assert read(row).dtype == np.uint8


def test_a_file_that_was_removed_is_named(mixed: Workspace) -> None:
    read, row = pixel_reader(mixed), position(mixed, "cat/grey.png")
    path = Path(str(mixed.dataset.root)) / "cat" / "grey.png"
    path.unlink()
    with pytest.raises(CacheError) as caught:
        read(row)
    assert str(path) in str(caught.value)
    assert "could be read when the samples were made and cannot be now" in str(caught.value)
    assert "Put it back, or run: python -m pipelines run tried" in str(caught.value)


@pytest.mark.parametrize(
    "content", [GREY[::-1], GREY[:5], COLOUR, GREY.astype(np.uint16) * 257, None]
)
def test_a_file_that_was_changed_is_named(
    mixed: Workspace, make_folder: MakeFolder, content: np.ndarray | None
) -> None:
    read, row = pixel_reader(mixed), position(mixed, "cat/grey.png")
    root = make_folder({"cat/grey.png": content})
    with pytest.raises(CacheError, match=r"was changed after the samples were made") as caught:
        read(row)
    assert str(root / "cat" / "grey.png") in str(caught.value)


def test_a_file_that_was_cut_off_is_named(mixed: Workspace) -> None:
    read, row = pixel_reader(mixed), position(mixed, "dog/colour.png")
    path = Path(str(mixed.dataset.root)) / "dog" / "colour.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(CacheError, match=r"cannot be now: it is damaged or cut off"):
        read(row)


def test_the_memory_map_needs_no_files(make_folder: MakeFolder, run_stages: RunStages) -> None:
    places = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(4)]
    root = make_folder(dict.fromkeys(places))
    workspace = run_stages({"source": "folder", "root": str(root)})
    there = {place: pixels.decode(root / place) for place in places}
    for path in root.rglob("*.png"):
        path.unlink()
    read = pixel_reader(workspace)
    for row, place in enumerate(workspace.samples()["path"]):
        assert (read(row) == there[place]).all()


def test_colour_files_that_hold_only_grey_are_grey(make_folder: MakeFolder) -> None:
    root = make_folder({"grey.png": np.repeat(GREY[..., None], 3, axis=2), "colour.png": COLOUR})
    assert (read_file(root / "grey.png") == GREY[..., None]).all()
    assert (read_file(root / "colour.png") == COLOUR).all()


class TestChannels:
    def test_positions_follow_the_order_that_is_asked_for(self) -> None:
        there = ("template", "science", "difference")
        assert channel_positions(there, ("difference", "template")) == (2, 0)

    def test_unknown_names_are_told_beside_those_there_are(self) -> None:
        with pytest.raises(ValueError, match=r"no channels \['snr'\].*\['template', 'science'\]"):
            channel_positions(("template", "science"), ("template", "snr"))

    @pytest.mark.parametrize(
        ("channels", "names", "taken"),
        [
            (("grey",), ("grey",), "grey"),
            (("grey",), ("red", "green", "blue"), "rgb"),
            (("red", "green", "blue"), ("grey",), "grey"),
            (("red", "green", "blue"), ("red", "green", "blue"), "rgb"),
            (("red", "green", "blue"), ("red",), (0,)),
            (("red", "green", "blue"), ("blue", "green", "red"), (2, 1, 0)),
            (("template", "science"), ("science",), (1,)),
        ],
    )
    def test_what_is_taken_gives_the_names(
        self, channels: tuple[str, ...], names: tuple[str, ...], taken: pixels.Channels
    ) -> None:
        picture = channels in (("grey",), ("red", "green", "blue"))
        dataset = Dataset(
            title="",
            source="arrays",
            description="",
            simulated=None,
            root=None,
            classes=("a", "b"),
            channels=channels,
            dtype="uint8",
            shape=(2, 2, len(channels)),
            positive=None,
            human_error=None,
            views=("image",) if picture else channels,
            left_out={},
        )
        assert taken_channels(dataset, names) == taken
        image = np.zeros((2, 2, len(channels)), np.uint8)
        assert pixels.to_channels(image, taken).shape == (2, 2, len(names))


def dataset_of(dtype: str, *channels: str) -> Any:
    return SimpleNamespace(dtype=dtype, channels=channels)


def test_a_picture_becomes_a_sample_of_the_dataset() -> None:
    grey = as_sample(GREY[..., None], dataset_of("uint16", "red", "green", "blue"))
    assert grey.shape == (10, 14, 3)
    assert grey.dtype == np.uint16
    assert (grey == GREY[..., None].astype(np.uint16) * 257).all()
    assert as_sample(COLOUR, dataset_of("uint8", "grey")).shape == (12, 8, 1)


@pytest.mark.parametrize(
    ("dtype", "there", "message"),
    [
        (np.uint8, ("a", "b", "c", "d"), "4 channels: a, b, c, d"),
        (np.uint16, ("grey",), r"are uint8\. Received: uint16 pixels\. .* 8 bits"),
    ],
)
def test_a_picture_that_cannot_become_one_is_refused(
    dtype: Any, there: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        as_sample(GREY[..., None].astype(dtype), dataset_of("uint8", *there))
