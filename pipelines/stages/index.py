"""Stage ``index``: Annoy's approximate index of an embedding, checked and measured.

Writes ``index.ann``, which all sessions of the dashboard map, and ``index.json``: how often it
finds the true neighbours and how long a query takes, over a grid of trees and ``search_k``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cache.artefact import write_json
from pipelines.methods import index_measuring
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """Trees and search_k; the distance comes with the neighbours."""
    chosen = recipe.runs[run].embeddings[embedding]
    return chosen.model_dump(mode="json", include={"index"})


def work(job: Job) -> Outcome:
    """Build the index, check that it answers its own members, measure it."""
    chosen, embedding = job.embedding_recipe, job.its_embedding
    vectors = np.asarray(embedding.vectors())
    document = index_measuring.make(
        vectors,
        embedding.neighbours(),
        job.out / "index.ann",
        metric=chosen.metric,
        trees=chosen.index.trees,
        search_k=chosen.index.search_k,
        progress=job.share_done(len(vectors)),
    )
    write_json(job.out / "index.json", document)
    return Outcome(rows=len(vectors))


STAGE = Stage(
    name="index",
    version=1,
    scope="embedding",
    reads=("vectors", "neighbours"),
    unit="images",
    settings=settings,
    work=work,
)
