"""What a model is fed is what the one path from file to pixels gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import Workspace
from cache.errors import MissingArtefactError
from pipelines.methods import pixels
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.feeding import Inputs, open_inputs, predictor, to_probabilities, with_images

MakeFolder = Callable[[Mapping[str, Any]], Path]
RunStages = Callable[..., Workspace]

RGB = ("red", "green", "blue")
RNG = np.random.default_rng(2)


def inputs(array: np.ndarray, channels: pixels.Channels, names: tuple[str, ...]) -> Inputs:
    return Inputs(array, channels, (*array.shape[1:3], len(names)), "compact_cnn", names)


def random(dtype: str, channels: int) -> np.ndarray:
    """Ten images of 5 x 6."""
    if dtype == "float32":
        return RNG.random((10, 5, 6, channels)).astype(np.float32)
    return RNG.integers(0, np.iinfo(dtype).max, (10, 5, 6, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("there", "channels", "names"),
    [
        (1, "grey", ("grey",)),
        (1, "rgb", RGB),
        (3, "grey", ("grey",)),
        (3, "rgb", RGB),
        (4, (3,), ("d",)),
        (4, (2, 0), ("c", "a")),
        (4, (0, 1, 2, 3), tuple("abcd")),
        (2, None, ("a", "b")),
    ],
)
def test_a_batch_holds_what_each_image_would_be_alone(
    dtype: str, there: int, channels: pixels.Channels, names: tuple[str, ...]
) -> None:
    array = random(dtype, there)
    rows = np.array([7, 0, 7, 9])
    batch = inputs(array, channels, names).batch(rows)
    assert batch.shape == (4, 5, 6, len(names))
    assert batch.dtype == np.float32
    expected = np.stack(
        [pixels.to_float(pixels.prepare(array[row], (5, 6), channels)) for row in rows]
    )
    assert (batch == expected).all()
    assert batch.min() >= 0
    assert batch.max() <= 1


def test_full_scale_is_one() -> None:
    for dtype in ("uint8", "uint16"):
        array = np.full((1, 2, 2, 1), np.iinfo(dtype).max, dtype)
        assert (inputs(array, "grey", ("grey",)).batch(np.array([0])) == 1).all()


FOLDERS: dict[str, dict[str, Any]] = {
    "grey": {"shapes": [(20, 30)], "dtype": np.uint8, "channels": 1},
    "grey of mixed shape": {"shapes": [(20, 30), (33, 17)], "dtype": np.uint8, "channels": 1},
    "colour": {"shapes": [(20, 30)], "dtype": np.uint8, "channels": 3},
    "colour of mixed shape": {"shapes": [(20, 30), (9, 40)], "dtype": np.uint8, "channels": 3},
    "16 bit of mixed shape": {"shapes": [(20, 30), (9, 40)], "dtype": np.uint16, "channels": 1},
}


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_run_reads_what_its_files_hold(
    make_folder: MakeFolder, run_stages: RunStages, folder: str
) -> None:
    kind = FOLDERS[folder]
    files = {}
    for index in range(12):
        height, width = kind["shapes"][index % len(kind["shapes"])]
        size = (height, width, 3) if kind["channels"] == 3 else (height, width)
        pixels_there = RNG.integers(0, np.iinfo(kind["dtype"]).max, size).astype(kind["dtype"])
        files[f"{'ab'[index % 2]}/{index}.png"] = pixels_there
    names: tuple[str, ...] = ("grey",) if kind["channels"] == 1 else RGB
    runs: dict[str, Any] = {
        f"{channels}-{name}": {"image": {"channels": channels, "size": size}}
        for channels in ("auto", "grey", "rgb")
        for name, size in (("auto", "auto"), ("resized", [16, 24]), ("native", [20, 30]))
    }
    runs["named"] = {"image": {"channels": list(names[::-1]), "size": [16, 24]}}
    root = make_folder(files)
    dataset = {"source": "folder", "root": str(root)}
    workspace = run_stages(dataset, "samples", "inputs", runs=runs)
    paths = workspace.samples()["path"]
    for name in runs:
        fed = open_inputs(workspace, name)
        batch = fed.batch(np.arange(len(fed)))
        channels: Any = name.split("-")[0]
        channels = {"auto": None, "named": tuple(range(len(names)))[::-1]}.get(channels, channels)
        for image, path in zip(batch, paths, strict=True):
            decoded = pixels.decode(root / path)
            expected = pixels.to_float(pixels.prepare(decoded, fed.shape[:2], channels))
            assert image.shape == fed.shape, name
            assert (image == expected).all(), name


def test_channels_by_name_are_resized_like_the_image_alone(
    tmp_path: Path, run_stages: RunStages
) -> None:
    array = random("uint8", 4)
    np.savez(tmp_path / "four.npz", images=array, labels=np.arange(10) % 2)
    named = {"channels": ["channel 4", "channel 2"], "size": [9, 7]}
    workspace = run_stages(
        {"source": "arrays", "path": str(tmp_path / "four.npz")},
        "samples",
        "inputs",
        runs={"two": {"image": named}, "native": {"image": {**named, "size": [5, 6]}}},
    )
    for run in ("two", "native"):
        fed = open_inputs(workspace, run)
        assert fed.names == ("channel 4", "channel 2")
        for original, image in zip(array, fed.batch(np.arange(10)), strict=True):
            prepared = pixels.prepare(original, fed.shape[:2], (3, 1))
            assert (image == pixels.to_float(prepared)).all()
    pixels_file = workspace.artefact("inputs", "two").path("pixels.npy")
    assert np.load(pixels_file).shape == (10, 9, 7, 2), "no more than the model reads"
    assert not (workspace.artefact("inputs", "native").folder / "pixels.npy").exists()


def test_inputs_that_were_not_made_are_named(
    make_folder: MakeFolder, run_stages: RunStages
) -> None:
    root = make_folder({f"{'ab'[i % 2]}/{i}.png": None for i in range(8)})
    workspace = run_stages({"source": "folder", "root": str(root)})
    with pytest.raises(MissingArtefactError, match=r"'inputs'.*runs/only.*Make it: "):
        open_inputs(workspace, "only")


class TestTensorFlow:
    def test_images_come_in_the_order_of_the_positions(self) -> None:
        load_tensorflow()
        import tensorflow as tf

        fed = inputs(random("uint8", 1), "rgb", RGB)
        order = np.array([4, 9, 0, 0, 7, 3, 1])
        numbers = tf.data.Dataset.from_tensor_slices((order, order * 10)).batch(3)
        batches = list(with_images(numbers, fed))
        assert [len(images) for images, _ in batches] == [3, 3, 1]
        assert batches[0][0].shape[1:] == (5, 6, 3)
        joined = np.concatenate([images.numpy() for images, _ in batches])
        assert (joined == fed.batch(order)).all()
        assert np.concatenate([other.numpy() for _, other in batches]).tolist() == [
            40, 90, 0, 0, 70, 30, 10,
        ]  # fmt: skip

    def test_a_predictor_follows_the_weights(self) -> None:
        load_tensorflow()
        import keras

        fed = inputs(random("uint16", 1), "grey", ("grey",))
        model = keras.Sequential(
            [
                keras.Input(fed.shape),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.9),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )
        predict = predictor(model, fed, batch_size=4)
        told: list[tuple[float, int]] = []
        for _ in range(2):
            kernel, bias = model.layers[-1].get_weights()
            kernel = RNG.normal(size=kernel.shape).astype(np.float32)
            model.layers[-1].set_weights([kernel, bias])
            logits = fed.batch(np.arange(10)).reshape(10, -1) @ kernel + bias
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            expected = powers / powers.sum(axis=1, keepdims=True)
            found = predict(lambda done, total: told.append((done, total)))
            assert found == pytest.approx(expected, abs=1e-5)
        assert told == [(4, 10), (8, 10), (10, 10)] * 2


def test_one_output_is_the_probability_of_the_second_class() -> None:
    given = np.array([[0.25], [1.0], [0.0]], np.float32)
    assert to_probabilities(given).tolist() == [[0.75, 0.25], [0.0, 1.0], [1.0, 0.0]]


def test_more_outputs_are_the_probabilities() -> None:
    given = np.array([[0.2, 0.3, 0.5], [1, 0, 0]])
    found = to_probabilities(given)
    assert found.dtype == np.float32
    assert found == pytest.approx(given)
