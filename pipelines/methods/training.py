"""Training a classifier epoch by epoch, kept after each and gone on with after a stop.

After each epoch the weights, its row of the history and a light record of the predictions are on
disk, so a training that was broken off ends as if it had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import RecipeError, StageError
from pipelines.methods.augment import augment
from pipelines.methods.epochs import (
    finished,
    keep,
    prune,
    reseed,
    restore,
    row_of,
    save,
    start_afresh,
)
from pipelines.methods.feeding import Inputs, cross_entropy, predictor, with_images
from pipelines.methods.schedule import Standing, standing

if TYPE_CHECKING:
    from pipelines.recipe import RunRecipe

_TINY = 200_000
"""Values of a batch up to which calling TensorFlow costs more than what it computes."""


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Attributes:
        inputs: Pixels of all samples.
        labels: int32 (n,) codes of the classes to learn and to measure the epochs by.
        train: Positions of those that are trained on.
        val: Positions of those that the best epoch is chosen on; may be empty.
        classes: Names of the classes, in order.
    """

    inputs: Inputs
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    classes: tuple[str, ...]


def train(
    run: RunRecipe,
    data: Data,
    name: str,
    *,
    work: Path,
    progress: Callable[[float, int], None],
) -> list[Path]:
    """Train from where the work folder stands to the end.

    Args:
        run: How.
        data: On what.
        name: That of the run, for messages.
        work: Folder that outlives a stop.
        progress: Told how many epochs are done, and of how many.

    Returns:
        The folders of the epochs, each with ``row.json``, ``predicted.npy`` (n,) and
        ``p_label.npy`` (n,).

    Raises:
        RecipeError: The class weights name classes that the data does not have.
        StageError: The loss is no longer a number.
    """
    start_afresh(run.seed)
    epochs = finished(work)
    model = _compiled(run, data)
    if epochs:
        restore(_variables(model), epochs[-1])
    if standing_of(epochs, run).stopped is None:
        _train_on(run, data, name, model, epochs, work, progress)
    return epochs


def standing_of(epochs: list[Path], run: RunRecipe) -> Standing:
    """Where a training stands after these epochs."""
    return standing([row_of(folder)["val_loss"] for folder in epochs], run)


def best_model(run: RunRecipe, data: Data, epochs: list[Path]) -> Any:
    """A new model with the weights of the best epoch.

    Args:
        run: How it was trained.
        data: On what.
        epochs: The folders of its epochs, as :func:`train` returned them.
    """
    from pipelines.models import build

    model = build(data.inputs.model, data.inputs.shape, len(data.classes))
    restore(model.weights, epochs[standing_of(epochs, run).best_epoch - 1])
    return model


def class_weights(run: RunRecipe, data: Data, name: str) -> np.ndarray | None:
    """Weight of each class (k,), averaging to one over the training samples if ``balanced``.

    Raises:
        RecipeError: They name classes that the data does not have.
    """
    labels, classes = data.labels[data.train], data.classes
    if run.class_weights is None:
        return None
    if run.class_weights == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        balanced: np.ndarray = len(labels) / (len(classes) * np.maximum(counts, 1))
        return balanced.astype(np.float32)
    strange = sorted(set(run.class_weights) - set(classes))
    if strange:
        raise RecipeError(
            f"The class_weights of the run '{name}' name classes that the data does not have: "
            f"{strange}. The classes are: {list(classes)[:30]}."
        )
    return np.array([run.class_weights.get(c, 1.0) for c in classes], np.float32)


def _compiled(run: RunRecipe, data: Data) -> Any:
    import keras

    from pipelines.models import build

    model = build(data.inputs.model, data.inputs.shape, len(data.classes))
    kinds = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "adadelta": keras.optimizers.Adadelta,
    }
    momentum = {"momentum": run.optimizer.momentum} if run.optimizer.momentum else {}
    optimizer = kinds[run.optimizer.name](learning_rate=run.optimizer.learning_rate, **momentum)
    single = model.outputs[0].shape[-1] == 1
    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy" if single else "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
        jit_compile=False,  # measured: XLA only adds seconds of compilation on these sizes
    )
    return model


def _variables(model: Any) -> list[Any]:
    """All that a training changes: the weights, and what the optimizer remembers."""
    model.optimizer.build(model.trainable_variables)
    return [*model.weights, *model.optimizer.variables]


def _train_on(
    run: RunRecipe,
    data: Data,
    name: str,
    model: Any,
    epochs: list[Path],
    work: Path,
    progress: Callable[[float, int], None],
) -> None:
    """Train on from the last finished epoch; each epoch that ends adds its folder to ``epochs``."""
    import keras

    weights = class_weights(run, data, name)
    predict = predictor(model, data.inputs)
    steps = -(-len(data.train) // run.batch_size)
    started = 0.0
    variables = _variables(model)
    model.steps_per_execution = _steps_at_once(run, data, steps)

    def begin(epoch: int, logs: Any = None) -> None:
        nonlocal started
        started = time.perf_counter()
        model.optimizer.learning_rate.assign(standing_of(epochs, run).learning_rate)
        reseed(model, run.seed, epoch + 1)

    def step(step: int, logs: Any = None) -> None:
        # The last tenth of an epoch's bar is left to predicting and saving.
        progress(len(epochs) + 0.9 * (step + 1) / steps, run.epochs)

    def end(epoch: int, logs: dict[str, float]) -> None:
        rate = standing_of(epochs, run).learning_rate
        if not np.isfinite(logs["loss"]):
            raise StageError(
                f"The training of '{name}' diverged: the loss of epoch {epoch + 1} is "
                f"{logs['loss']}. Lower runs.{name}.optimizer.learning_rate (now {rate:g})."
            )
        probabilities = predict()
        p_label = probabilities[np.arange(len(data.labels)), data.labels]
        row = _history_row(epoch + 1, logs, rate, data, probabilities, p_label)
        row["seconds"] = time.perf_counter() - started
        predicted = probabilities.argmax(axis=1)

        def write(folder: Path) -> None:
            save(variables, folder)
            np.save(folder / "predicted.npy", predicted.astype(np.uint16))
            np.save(folder / "p_label.npy", p_label.astype(np.float16))

        epochs.append(keep(work, epoch + 1, row, write))
        stands = standing_of(epochs, run)
        prune(epochs, stands.best_epoch)
        model.stop_training = stands.stopped is not None
        progress(len(epochs), run.epochs)

    model.fit(
        _training_batches(run, data, weights, len(epochs) + 1),
        initial_epoch=len(epochs),
        epochs=run.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=begin, on_train_batch_end=step, on_epoch_end=end
            )
        ],
    )


def _steps_at_once(run: RunRecipe, data: Data, steps: int) -> int:
    """How many steps to run in one call: for tiny batches the call takes longer than the step.

    Divides the steps of an epoch, because the batches of the next one follow without a gap.
    """
    if run.batch_size * int(np.prod(data.inputs.shape)) > _TINY:
        return 1
    return max(count for count in range(1, 33) if steps % count == 0)


def _history_row(
    epoch: int,
    logs: dict[str, float],
    rate: float,
    data: Data,
    probabilities: np.ndarray,
    p_label: np.ndarray,
) -> dict[str, Any]:
    """One row of the history; what is not of ``logs`` is measured in inference mode."""
    losses = cross_entropy(p_label)
    right = probabilities.argmax(axis=1) == data.labels

    def mean(values: np.ndarray, rows: np.ndarray) -> float:
        return float(values[rows].mean()) if len(rows) else float("nan")

    return {
        "epoch": epoch,
        "loss": float(logs["loss"]),
        "fit_accuracy": float(logs["accuracy"]),
        "train_loss": mean(losses, data.train),
        "train_accuracy": mean(right, data.train),
        "val_loss": mean(losses, data.val),
        "val_accuracy": mean(right, data.val),
        "learning_rate": rate,
    }


def _training_batches(run: RunRecipe, data: Data, weights: np.ndarray | None, first: int) -> Any:
    """Shuffled, augmented batches of every epoch from ``first`` on, one after the other.

    The order and the augmentation of an epoch depend on seed and epoch alone. It is one dataset,
    because building one an epoch takes longer than training a small network for that epoch.
    """
    import tensorflow as tf

    labels = data.labels.astype(np.int32)

    def shuffled(epoch: int) -> tuple[np.ndarray, ...]:
        order = np.random.default_rng([run.seed, int(epoch)]).permutation(data.train)
        each = np.ones(len(data.classes), np.float32) if weights is None else weights
        return order, labels[order], each[labels[order]]

    def batches_of(epoch: Any) -> Any:
        parts = tf.numpy_function(shuffled, [epoch], [tf.int64, tf.int32, tf.float32])
        for part in parts:
            part.set_shape([len(data.train)])
        batches = tf.data.Dataset.from_tensor_slices(tuple(parts)).batch(run.batch_size)
        return batches.enumerate().map(
            lambda step, part: (*part, tf.stack([run.seed * 100_003 + epoch, step]))
        )

    def finish(images: Any, label: Any, weight: Any, seed: Any) -> Any:
        if run.augmentation is not None:
            images = augment(images, run.augmentation, seed)
        return (images, label) if weights is None else (images, label, weight)

    epochs = tf.data.Dataset.range(first, run.epochs + 1).flat_map(batches_of)
    batches = with_images(epochs, data.inputs)
    return batches.map(finish, num_parallel_calls=2, deterministic=True).prefetch(2)
