"""Stage ``inputs``: the pixels as a run's model reads them, before scaling to [0, 1].

Decides what the recipe leaves to ``auto`` (image size, channels, model) and writes it to
``inputs.json``. ``pixels.npy`` (n, height, width, channels) is written unless the samples' own
memory map has that size already; it holds the model's channels, but grey only once where the model
reads it three times. Everything that feeds the model later reads these pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cache import Dataset
from cache.artefact import write_json
from pipelines.errors import RecipeError
from pipelines.methods import pixels
from pipelines.methods.parallel import in_order
from pipelines.methods.reading import channel_positions, pixel_reader, taken_channels
from pipelines.recipe import Recipe, RunRecipe
from pipelines.stages.base import Job, Outcome, Stage

_SIDES = (64, 96, 128)


def settings(recipe: Recipe, run: str) -> Any:
    """Model, image size and channels of the run."""
    return recipe.runs[run].model_dump(mode="json", include={"model", "image"})


def work(job: Job) -> Outcome:
    """Resolve what is ``auto`` and write the pixels in the model's size.

    Raises:
        RecipeError: The run asks for channels that the dataset does not have.
    """
    dataset, samples = job.workspace.dataset, job.workspace.samples()
    channels = input_channels(job.run_recipe, dataset, str(job.run))
    size = input_size(job.run_recipe, dataset, samples)
    native = dataset.shape is not None and dataset.shape[:2] == size
    document = {
        "model": "compact_cnn" if job.run_recipe.model == "auto" else job.run_recipe.model,
        "size": list(size),
        "channels": list(channels),
        "native": native,
    }
    write_json(job.out / "inputs.json", document)
    if not native:
        _write_resized(job, size, channels, len(samples))
    return Outcome(rows=len(samples))


def input_channels(run: RunRecipe, dataset: Dataset, name: str) -> tuple[str, ...]:
    """Names of the channels that the model reads; ``grey`` and ``rgb`` are resolved.

    Raises:
        RecipeError: The dataset does not have them.
    """
    wanted = run.image.channels
    pictures = dataset.views == ("image",)
    if wanted == "auto":
        return dataset.channels
    if wanted in ("grey", "rgb"):
        if not pictures:
            raise RecipeError(
                f"The run '{name}' asks for '{wanted}' but the dataset has the channels "
                f"{list(dataset.channels)}. Name some of them in runs.{name}.image.channels."
            )
        return ("grey",) if wanted == "grey" else ("red", "green", "blue")
    try:
        channel_positions(dataset.channels, tuple(wanted))
    except ValueError as error:
        raise RecipeError(f"In runs.{name}: {error}") from error
    return tuple(wanted)


def input_size(run: RunRecipe, dataset: Dataset, samples: pd.DataFrame) -> tuple[int, int]:
    """Height and width that the model reads.

    ``auto`` keeps the size of small images of one shape (to 128 pixels); others become squares of
    64, 96 or 128 pixels: the largest that does not enlarge the median image.
    """
    if run.image.size != "auto":
        height, width = run.image.size
        return height, width
    if dataset.shape is not None and max(dataset.shape[:2]) <= _SIDES[-1]:
        return dataset.shape[0], dataset.shape[1]
    median = float(samples[["width", "height"]].min(axis=1).median())
    side = max([side for side in _SIDES if side <= median], default=_SIDES[0])
    return side, side


def _write_resized(job: Job, size: tuple[int, int], names: tuple[str, ...], total: int) -> None:
    dataset, read = job.workspace.dataset, pixel_reader(job.workspace)
    taken = taken_channels(dataset, names)
    taken = None if taken == "rgb" else taken
    shape = (total, *size, len(dataset.channels if taken is None else names))
    dtype = np.dtype(dataset.dtype)
    out = np.lib.format.open_memmap(job.out / "pixels.npy", mode="w+", dtype=dtype, shape=shape)

    def resize(index: int) -> None:
        out[index] = pixels.prepare(read(index), size, taken)

    for done, _ in enumerate(in_order(resize, total, threads=True), start=1):
        job.progress(done, total)
    out.flush()


STAGE = Stage(
    name="inputs",
    version=1,
    scope="run",
    reads=("samples",),
    unit="images",
    settings=settings,
    work=work,
)
