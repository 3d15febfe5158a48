"""Stage ``exact``: exact occlusion maps of images of every split, of all classes at once.

Writes ``maps.npy`` (m, rows * columns * classes) float32, ``mapped.parquet`` (which images),
``features.parquet`` (where the evidence of each lies, and what kind of map it is), ``looks.npy``
(the mean map of each kind, by predicted class) and ``exact.json`` (patch, stride, fill, how it was
computed, milliseconds a map). Maps go on from the last noted batch after a stop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.store import load_array
from cache.tables import write_table
from pipelines.errors import RecipeError, StageError
from pipelines.methods.feeding import open_inputs
from pipelines.methods.occlusion import mapping
from pipelines.methods.occlusion.engine import open_engine
from pipelines.methods.occlusion.features import border_share, features
from pipelines.methods.occlusion.looks import cluster_maps
from pipelines.methods.occlusion.many import OfClass
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

LOOKS = 4
"""Kinds of maps that are told apart within a class, at most."""

FEWEST = 20
"""Maps that a class must have for each of them."""


def settings(recipe: Recipe, run: str, occlusion: str) -> Any:
    """What the recipe says about the exact maps."""
    return recipe.runs[run].occlusion[occlusion].of_the_maps()


def work(job: Job) -> Outcome:
    """Choose the images and make their maps.

    Raises:
        RecipeError: No image is chosen, or the way does not fit the model.
        StageError: The model cannot be explained by occlusion.
    """
    chosen = job.occlusion_recipe
    answers = job.its_run.predictions()
    split = answers["split"].to_numpy(dtype=object)
    counts = {name: int(getattr(chosen, name)) for name in SPLITS}
    rows = mapping.drawn(split, counts, chosen.seed)
    where = f"runs.{job.run}.occlusion.{job.name}"
    if not len(rows):
        raise RecipeError(
            f"The occlusion maps {where} need at least one image. Received: {counts}. "
            "Raise train, val or test there."
        )
    model, inputs = mapping.open_model(job.its_run), open_inputs(job.workspace, str(job.run))
    try:
        engine = open_engine(model, size=chosen.patch, stride=chosen.stride, way=chosen.way)
    except ValueError as error:
        raise StageError(f"{error} (In {where}.)") from error
    train = (split == "train").nonzero()[0]
    fill = mapping.fill_of(chosen.fill, inputs, train if len(train) else rows)
    shape, ms = mapping.make_maps(
        engine, inputs, rows, fill, job.out / "maps.npy", work=job.work, progress=job.progress
    )
    table = answers.iloc[rows].reset_index(drop=True)
    mapped = pd.DataFrame(
        {
            "sample_id": table["sample_id"],
            "split": table["split"],
            "row": rows,
            "label": table["label"],
            "predicted": table["predicted"],
            "clean": table["confidence"],
        }
    )
    write_table(mapped, job.out / "mapped.parquet", "mapped", job.workspace.dataset.classes)
    classes = list(job.workspace.dataset.classes)
    raw = load_array(job.out / "maps.npy").reshape(len(rows), *shape)
    asked = mapped["predicted"].cat.codes.to_numpy()
    maps = OfClass(raw, asked)
    found = features(maps, mapped["clean"].to_numpy())
    kinds = cluster_maps(maps, asked, LOOKS, chosen.seed, fewest=FEWEST)
    columns = found.columns()
    described = pd.DataFrame(
        {
            "sample_id": mapped["sample_id"],
            "down": columns.pop("row"),
            "across": columns.pop("column"),
            **columns,
            "look": kinds.assigned,
        }
    )
    write_table(described, job.out / "features.parquet", "features")
    means = list(kinds.means.values())
    np.save(job.out / "looks.npy", np.concatenate([np.empty((0, *shape[:2]), np.float32), *means]))
    document = {
        "patch": chosen.patch,
        "stride": chosen.stride,
        "fill": fill,
        "shape": list(shape),
        "way": engine.way,
        "why": engine.why,
        "ms": ms,
        "maps": {name: int((mapped["split"] == name).sum()) for name in SPLITS},
        "border_share": border_share(*shape[:2]),
        "looks": [
            {"class": classes[label], "look": look, "maps": size}
            for label, sizes in kinds.sizes.items()
            for look, size in enumerate(sizes.tolist())
        ],
    }
    write_json(job.out / "exact.json", document)
    return Outcome(rows=len(rows))


STAGE = Stage(
    name="exact",
    version=2,
    scope="occlusion",
    reads=("samples", "inputs", "train", "predictions"),
    unit="maps",
    settings=settings,
    work=work,
)
