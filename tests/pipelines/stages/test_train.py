"""Training: what is written, what is chosen on, and that it can be relied on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import Run, open_workspace
from pipelines.errors import RecipeError, StageError
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe
from tests.reports import Silent


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """120 stamps of 12x12; the third class is rare; every tenth label is wrong."""
    rng = np.random.default_rng(3)
    labels = np.array([0, 1, 0, 1, 2] * 24)
    images = rng.integers(0, 90, (120, 12, 12, 3)).astype(np.uint8)
    for label, (row, column) in enumerate([(2, 2), (2, 8), (8, 5)]):
        images[labels == label, row : row + 3, column : column + 3] += 120
    labels[::10] = 0
    path = tmp_path / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(["left", "right", "low"]))
    return path


def train(stamps: Path, root: Path, dataset: dict[str, Any] | None = None, **run: Any) -> Run:
    settings = {"model": "hits_cnn", "epochs": 3, "batch_size": 16, "embeddings": {}, **run}
    recipe = Recipe.model_validate(
        {
            "name": "stamps",
            "dataset": {"source": "arrays", "path": str(stamps), **(dataset or {})},
            "runs": {"cnn": settings},
        }
    )
    run_recipe(recipe, Silent(), command="make it", reference="test", root=root)
    return open_workspace("stamps", root).run("cnn")


@pytest.fixture
def trained(stamps: Path, tmp_path: Path) -> Run:
    return train(stamps, tmp_path / "cache", epochs=4)


def test_history_run_and_predictions_agree(trained: Run) -> None:
    history, document, answers = trained.history(), trained.document, trained.predictions()
    assert list(history["epoch"]) == list(range(1, document["epochs"] + 1))
    best = history.set_index("epoch").loc[document["best_epoch"]]
    assert best["val_loss"] == history["val_loss"].min()
    assert document["selected_on"] == "val"
    # The predictions are those of the best epoch, in inference mode, on every split.
    for split in ("train", "val"):
        rows = answers[answers["split"] == split]
        assert rows["correct"].mean() == pytest.approx(best[f"{split}_accuracy"])
        assert rows["loss"].mean() == pytest.approx(best[f"{split}_loss"], rel=1e-4)
    probabilities = answers.filter(regex=r"^p_\d+$").to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(answers)), abs=1e-5)
    assert set(answers["split"]) == {"train", "val", "test"}
    classes = np.array(document["classes"])
    assert (classes[probabilities.argmax(axis=1)] == answers["predicted"].astype("str")).all()


def test_each_epoch_leaves_a_record_of_its_predictions(trained: Run) -> None:
    folder = trained.artefact("train").folder
    predicted = np.load(folder / "epochs_predicted.npy")
    p_label = np.load(folder / "epochs_p_label.npy")
    samples = trained.workspace.samples()
    assert predicted.shape == p_label.shape == (trained.document["epochs"], len(samples))
    best = trained.document["best_epoch"] - 1
    answers = trained.predictions()
    assert (predicted[best] == answers["predicted"].cat.codes).all()
    expected = np.exp(-answers["loss"].to_numpy())
    assert p_label[best].astype(np.float64) == pytest.approx(expected, abs=2e-3)


def test_what_a_run_cost_is_recorded(trained: Run) -> None:
    document = trained.document
    folder = trained.artefact("train").folder
    layers = json.loads((folder / "layers.json").read_text())
    assert sum(layer["parameters"] for layer in layers) == document["parameters"]["total"]
    assert document["bytes"] == (folder / "model.keras").stat().st_size
    assert document["peak_memory_bytes"] > 50e6
    for count in ("1", "32"):
        latency = document["latency_ms"][count]
        assert 0 < latency["low"] <= latency["median"] <= latency["high"]
    assert document["environment"]["cores"] >= 1
    assert document["seconds"] == pytest.approx(trained.history()["seconds"].sum())


def test_the_saved_model_gives_the_recorded_predictions(trained: Run) -> None:
    import keras

    model = keras.models.load_model(trained.artefact("train").path("model.keras"), safe_mode=True)
    images = trained.workspace.images()
    assert images is not None
    given = model.predict(images.astype(np.float32) / 255, verbose=0)
    recorded = trained.predictions().filter(regex=r"^p_\d+$").to_numpy()
    assert given == pytest.approx(recorded, abs=1e-5)


def test_the_validation_loss_has_no_penalty_terms(tmp_path: Path) -> None:
    """The L1 and L2 penalties of C3 are above 10 at first (B35); what is watched must not be."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (24, 128, 128)).astype(np.uint8)
    path = tmp_path / "noise.npz"
    np.savez(path, images=images, labels=np.arange(24) % 2)
    run = train(
        path, tmp_path / "cache", model="simple_cnn_224", epochs=1, image={"channels": "rgb"}
    )
    (row,) = run.history().to_dict("records")
    assert row["loss"] > 5
    assert row["val_loss"] < 2


def test_augmentation_and_class_weights_change_the_training_alone(
    stamps: Path, tmp_path: Path, trained: Run
) -> None:
    other = train(
        stamps,
        tmp_path / "other",
        epochs=4,
        augmentation={"shift_x": 0.2, "brightness": [0.5, 1.5]},
        class_weights="balanced",
    )
    assert not other.history()["loss"].equals(trained.history()["loss"])
    assert other.workspace.samples().equals(trained.workspace.samples())
    weights = np.array(other.document["class_weights"])
    samples = other.workspace.samples()
    counts = samples.loc[samples["split"] == "train", "label"].value_counts(sort=False)
    assert weights * counts.to_numpy() == pytest.approx(np.full(3, counts.sum() / 3), rel=1e-4)


def test_early_stopping_and_plateau_are_obeyed(stamps: Path, tmp_path: Path) -> None:
    run = train(
        stamps,
        tmp_path / "cache",
        epochs=30,
        optimizer={"name": "sgd", "learning_rate": 1e-6},
        early_stopping={"patience": 4, "min_delta": 0.1},
        plateau={"factor": 0.1, "patience": 2, "min_delta": 0.1, "min_learning_rate": 0},
    )
    assert run.document["stopped"] == "early stopping"
    rates = run.history()["learning_rate"].to_numpy()
    assert rates == pytest.approx([1e-6, 1e-6, 1e-6, 1e-7, 1e-7])


def test_without_a_val_split_the_last_epoch_is_kept(stamps: Path, tmp_path: Path) -> None:
    splits = {"splits": {"val": 0, "test": 0.2}}
    with pytest.raises(RecipeError, match=r"no val split.*set both to null"):
        train(stamps, tmp_path / "cache", splits)
    run = train(stamps, tmp_path / "cache", splits, early_stopping=None, epochs=2)
    assert run.document["best_epoch"] == 2
    assert run.document["selected_on"] is None
    assert run.history()["val_loss"].isna().all()
    assert set(run.metrics()) == {"train", "test"}


def test_a_model_that_does_not_fit_is_refused(stamps: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"run 'cnn' cannot be trained.*simple_cnn"):
        train(stamps, tmp_path / "cache", model="simple_cnn")


def test_unknown_classes_in_the_weights_are_refused(stamps: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"class_weights.*\['up'\]"):
        train(stamps, tmp_path / "cache", class_weights={"up": 2.0})


def test_a_diverging_training_says_so(stamps: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"diverged.*learning_rate"):
        train(
            stamps,
            tmp_path / "cache",
            optimizer={"name": "sgd", "learning_rate": 1e30},
            epochs=5,
            early_stopping=None,
        )
