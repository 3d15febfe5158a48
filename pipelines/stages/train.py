"""Stage ``train``: trains the model of a run, one epoch after the other, and keeps the best.

After each epoch the weights, the history and a light record of the predictions are on disk, so an
interrupted training goes on from its last finished epoch, with the same result as if it had not
been interrupted. Writes ``model.keras``, ``run.json``, ``history.csv``, ``layers.json``,
``epochs_predicted.npy`` (epochs, n) and ``epochs_p_label.npy`` (epochs, n).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cache.artefact import write_json
from pipelines.errors import RecipeError
from pipelines.methods import machine
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.decided_labels import TRAINED_ON, in_use
from pipelines.methods.epochs import finished, row_of
from pipelines.methods.feeding import open_inputs
from pipelines.methods.training import Data, best_model, class_weights, standing_of, train
from pipelines.models import mistakes
from pipelines.recipe import Recipe
from pipelines.stages.base import (
    PARTS,
    Job,
    Outcome,
    Reads,
    Stage,
    decided_labels,
    training_settings,
)


def work(job: Job) -> Outcome:
    """Train from where the work folder stands to the end, then write the best model.

    Raises:
        RecipeError: The model does not fit the images, or early stopping has no val split.
        StageError: The loss is no longer a number.
    """
    data, told = _open_data(job)
    load_tensorflow()
    machine.reset_peak_memory()
    if earlier := finished(job.work):
        seconds = sum(row_of(folder)["seconds"] for folder in earlier)
        (job.work / "seconds").write_text(str(seconds), encoding="ascii")
    epochs = train(job.run_recipe, data, str(job.run), work=job.work, progress=job.progress)
    return _finish(job, data, epochs, told)


def reads(recipe: Recipe, run: str) -> Reads:
    """Samples and pixels, and the decisions where the run is trained on decided labels."""
    return ("samples", "inputs", *decided_labels(recipe, run))


STAGE = Stage(
    name="train",
    version=1,
    scope="run",
    reads=reads,
    unit="epochs",
    settings=training_settings,
    work=work,
)


def _open_data(job: Job) -> tuple[Data, dict[str, Any]]:
    """What to train on, and what ``run.json`` is to say of the labels."""
    run = job.run_recipe
    dataset, samples = job.workspace.dataset, job.workspace.samples()
    inputs = open_inputs(job.workspace, str(job.run))
    wrong = mistakes(inputs.model, inputs.shape, len(dataset.classes))
    if wrong:
        raise RecipeError(f"The run '{job.run}' cannot be trained: {' '.join(wrong)}")
    split = samples["split"].to_numpy(dtype=object)
    used = in_use(samples, job.decisions)
    rows = {name: np.flatnonzero((split == name) & used.keep) for name in TRAINED_ON}
    if not len(rows["val"]) and (run.early_stopping is not None or run.plateau is not None):
        raise RecipeError(
            f"The run '{job.run}' watches the validation loss (early_stopping or plateau), but "
            "the data has no val split. Raise dataset.splits.val, or set both to null."
        )
    told: dict[str, Any] = {"trained_on": job.recipe.labels_of(str(job.run))}
    if told["trained_on"] == "decided":
        told |= {
            "from": str(job.recipe.dataset.labels),
            "changed": {name: int(used.changed[rows[name]].sum()) for name in TRAINED_ON},
            "left": {name: int(((split == name) & ~used.keep).sum()) for name in TRAINED_ON},
        }
    return Data(inputs, used.labels, rows["train"], rows["val"], dataset.classes), told


def _finish(job: Job, data: Data, epochs: list[Path], labels: dict[str, Any]) -> Outcome:
    import tensorflow as tf

    stands = standing_of(epochs, job.run_recipe)
    weights = class_weights(job.run_recipe, data, str(job.run))
    model = best_model(job.run_recipe, data, epochs)
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
        "settings": {
            **job.run_recipe.model_dump(mode="json", exclude=set(PARTS.values())),
            "labels": labels["trained_on"],
        },
        "labels": labels,
        "class_weights": None if weights is None else [round(float(w), 6) for w in weights],
        "parameters": {"total": trainable + frozen, "trainable": trainable, "frozen": frozen},
        "bytes": (job.out / "model.keras").stat().st_size,
        "best_epoch": stands.best_epoch,
        "selected_on": "val" if len(data.val) else None,
        "epochs": len(epochs),
        "stopped": stands.stopped,
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
