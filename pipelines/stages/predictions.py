"""Stage ``predictions``: what the best model says of every sample of every split.

Writes ``predictions.parquet`` and ``metrics.json`` (accuracy with interval and loss by split; with
and without the samples that leaked from train, where there are any).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.tables import write_table
from pipelines.methods.feeding import cross_entropy, open_inputs, open_model, predictor
from pipelines.methods.intervals import wilson
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage


def settings(recipe: Recipe, run: str) -> Any:
    """Nothing of the recipe: predictions depend on samples and model alone."""
    return {}


def work(job: Job) -> Outcome:
    """Predict in inference mode and write the table and its summary."""
    samples = job.workspace.samples()
    classes = job.workspace.dataset.classes
    predict = predictor(open_model(job.its_run), open_inputs(job.workspace, str(job.run)))
    probabilities = predict(job.progress)
    frame = prediction_table(samples, probabilities, classes)
    write_table(frame, job.out / "predictions.parquet", "predictions", classes)
    write_json(job.out / "metrics.json", split_metrics(frame, samples["leaked"].to_numpy()))
    return Outcome(rows=len(frame))


def prediction_table(
    samples: pd.DataFrame, probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    """The table of predictions.

    Args:
        samples: Samples (n rows) with ``sample_id``, ``split`` and ``label``.
        probabilities: (n, k) by class.
        classes: The k class names.

    Returns:
        n rows as in ``cache.tables.SCHEMAS['predictions']``; losses in nats.
    """
    labels = samples["label"].cat.codes.to_numpy()
    predicted = probabilities.argmax(axis=1)
    first_two = -np.partition(-probabilities, 1, axis=1)[:, :2]
    p_label = probabilities[np.arange(len(labels)), labels]
    frame = samples[["sample_id", "split", "label"]].assign(
        predicted=np.array(classes, dtype=object)[predicted],
        correct=predicted == labels,
        confidence=first_two[:, 0],
        margin=first_two[:, 0] - first_two[:, 1],
        loss=cross_entropy(p_label),
    )
    columns = {f"p_{index}": probabilities[:, index] for index in range(len(classes))}
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def split_metrics(frame: pd.DataFrame, leaked: np.ndarray) -> dict[str, Any]:
    """Accuracy with its 95 % Wilson interval and mean loss, by split.

    Args:
        frame: Table of predictions (n rows).
        leaked: Mask (n,) of samples whose group or pixels also stand in train.
    """

    def accuracy(rows: pd.DataFrame) -> dict[str, Any]:
        right, count = int(rows["correct"].sum()), len(rows)
        low, high = wilson(right, count)
        return {"value": right / count, "low": float(low), "high": float(high), "n": count}

    metrics: dict[str, Any] = {}
    for split in SPLITS:
        mask = (frame["split"] == split).to_numpy()
        if not mask.any():
            continue
        metrics[split] = {
            "accuracy": accuracy(frame[mask]),
            "loss": float(frame["loss"][mask].mean()),
        }
        clean = mask & ~leaked
        if clean.any() and not clean[mask].all():
            metrics[split]["without_leaks"] = {
                "accuracy": accuracy(frame[clean]),
                "loss": float(frame["loss"][clean].mean()),
            }
    return metrics


STAGE = Stage(
    name="predictions",
    version=1,
    scope="run",
    reads=("samples", "inputs", "train"),
    unit="images",
    settings=settings,
    work=work,
)
