"""The autoencoder as an embedding: learns from train alone, shows what it draws."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import RecipeError
from pipelines.methods import autoencoding
from pipelines.methods.feeding import Inputs
from pipelines.recipe import AutoencoderEmbedding
from tests.pipelines.methods.stamps import stamps

ROWS = {"train": np.arange(80), "val": np.arange(80, 100), "test": np.arange(100, 120)}


def make(folder: Path, images: np.ndarray, rows: Any = None, **changed: Any) -> dict[str, Any]:
    small = {"dim": 6, "epochs": 4, "batch_size": 16, "learning_rate": 0.01, **changed}
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return autoencoding.make(
        Inputs(images, None, images.shape[1:], "hits_cnn", ("grey",)),
        rows or ROWS,
        np.array([f"id{row}" for row in range(len(images))], dtype=object),
        AutoencoderEmbedding.model_validate({"kind": "autoencoder", **small}),
        "runs.cnn.embeddings.autoencoder",
        work=folder / "work",
        out=folder / "out",
        progress=lambda done, total: None,
    )


def test_what_it_draws_is_closer_than_the_mean_image(tmp_path: Path) -> None:
    import keras

    images, _ = stamps()
    made = make(tmp_path, images, epochs=12)
    out = tmp_path / "out"
    known = images / np.float32(255)
    of_mean = np.mean((known[100:] - known[:80].mean(axis=0)) ** 2)
    errors = made["reconstruction"]
    assert errors["test"] < 0.8 * of_mean
    assert errors["n"] == {"train": 80, "val": 20, "test": 20}
    drawn, wanted = np.load(out / "reconstructions.npy"), np.load(out / "originals.npy")
    ids = json.loads((out / "reconstructed.json").read_text())["sample_ids"]
    assert ids == [f"id{row}" for row in range(100, 120)]
    assert (wanted == known[100:]).all()
    assert np.mean((drawn - wanted) ** 2) == pytest.approx(errors["test"], rel=1e-4)
    history = pd.read_csv(out / "history.csv")
    assert history["val_loss"].min() == pytest.approx(errors["val"], rel=1e-4)
    assert made["training"]["best_epoch"] == history["val_loss"].argmin() + 1
    encoder = keras.models.load_model(out / "encoder.keras", compile=False)
    assert encoder.output_shape == (None, 6)


def test_it_has_no_way_to_a_label() -> None:
    assert "label" not in str(inspect.signature(autoencoding.make))


def test_images_outside_train_teach_it_nothing(tmp_path: Path) -> None:
    images, _ = stamps()
    first = make(tmp_path / "one", images, epochs=2)
    images[100:] = 255 - images[100:]
    second = make(tmp_path / "other", images, epochs=2)
    for split in ("train", "val"):
        assert first["reconstruction"][split] == second["reconstruction"][split]
    assert first["reconstruction"]["test"] != second["reconstruction"]["test"]


def test_without_val_and_test_it_shows_train(tmp_path: Path) -> None:
    images, _ = stamps(30)
    nothing = np.array([], np.int64)
    made = make(tmp_path, images, {"train": np.arange(30), "val": nothing, "test": nothing})
    assert made["training"]["best_epoch"] == 4
    assert set(made["reconstruction"]) == {"n", "train"}
    assert len(np.load(tmp_path / "out" / "originals.npy")) == 30


def test_tiny_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"at least 8x8.*12x7"):
        make(tmp_path, np.zeros((120, 12, 7, 1), np.uint8))
