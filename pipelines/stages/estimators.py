"""Stage ``estimators``: networks that learn to draw the exact maps, and how faithful they are.

Writes for each estimator ``<name>.keras`` (its first training), ``second/<name>.keras`` where there
is a second one, and ``<name>.npy`` (m, rows, columns), what the first draws for the predicted class
of every image that has a map; ``fidelity.parquet`` (one row an image and estimator),
``areas.parquet`` (under the curves of the maps that were followed) and ``estimators.json``.
Trainings go on from their last finished epoch after a stop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cache import Run
from cache.artefact import write_json
from cache.tables import write_table
from pipelines.errors import RecipeError
from pipelines.methods.feeding import open_inputs, open_model
from pipelines.methods.occlusion import judging
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Of, Outcome, Reads, Stage


def settings(recipe: Recipe, run: str, occlusion: str) -> Any:
    """What the recipe says about the estimators."""
    chosen = recipe.runs[run].occlusion[occlusion]
    return chosen.model_dump(mode="json", include={"estimators"})


def reads(recipe: Recipe, run: str, occlusion: str) -> Reads:
    """The maps and their model, and the models whose encoders are taken."""
    estimators = recipe.runs[run].occlusion[occlusion].estimators.values()
    others = {one.encoder for one in estimators if one.encoder is not None} - {run}
    return ("samples", "inputs", "train", "exact", *(Of(one, "train") for one in sorted(others)))


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
    classes = job.workspace.dataset.classes
    for name, one in chosen.items():
        if one.only is not None and one.only not in classes:
            raise RecipeError(
                f"{where}.estimators.{name}.only must be one of the classes. Received: "
                f"'{one.only}'. The classes are: {', '.join(classes)}."
            )
    judge = judging.Judge(
        lambda name: open_model(Run(name or str(job.run), job.workspace)),
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
    write_table(judge.areas(), job.out / "areas.parquet", "areas")
    return Outcome(rows=len(mapped))


STAGE = Stage(
    name="estimators",
    version=4,
    scope="occlusion",
    reads=reads,
    unit="maps",
    settings=settings,
    work=work,
)
