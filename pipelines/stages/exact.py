"""Stage ``exact``: exact occlusion maps of images of every split, of all classes at once.

Writes ``maps.npy`` (m, rows * columns * classes) float32, ``mapped.parquet`` (which images),
``features.parquet`` (where the evidence of each lies, and what kind of map it is), ``looks.npy``
(the mean map of each kind, by predicted class) and ``exact.json`` (patch, stride, fill, how it was
computed, milliseconds a map). Maps go on from the last noted batch after a stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.store import load_array
from cache.tables import write_table
from pipelines.errors import RecipeError, StageError
from pipelines.methods.feeding import open_inputs, open_model
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
    model, inputs = open_model(job.its_run), open_inputs(job.workspace, str(job.run))
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
    maps = load_array(job.out / "maps.npy").reshape(len(rows), *shape)
    described = describe(maps, mapped, job.workspace.dataset.classes, chosen.seed, job.out)
    document = {
        "patch": chosen.patch,
        "stride": chosen.stride,
        "fill": fill,
        "shape": list(shape),
        "way": engine.way,
        "why": engine.why,
        "ms": ms,
        "maps": {name: int((mapped["split"] == name).sum()) for name in SPLITS},
        **described,
    }
    write_json(job.out / "exact.json", document)
    return Outcome(rows=len(rows))


def describe(
    maps: np.ndarray, mapped: pd.DataFrame, classes: Sequence[str], seed: int, out: Path
) -> dict[str, Any]:
    """Write what the maps of the predicted classes have in common with numbers, and their kinds.

    Args:
        maps: (m, rows, columns, classes), a memory map.
        mapped: Which images these are, as in ``mapped.parquet``.
        classes: Names of the classes, in order.
        seed: Of the kinds.
        out: Where ``features.parquet`` and ``looks.npy`` go.

    Returns:
        What to tell of them: the share of the border if the evidence were spread evenly, and the
        kinds in the order of ``looks.npy``.
    """
    asked = mapped["predicted"].cat.codes.to_numpy()
    of_class = OfClass(maps, asked)
    columns = features(of_class, mapped["clean"].to_numpy()).columns()
    kinds = cluster_maps(of_class, asked, LOOKS, seed, fewest=FEWEST)
    table = pd.DataFrame({"sample_id": mapped["sample_id"], "look": kinds.assigned, **columns})
    table = table.rename(columns={"row": "down", "column": "across"})
    write_table(table, out / "features.parquet", "features")
    none = np.empty((0, *maps.shape[1:3]), np.float32)
    np.save(out / "looks.npy", np.concatenate([none, *kinds.means.values()]))
    return {
        "border_share": border_share(*maps.shape[1:3]),
        "looks": [
            {"class": classes[label], "look": look, "maps": size}
            for label, sizes in kinds.sizes.items()
            for look, size in enumerate(sizes.tolist())
        ],
    }


STAGE = Stage(
    name="exact",
    version=2,
    scope="occlusion",
    reads=("samples", "inputs", "train", "predictions"),
    unit="maps",
    settings=settings,
    work=work,
)
