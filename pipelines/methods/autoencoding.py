"""An autoencoder as an embedding: trained on pixels alone; no label is ever shown to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cache.artefact import write_json
from pipelines.errors import RecipeError
from pipelines.methods import epochs
from pipelines.methods.backend import load_tensorflow, traced
from pipelines.methods.encoders import FILES
from pipelines.methods.feeding import Inputs
from pipelines.methods.fitting import Progress, Task, fit
from pipelines.methods.memory import give_back

if TYPE_CHECKING:
    from pipelines.recipe import AutoencoderEmbedding

SHOWN = 64
"""Images whose reconstruction is kept to be looked at."""

MEASURED = 5_000
"""Images of a split that a reconstruction error is measured on, at most."""

_SMALLEST = 8
_BATCH = 128


def make(
    inputs: Inputs,
    rows: Mapping[str, np.ndarray],
    sample_ids: np.ndarray,
    settings: AutoencoderEmbedding,
    where: str,
    *,
    work: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train an autoencoder on train, keep the epoch that is best on val, write its encoder.

    Writes ``encoder.keras``, ``history.csv``, ``reconstructions.npy`` and ``originals.npy``
    (m, height, width, channels) float32 in [0, 1] (of images of test, or else of val or train),
    and ``reconstructed.json`` with their sample ids.

    Args:
        inputs: Pixels of all samples.
        rows: Positions of each split.
        sample_ids: Id of each sample.
        settings: Recipe of the embedding.
        where: Its place in the recipe, for messages.
        work: Folder that outlives a stop.
        out: Folder to write to.
        progress: Told how many epochs are done.

    Returns:
        ``training``, and ``reconstruction``: mean squared error of the pixels of each split, in
        inference mode, and how many images of it were measured.

    Raises:
        RecipeError: The images are smaller than 8 pixels, or there is no train.
        StageError: The training diverged.
    """
    if min(inputs.shape[:2]) < _SMALLEST:
        raise RecipeError(
            f"An autoencoder needs images of at least {_SMALLEST}x{_SMALLEST} pixels. Received: "
            f"{inputs.shape[0]}x{inputs.shape[1]}. Enlarge them with image.size of the run, or "
            f"remove {where}."
        )
    load_tensorflow()
    import keras

    from pipelines.models.autoencoder import autoencoder

    epochs.start_afresh(settings.seed)
    model = autoencoder(inputs.shape, settings.dim)
    error_of = _error_of(model, inputs)
    val = _sample(rows["val"], MEASURED)
    task = Task(
        model=model,
        steps=-(-len(rows["train"]) // settings.batch_size),
        batch=_batches(inputs, rows["train"], settings),
        loss=_loss(model),
        val_loss=lambda: error_of(val),
        where=where,
    )
    fitted = fit(task, settings, work, progress)
    fitted.history.to_csv(out / "history.csv", index=False)
    encoder = keras.Model(model.inputs[0], model.get_layer("bottleneck").output)
    encoder.save(out / FILES["autoencoder"])
    _keep_reconstructions(model, inputs, rows, sample_ids, out)
    errors: dict[str, Any] = {"n": {}}
    for split, positions in rows.items():
        measured = _sample(positions, MEASURED)
        if len(measured):
            errors[split] = error_of(measured)
            errors["n"][split] = len(measured)
    return {"training": fitted.summary, "reconstruction": errors}


def _loss(model: Any) -> Any:
    import tensorflow as tf

    def loss(images: Any) -> Any:
        drawn, wanted = model(images, training=True)
        return tf.reduce_mean(tf.square(drawn - wanted))

    return loss


def _batches(inputs: Inputs, train: np.ndarray, settings: AutoencoderEmbedding) -> Any:
    """Shuffled batches; the order depends on seed and epoch alone."""
    order: tuple[int, np.ndarray] = (0, train)

    def batch(epoch: int, step: int) -> tuple[np.ndarray, ...]:
        nonlocal order
        if order[0] != epoch:
            order = epoch, np.random.default_rng([settings.seed, epoch]).permutation(train)
        start = step * settings.batch_size
        images = inputs.batch(order[1][start : start + settings.batch_size])
        give_back(inputs.array)
        return (images,)

    return batch


def _error_of(model: Any, inputs: Inputs) -> Callable[[np.ndarray], float]:
    """Make a function that measures the mean squared error of some samples; nan of none."""
    import tensorflow as tf

    def errors(images: Any) -> Any:
        drawn, wanted = model(images, training=False)
        return tf.reduce_mean(tf.square(drawn - wanted), axis=[1, 2, 3])

    error = traced(errors, tf.TensorSpec((None, *inputs.shape), tf.float32))

    def measure(rows: np.ndarray) -> float:
        total = 0.0
        for start in range(0, len(rows), _BATCH):
            images = inputs.batch(rows[start : start + _BATCH])
            total += float(error(images).numpy().sum(dtype=np.float64))
            give_back(inputs.array)
        return total / len(rows) if len(rows) else float("nan")

    return measure


def _keep_reconstructions(
    model: Any, inputs: Inputs, rows: Mapping[str, np.ndarray], sample_ids: np.ndarray, out: Path
) -> None:
    there = next(rows[split] for split in ("test", "val", "train") if len(rows[split]))
    shown = _sample(there, SHOWN)
    drawn, wanted = model(inputs.batch(shown), training=False)
    np.save(out / "reconstructions.npy", np.asarray(drawn, np.float32))
    np.save(out / "originals.npy", np.asarray(wanted, np.float32))
    write_json(out / "reconstructed.json", {"sample_ids": [str(sample_ids[row]) for row in shown]})


def _sample(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some positions, always the same, in order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
