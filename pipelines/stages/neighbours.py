"""Stage ``neighbours``: the nearest samples of each sample, computed once and shared by all.

Writes the graph of all samples (``neighbours.npy``, ``distances.npy``), the neighbours of test and
of val among train (``test_train.*.npy``, ``val_train.*.npy``), which a graph of all seldom holds
enough of, and ``neighbours.json``.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from cache.artefact import write_json
from pipelines.methods import neighbours
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

PAIRS = (("test", "train"), ("val", "train"))
"""Splits (queries, gallery) that get neighbours of their own."""


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """How many neighbours, and by which distance."""
    chosen = recipe.runs[run].embeddings[embedding]
    return chosen.model_dump(mode="json", include={"neighbours", "metric"})


def work(job: Job) -> Outcome:
    """Find the neighbours and write them."""
    chosen = job.embedding_recipe
    vectors = np.asarray(job.its_embedding.vectors())
    started = time.perf_counter()
    graph = neighbours.all_nearest(vectors, chosen.neighbours, chosen.metric, progress=job.progress)
    seconds = time.perf_counter() - started
    np.save(job.out / "neighbours.npy", graph.positions)
    np.save(job.out / "distances.npy", graph.distances)
    split = job.workspace.samples()["split"].to_numpy(dtype=object)
    pairs = {}
    for queries, gallery in PAIRS:
        asked, among = np.flatnonzero(split == queries), np.flatnonzero(split == gallery)
        if not len(asked) or not len(among):
            continue
        found = neighbours.exact(vectors[asked], vectors[among], chosen.neighbours, chosen.metric)
        positions = np.where(found.positions >= 0, among[found.positions], -1)
        stem = f"{queries}_{gallery}"
        np.save(job.out / f"{stem}.queries.npy", asked.astype(np.int32))
        np.save(job.out / f"{stem}.neighbours.npy", positions.astype(np.int32))
        np.save(job.out / f"{stem}.distances.npy", found.distances)
        pairs[stem] = {"queries": len(asked), "gallery": len(among)}
    document = {
        "k": graph.positions.shape[1],
        "metric": chosen.metric,
        "method": graph.method,
        "recall": None if graph.recall is None else asdict(graph.recall),
        "seconds": round(seconds, 3),
        "pairs": pairs,
    }
    write_json(job.out / "neighbours.json", document)
    return Outcome(rows=len(vectors))


STAGE = Stage(
    name="neighbours",
    version=1,
    scope="embedding",
    reads=("samples", "vectors"),
    unit="images",
    settings=settings,
    work=work,
)
