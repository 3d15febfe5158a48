"""The twin network: losses by hand, pairs from train alone, the same answer in either order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import RecipeError
from pipelines.methods import siamese
from pipelines.methods.feeding import Inputs
from pipelines.methods.siamese import Labelled, best_threshold
from pipelines.recipe import SiameseEmbedding
from tests.pipelines.methods.stamps import CLASSES, stamps


class Watched(Inputs):
    """Remembers which images were read."""

    def batch(self, rows: np.ndarray) -> np.ndarray:
        read.update(np.asarray(rows).tolist())
        return super().batch(rows)


read: set[int] = set()


def opened(side: int = 12) -> Watched:
    images, _ = stamps(side=side)
    return Watched(images, None, images.shape[1:], "hits_cnn", ("grey",))


def labelled(train: int = 70, val: int = 90) -> Labelled:
    _, labels = stamps()
    rows = {
        "train": np.arange(train),
        "val": np.arange(train, val),
        "test": np.arange(val, len(labels)),
    }
    return Labelled(labels.astype(np.int32), np.arange(len(labels)), rows, CLASSES)


def settings(**changed: Any) -> SiameseEmbedding:
    small = {"dim": 4, "epochs": 3, "steps": 6, "batch_size": 16, "learning_rate": 0.01}
    return SiameseEmbedding.model_validate({"kind": "siamese", **small, **changed})


def make(folder: Path, chosen: SiameseEmbedding, data: Labelled | None = None) -> Any:
    """What it says, and the vectors of all stamps."""
    import keras

    read.clear()
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    inputs = opened()
    made = siamese.make(
        inputs,
        data or labelled(),
        chosen,
        "runs.cnn.embeddings.siamese",
        work=folder / "work",
        out=folder / "out",
        progress=lambda done, total: None,
    )
    encoder = keras.models.load_model(folder / "out" / "encoder.keras", compile=False)
    return made, np.asarray(encoder(Inputs.batch(inputs, np.arange(len(inputs)))))


def test_the_contrastive_loss_of_hand_computed_pairs() -> None:
    distances = np.array([0.5, 0.5, 1.5], np.float32)
    same = np.array([1, 0, 0], np.float32)
    losses = np.asarray(siamese.contrastive_losses(distances, same, margin=1.0))
    assert losses == pytest.approx([0.25, 0.25, 0.0])


def test_semi_hard_negatives_of_a_hand_computed_batch() -> None:
    # Images 0 and 1 are alike, 2 and 3 are alone. From 0: positive at 2, negatives at 1 and 3.
    places = np.array([0.0, 2.0, -1.0, 3.0], np.float32)
    distances = np.abs(places[:, None] - places)
    labels = np.array([7, 7, 1, 2])
    losses = np.asarray(siamese.semi_hard_losses(distances, labels, margin=1.5))
    # Anchor 0: of 1 and 3, only 3 is farther than 2, so 2 - 3 + 1.5. Anchor 1: negatives at 3 and
    # 1, again 3: the same. Images without a positive are no anchors.
    assert losses == pytest.approx([0.5, 0.5])
    # Where no negative is farther than the positive, the farthest is taken: 2 - 1 + 1.5.
    near = np.array([0.0, 2.0, 1.0], np.float32)
    losses = np.asarray(
        siamese.semi_hard_losses(np.abs(near[:, None] - near), np.array([7, 7, 1]), margin=1.5)
    )
    assert losses == pytest.approx([2.5, 2.5])


@pytest.mark.parametrize(
    ("distances", "same", "threshold"),
    [
        ([0.1, 0.2, 0.6, 0.8], [True, True, False, False], 0.4),
        ([0.1, 0.3, 0.2, 0.9], [True, True, False, False], 0.15),
        ([0.4, 0.8], [False, False], 0.2),
        ([0.4, 0.8], [True, True], 0.8),
        ([0.5, 0.5, 0.5], [True, True, False], 0.5),
        ([], [], None),
    ],
)
def test_the_threshold_parts_pairs_best(
    distances: list[float], same: list[bool], threshold: float | None
) -> None:
    found = best_threshold(np.array(distances), np.array(same, bool))
    assert found == (threshold if threshold is None else pytest.approx(threshold))


@pytest.mark.parametrize("loss", ["contrastive", "triplet"])
def test_it_learns_and_says_so(tmp_path: Path, loss: str) -> None:
    chosen, data = settings(loss=loss, epochs=8, learning_rate=0.002), labelled()
    made, vectors = make(tmp_path, chosen, data)
    assert made["model"] == "hits_cnn"
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    assert history["val_loss"].min() < 0.7 * history["val_loss"].iloc[0]
    said = siamese.report(vectors, data, chosen, "here")
    assert said["pairs"]["val"]["value"] >= 0.8
    assert said["pairs"]["test"]["value"] >= 0.8
    assert said["pairs"]["test"]["n"] % 2 == 0
    assert "unseen" not in said["pairs"]
    best = max(shot["accuracy"]["value"] for shot in said["one_shot"])
    assert best > 0.8
    assert said["one_shot_unseen_classes"] is None


def test_a_pair_has_one_distance_in_either_order(tmp_path: Path) -> None:
    """Mistakes B7 and B43: a twin that is not symmetric, or compares an image with itself."""
    import keras

    make(tmp_path, settings(epochs=1))
    encoder = keras.models.load_model(tmp_path / "out" / "encoder.keras", compile=False)
    images = opened().batch(np.arange(20))
    one, other = images[:10], images[10:]

    def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.asarray(encoder(first)) - np.asarray(encoder(second)), axis=1)

    assert (distance(one, other) == distance(other, one)).all()
    assert (distance(one, one) == 0).all()
    assert (distance(one, other) > 0).all()


def test_training_reads_train_and_the_validation_val(tmp_path: Path) -> None:
    data = labelled()
    make(tmp_path, settings(), data)
    assert read <= set(range(90))
    assert read & set(range(70, 90))


def test_images_of_unseen_classes_are_never_read(tmp_path: Path) -> None:
    data, chosen = labelled(), settings(unseen=("low",))
    _, vectors = make(tmp_path, chosen, data)
    assert 2 not in data.labels[sorted(read)]
    said = siamese.report(vectors, data, chosen, "here")
    assert said["unseen"] == ["low"]
    assert said["one_shot"][0]["unseen"]["n"] == 10
    assert said["one_shot"][0]["accuracy"]["n"] == 20
    # Of one unseen class alone there are no different pairs.
    assert "unseen" not in said["pairs"]


def test_the_threshold_is_chosen_on_val_alone(tmp_path: Path) -> None:
    data, chosen = labelled(), settings()
    vectors = np.random.default_rng(0).random((120, 4))
    before = siamese.report(vectors, data, chosen, "here")
    vectors[data.rows["test"]] *= 7
    after = siamese.report(vectors, data, chosen, "here")
    assert before["threshold"] == after["threshold"]
    assert before["pairs"]["val"] == after["pairs"]["val"]
    assert before["pairs"]["test"] != after["pairs"]["test"]


def test_without_val_the_last_epoch_is_kept_and_no_accuracy_told(tmp_path: Path) -> None:
    data, chosen = labelled(train=90, val=90), settings(epochs=1)
    made, vectors = make(tmp_path, chosen, data)
    assert made["training"]["best_epoch"] == 1
    said = siamese.report(vectors, data, chosen, "here")
    assert said["threshold"] is None
    assert said["pairs"] == {}


@pytest.mark.parametrize(
    ("unseen", "message"),
    [
        (("left", "low"), r"no pairs to train .*'left', 'low'.*Name fewer"),
        (("up",), r"unseen names classes.*\['up'\].*'left'"),
    ],
)
def test_unseen_classes_that_leave_nothing_are_refused(
    tmp_path: Path, unseen: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        make(tmp_path, settings(unseen=unseen))


def test_tiny_images_are_refused(tmp_path: Path) -> None:
    images = np.zeros((120, 7, 9, 1), np.uint8)
    with pytest.raises(RecipeError, match=r"at least 8x8.*7x9"):
        siamese.make(
            Inputs(images, None, (7, 9, 1), "hits_cnn", ("grey",)),
            labelled(),
            settings(),
            "here",
            work=tmp_path,
            out=tmp_path,
            progress=lambda done, total: None,
        )
