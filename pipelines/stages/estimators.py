"""Stage ``estimators``: networks that learn to draw the exact maps, and how faithful they are.

Writes for each estimator ``<name>.keras`` (its first training) and ``<name>.npy`` (m, rows,
columns), what it draws for the predicted class of every image that has a map; ``fidelity.parquet``
(one row an image and estimator) and ``estimators.json``. Trainings go on from their last finished
epoch after a stop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cache.artefact import write_json
from cache.tables import write_table
from pipelines.errors import RecipeError
from pipelines.methods.feeding import open_inputs
from pipelines.methods.occlusion import judging, mapping
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage


def settings(recipe: Recipe, run: str, occlusion: str) -> Any:
    """What the recipe says about the estimators."""
    chosen = recipe.runs[run].occlusion[occlusion]
    return chosen.model_dump(mode="json", include={"estimators"})


def work(job: Job) -> Outcome:
    """Train each of them, draw all maps, and judge them beside the baselines.

    Raises:
        RecipeError: There is no map of train to learn from.
        StageError: A training diverged.
    """
    occlusion, chosen = job.its_occlusion, job.occlusion_recipe.estimators
    where = f"runs.{job.run}.occlusion.{job.name}"
    mapped = occlusion.mapped()
    if chosen and not (mapped["split"] == "train").any():
        raise RecipeError(
            f"The estimators of {where} learn from exact maps of train. Received: none. "
            f"Raise {where}.train."
        )
    judge = judging.Judge(
        lambda: mapping.open_model(job.its_run),
        open_inputs(job.workspace, str(job.run)),
        mapped,
        np.asarray(occlusion.maps()),
        occlusion.document("exact"),
    )
    total = sum(one.epochs * one.repeats for one in chosen.values()) or 1
    before = 0

    def progress(done: float, _: int) -> None:
        job.progress(before + done, total)

    for name, one in chosen.items():
        for repeat in range(one.repeats):
            judge.train(
                name,
                repeat,
                one,
                f"{where}.estimators.{name}",
                work=job.work / f"{name}-{repeat}",
                out=job.out,
                progress=progress,
            )
            before += one.epochs
            job.progress(before, total)
    write_json(job.out / "estimators.json", judge.document())
    write_table(judge.table(), job.out / "fidelity.parquet", "fidelity")
    return Outcome(rows=len(mapped))


STAGE = Stage(
    name="estimators",
    version=1,
    scope="occlusion",
    reads=("samples", "inputs", "train", "exact"),
    unit="maps",
    settings=settings,
    work=work,
)
