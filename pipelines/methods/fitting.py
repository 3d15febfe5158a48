"""Training a small network epoch by epoch, kept after each and gone on with after a stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pipelines.errors import StageError
from pipelines.methods import epochs
from pipelines.methods.backend import traced
from pipelines.methods.parallel import one_ahead

Progress = Callable[[float, int], None]
"""Called with how much is done, and of how much."""


class Settings(Protocol):
    """What a recipe says about such a training."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def patience(self) -> int: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        model: Keras model whose weights are trained.
        steps: Batches an epoch.
        batch: Gives the arrays of a batch for (epoch from 1, step from 0), always the same.
        loss: From those arrays, as tensors, to a scalar; runs the model in training mode.
        val_loss: Loss on val in inference mode; nan where there is no val.
        where: Place of the embedding in the recipe, for messages.
    """

    model: Any
    steps: int
    batch: Callable[[int, int], tuple[np.ndarray, ...]]
    loss: Callable[..., Any]
    val_loss: Callable[[], float]
    where: str


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    Attributes:
        history: One row an epoch: epoch, loss, val_loss, seconds.
        best_epoch: The epoch, from 1, whose weights the model now has.
        stopped: Why it ended.
    """

    history: pd.DataFrame
    best_epoch: int
    stopped: str

    @property
    def summary(self) -> dict[str, Any]:
        """What is told of it on screen, as plain data."""
        return {
            "epochs": len(self.history),
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
            "seconds": float(self.history["seconds"].sum()),
        }


def fit(
    task: Task,
    settings: Settings,
    work: Path,
    progress: Progress,
    *,
    optimizer: Any = None,
    rate: Callable[[int], float] | None = None,
) -> Fitted:
    """Train from where the work folder stands to the end; the model then has its best weights.

    The best epoch is that of the lowest loss on val, the last where
    there is no val; training ends after ``max(patience, 1)`` epochs in a row without improvement.

    Args:
        task: What is learned. Its model was made after
            :func:`pipelines.methods.epochs.start_afresh`.
        settings: Epochs, learning rate, patience and seed.
        work: Folder that outlives a stop.
        progress: Told how many epochs are done.
        optimizer: A Keras optimizer; Adam (Kingma and Ba 2015) if absent.
        rate: Learning rate of an epoch from 1; that of the settings throughout if absent.

    Raises:
        StageError: The loss is no longer a number.
    """
    import keras

    model = task.model
    optimizer = optimizer or keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    step = _training_step(task, optimizer)
    done = epochs.finished(work)
    if done:
        epochs.restore(variables, done[-1])
    while (now := _standing(done, settings))[1] is None:
        epoch, started = len(done) + 1, time.perf_counter()
        epochs.reseed(model, settings.seed, epoch)
        if rate is not None:
            optimizer.learning_rate.assign(rate(epoch))
        batches = one_ahead(partial(task.batch, epoch), task.steps)
        losses = []
        for index, arrays in enumerate(batches, start=1):
            losses.append(step(*arrays))
            progress(epoch - 1 + index / task.steps, settings.epochs)
        loss = float(np.mean([float(value) for value in losses]))
        if not math.isfinite(loss):
            raise StageError(
                f"The training of {task.where} diverged: the loss of epoch {epoch} is {loss}. "
                f"Lower {task.where}.learning_rate (now {settings.learning_rate:g})."
            )
        row = {"epoch": epoch, "loss": loss, "val_loss": task.val_loss()}
        row["seconds"] = time.perf_counter() - started
        done.append(epochs.keep(work, epoch, row, partial(epochs.save, variables)))
        epochs.prune(done, _standing(done, settings)[0])
    best, stopped = now
    epochs.restore(variables, done[best - 1])
    assert stopped is not None
    return Fitted(pd.DataFrame([epochs.row_of(folder) for folder in done]), best, stopped)


def _training_step(task: Task, optimizer: Any) -> Callable[..., Any]:
    import tensorflow as tf

    trainable = task.model.trainable_variables

    def step(*arrays: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = task.loss(*arrays)
        gradients = tape.gradient(loss, [variable.value for variable in trainable])
        optimizer.apply(gradients, trainable)
        return loss

    # Without a signature, the smaller last batch of an epoch would be traced once more.
    example = task.batch(1, 0)
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in example]
    return traced(step, *signature)


def _standing(done: list[Path], settings: Settings) -> tuple[int, str | None]:
    """Best epoch so far (0 before the first), and why the training ends now, if it does."""
    losses = [epochs.row_of(folder)["val_loss"] for folder in done]
    watched = not all(math.isnan(loss) for loss in losses)
    best = 1 + int(np.nanargmin(losses)) if watched and losses else len(losses)
    if len(done) - best >= max(settings.patience, 1):
        return best, "early stopping"
    return best, "last epoch" if len(done) >= settings.epochs else None
