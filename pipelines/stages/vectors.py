"""Stage ``vectors``: one vector a sample, from whatever the embedding's recipe names.

Writes ``vectors.npy`` (n, dim) float32 and ``embedding.json``, and what embeds further images the
same way later (an encoder, or its weights). Networks that are trained for it go on from their last
finished epoch after a stop, and the embedding of the samples from its last finished batch.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from cache.artefact import write_json
from cache.fingerprint import file_signature
from pipelines.methods import embedding
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Reads, Stage, decided_labels

_READS = {
    "layer": ("samples", "inputs", "train"),
    "backbone": ("samples",),
}
"""Stages whose artefacts a kind of embedding reads; the other kinds read ``_PIXELS``."""

_PIXELS = ("samples", "inputs")


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """What the recipe says about the vectors themselves, not about what comes of them, and what
    names the content of a file of weights."""
    chosen = recipe.runs[run].embeddings[embedding]
    said = chosen.of_the_vectors()
    if chosen.kind == "backbone" and isinstance(chosen.weights, Path):
        # A file that is not there is told of where it is read, with what to do about it.
        with contextlib.suppress(OSError):
            said["weights_file"] = file_signature(chosen.weights)
    return said


def reads(recipe: Recipe, run: str, embedding: str) -> Reads:
    """Only the kind ``layer`` hangs on the training, and only ``siamese`` learns from labels."""
    kind = recipe.runs[run].embeddings[embedding].kind
    learnt_from = decided_labels(recipe, run) if kind == "siamese" else ()
    return (*_READS.get(kind, _PIXELS), *learnt_from)


def work(job: Job) -> Outcome:
    """Train what has to be trained, then embed every sample.

    Raises:
        RecipeError: The embedding does not fit the data or the model.
        StageError: Weights cannot be had, or a training diverged.
    """
    document = embedding.compute(
        job.its_run,
        job.name,
        job.embedding_recipe,
        job.decisions if job.embedding_recipe.kind == "siamese" else None,
        work=job.work,
        out=job.out,
        progress=job.progress,
    )
    write_json(job.out / "embedding.json", document)
    return Outcome(rows=job.workspace.artefact("samples").manifest.rows)


STAGE = Stage(
    name="vectors",
    version=1,
    scope="embedding",
    reads=reads,
    unit="images",
    settings=settings,
    work=work,
)
