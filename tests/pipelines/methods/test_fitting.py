"""Training epoch by epoch: the best on val is kept, and a stop changes nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import StageError
from pipelines.methods import epochs
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.fitting import Fitted, Task, fit

X = np.random.default_rng(0).random((24, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


class StoppedError(Exception):
    """Stands for whatever stops a training."""


def settings(**changed: Any) -> Any:
    usual = {"epochs": 4, "learning_rate": 0.1, "patience": 9, "seed": 5}
    return SimpleNamespace(**usual | changed)


def train(
    work: Path,
    *,
    stop_in: int | None = None,
    val_losses: list[float] | None = None,
    **changed: Any,
) -> tuple[Fitted, list[np.ndarray]]:
    """A network with dropout and batch normalisation on numbers; stops in an epoch if told to."""
    load_tensorflow()
    import tensorflow as tf
    from keras import Model, layers

    epochs.start_afresh(5)
    inputs = layers.Input((3,))
    x = layers.BatchNormalization()(layers.Dense(8, activation="relu")(inputs))
    model = Model(inputs, layers.Dense(1)(layers.Dropout(0.3)(x)))
    left = iter(val_losses or [])

    def batch(epoch: int, step: int) -> tuple[np.ndarray, ...]:
        if epoch == stop_in and step == 1:
            raise StoppedError
        rows = np.random.default_rng([epoch, step]).choice(24, 8 if step else 5)
        return X[rows], Y[rows]

    def val_loss() -> float:
        if val_losses is not None:
            return next(left)
        return float(np.mean((np.asarray(model(X)) - Y) ** 2))

    task = Task(
        model=model,
        steps=3,
        batch=batch,
        loss=lambda x, y: tf.reduce_mean((model(x, training=True) - y) ** 2),
        val_loss=val_loss,
        where="runs.cnn.embeddings.small",
    )
    told: list[float] = []
    fitted = fit(task, settings(**changed), work, lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert not told or told[-1] <= 1
    return fitted, model.get_weights()


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    whole, weights = train(tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(tmp_path / "broken", stop_in=3)
    assert [path.name for path in epochs.finished(tmp_path / "broken")] == ["00001", "00002"]
    resumed, again = train(tmp_path / "broken")
    for one, other in zip(weights, again, strict=True):
        assert (one == other).all()
    columns = ["epoch", "loss", "val_loss"]
    assert resumed.history[columns].equals(whole.history[columns])
    assert whole.history["loss"].iloc[-1] < whole.history["loss"].iloc[0]


def test_a_finished_training_is_not_trained_on(tmp_path: Path) -> None:
    _, weights = train(tmp_path)
    again, same = train(tmp_path, stop_in=5)
    assert again.summary["epochs"] == 4
    for one, other in zip(weights, same, strict=True):
        assert (one == other).all()


def test_the_best_epoch_on_val_is_kept(tmp_path: Path) -> None:
    _, second = train(tmp_path / "two", val_losses=[3, 2], epochs=2)
    fitted, kept = train(tmp_path / "all", val_losses=[3, 2, 2.5, 2.1, 1], patience=2, epochs=5)
    assert (fitted.best_epoch, fitted.stopped, len(fitted.history)) == (2, "early stopping", 4)
    for one, other in zip(second, kept, strict=True):
        assert (one == other).all()
    weights = [(folder / "last.npz").exists() for folder in epochs.finished(tmp_path / "all")]
    assert weights == [False, True, False, True]


def test_without_val_the_last_epoch_is_kept(tmp_path: Path) -> None:
    fitted, _ = train(tmp_path, val_losses=[float("nan")] * 4, patience=1)
    assert (fitted.best_epoch, fitted.stopped) == (4, "last epoch")


def test_a_diverging_training_says_so(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"small diverged.*embeddings\.small\.learning_rate"):
        train(tmp_path, learning_rate=1e30, epochs=8)
