"""Stage ``train``: trains the model of a run, one epoch after the other, and keeps the best.

After each epoch the weights, the history and a light record of the predictions are on disk, so an
interrupted training goes on from its last finished epoch, with the same result as if it had not
been interrupted. Writes ``model.keras``, ``run.json``, ``history.csv``, ``layers.json``,
``epochs_predicted.npy`` (epochs, n) and ``epochs_p_label.npy`` (epochs, n).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cache.artefact import write_json
from pipelines.errors import RecipeError, StageError
from pipelines.methods import machine
from pipelines.methods.augment import augment
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.epochs import finished, keep, prune, reseed, row_of, start_afresh
from pipelines.methods.feeding import (
    Inputs,
    cross_entropy,
    open_inputs,
    predictor,
    with_images,
)
from pipelines.methods.schedule import Standing, standing
from pipelines.models import build, mistakes
from pipelines.recipe import Recipe, RunRecipe
from pipelines.stages.base import PARTS, Job, Outcome, Stage

_WEIGHTS = "last.keras"
_TINY = 200_000
"""Values of a batch up to which calling TensorFlow costs more than what it computes."""


@dataclass(frozen=True)
class _Data:
    """What is trained on: pixels, labels as integers, positions of each split."""

    inputs: Inputs
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray
    weights: np.ndarray | None
    classes: tuple[str, ...]


def settings(recipe: Recipe, run: str) -> Any:
    """Everything the recipe says about the training; the image size comes with the inputs."""
    return recipe.runs[run].model_dump(mode="json", exclude={"image", *PARTS.values()})


def work(job: Job) -> Outcome:
    """Train from where the work folder stands to the end, then write the best model.

    Raises:
        RecipeError: The model does not fit the images, or early stopping has no val split.
        StageError: The loss is no longer a number.
    """
    run = job.run_recipe
    data = _open_data(job)
    load_tensorflow()
    import keras

    machine.reset_peak_memory()
    start_afresh(run.seed)
    epochs = finished(job.work)
    if epochs:
        model = keras.models.load_model(epochs[-1] / _WEIGHTS, safe_mode=True)
        seconds = sum(row_of(folder)["seconds"] for folder in epochs)
        (job.work / "seconds").write_text(str(seconds), encoding="ascii")
    else:
        model = _compiled(run, data)
    if _standing(epochs, run).stopped is None:
        _train(job, model, data, epochs)
    return _finish(job, data, epochs)


STAGE = Stage(
    name="train",
    version=1,
    scope="run",
    reads=("samples", "inputs"),
    unit="epochs",
    settings=settings,
    work=work,
)


def _open_data(job: Job) -> _Data:
    run = job.run_recipe
    dataset, samples = job.workspace.dataset, job.workspace.samples()
    inputs = open_inputs(job.workspace, str(job.run))
    wrong = mistakes(inputs.model, inputs.shape, len(dataset.classes))
    if wrong:
        raise RecipeError(f"The run '{job.run}' cannot be trained: {' '.join(wrong)}")
    split = samples["split"].to_numpy(dtype=object)
    labels = samples["label"].cat.codes.to_numpy(dtype=np.int32)
    train, val = np.flatnonzero(split == "train"), np.flatnonzero(split == "val")
    if not len(val) and (run.early_stopping is not None or run.plateau is not None):
        raise RecipeError(
            f"The run '{job.run}' watches the validation loss (early_stopping or plateau), but "
            "the data has no val split. Raise dataset.splits.val, or set both to null."
        )
    weights = _class_weights(run, labels[train], dataset.classes, str(job.run))
    return _Data(inputs, labels, train, val, weights, dataset.classes)


def _class_weights(
    run: RunRecipe, labels: np.ndarray, classes: tuple[str, ...], name: str
) -> np.ndarray | None:
    """Weight of each class (k,), averaging to one over the training samples if ``balanced``."""
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


def _compiled(run: RunRecipe, data: _Data) -> Any:
    import keras

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


def _train(job: Job, model: Any, data: _Data, epochs: list[Path]) -> None:
    """Train on from the last finished epoch; each epoch that ends adds its folder to ``epochs``."""
    import keras

    run = job.run_recipe
    predict = predictor(model, data.inputs)
    steps = -(-len(data.train) // run.batch_size)
    started = 0.0
    model.steps_per_execution = _steps_at_once(run, data, steps)

    def begin(epoch: int, logs: Any = None) -> None:
        nonlocal started
        started = time.perf_counter()
        model.optimizer.learning_rate.assign(_standing(epochs, run).learning_rate)
        reseed(model, run.seed, epoch + 1)

    def step(step: int, logs: Any = None) -> None:
        # The last tenth of an epoch's bar is left to predicting and saving.
        job.progress(len(epochs) + 0.9 * (step + 1) / steps, run.epochs)

    def end(epoch: int, logs: dict[str, float]) -> None:
        rate = _standing(epochs, run).learning_rate
        if not np.isfinite(logs["loss"]):
            raise StageError(
                f"The training of '{job.run}' diverged: the loss of epoch {epoch + 1} is "
                f"{logs['loss']}. Lower runs.{job.run}.optimizer.learning_rate (now {rate:g})."
            )
        probabilities = predict()
        p_label = probabilities[np.arange(len(data.labels)), data.labels]
        row = _history_row(epoch + 1, logs, rate, data, probabilities, p_label)
        row["seconds"] = time.perf_counter() - started
        predicted = probabilities.argmax(axis=1)

        def write(folder: Path) -> None:
            model.save(folder / _WEIGHTS)
            np.save(folder / "predicted.npy", predicted.astype(np.uint16))
            np.save(folder / "p_label.npy", p_label.astype(np.float16))

        epochs.append(keep(job.work, epoch + 1, row, write))
        now = _standing(epochs, run)
        prune(epochs, now.best_epoch, _WEIGHTS)
        model.stop_training = now.stopped is not None
        job.progress(len(epochs), run.epochs)

    model.fit(
        _training_batches(run, data, len(epochs) + 1),
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


def _steps_at_once(run: RunRecipe, data: _Data, steps: int) -> int:
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
    data: _Data,
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


def _training_batches(run: RunRecipe, data: _Data, first: int) -> Any:
    """Shuffled, augmented batches of every epoch from ``first`` on, one after the other.

    The order and the augmentation of an epoch depend on seed and epoch alone. It is one dataset,
    because building one an epoch takes longer than training a small network for that epoch.
    """
    import tensorflow as tf

    labels = data.labels.astype(np.int32)

    def shuffled(epoch: int) -> tuple[np.ndarray, ...]:
        order = np.random.default_rng([run.seed, int(epoch)]).permutation(data.train)
        weights = np.ones(len(data.classes), np.float32) if data.weights is None else data.weights
        return order, labels[order], weights[labels[order]]

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
        return (images, label) if data.weights is None else (images, label, weight)

    epochs = tf.data.Dataset.range(first, run.epochs + 1).flat_map(batches_of)
    batches = with_images(epochs, data.inputs)
    return batches.map(finish, num_parallel_calls=2, deterministic=True).prefetch(2)


def _standing(epochs: list[Path], run: RunRecipe) -> Standing:
    return standing([row_of(folder)["val_loss"] for folder in epochs], run)


def _finish(job: Job, data: _Data, epochs: list[Path]) -> Outcome:
    import keras
    import tensorflow as tf

    now = _standing(epochs, job.run_recipe)
    best = keras.models.load_model(
        epochs[now.best_epoch - 1] / _WEIGHTS, compile=False, safe_mode=True
    )
    model = build(data.inputs.model, data.inputs.shape, len(data.classes))
    model.set_weights(best.get_weights())
    model.save(job.out / "model.keras")
    history = pd.DataFrame([row_of(folder) for folder in epochs])
    history.to_csv(job.out / "history.csv", index=False)
    for name in ("predicted", "p_label"):
        record = np.stack([np.load(folder / f"{name}.npy") for folder in epochs])
        np.save(job.out / f"epochs_{name}.npy", record)
    write_json(job.out / "layers.json", _layers(model))
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    frozen = sum(int(np.prod(w.shape)) for w in model.non_trainable_weights)
    forward = tf.function(lambda images: model(images, training=False))
    document = {
        "name": job.run,
        "model": data.inputs.model,
        "input_shape": list(data.inputs.shape),
        "channels": list(data.inputs.names),
        "classes": list(data.classes),
        "settings": job.run_recipe.model_dump(mode="json", exclude=set(PARTS.values())),
        "class_weights": None
        if data.weights is None
        else [round(float(w), 6) for w in data.weights],
        "parameters": {"total": trainable + frozen, "trainable": trainable, "frozen": frozen},
        "bytes": (job.out / "model.keras").stat().st_size,
        "best_epoch": now.best_epoch,
        "epochs": len(epochs),
        "stopped": now.stopped,
        "seconds": float(history["seconds"].sum()),
        "peak_memory_bytes": machine.peak_memory(),
        "latency_ms": {
            str(count): machine.latency(
                lambda images: forward(images).numpy(),
                tf.constant(data.inputs.batch(np.arange(count) % len(data.inputs))),
            )
            for count in (1, 32)
        },
        "environment": machine.environment(),
    }
    write_json(job.out / "run.json", document)
    return Outcome(rows=len(epochs))


def _layers(model: Any) -> list[dict[str, Any]]:
    """One entry a layer: name, class, shape of its output, parameters, whether it trains."""
    return [
        {
            "name": layer.name,
            "class": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
            "trainable": bool(layer.trainable),
        }
        for layer in model.layers
    ]
