"""Stage ``projection``: maps of an embedding in the plane, and how far each can be trusted.

Writes ``umap.npy`` (n, 2), ``pca.npy`` (n, 2), if asked for ``umap_3d.npy`` (n, 3),
``trustworthiness.npy`` (n,) and ``projection.json``.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from cache.artefact import write_json
from pipelines.methods import map_quality, projection
from pipelines.methods.backend import load_tensorflow
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

_K = 15
"""Neighbours that the quality of a map is judged by."""

_SAMPLE = 1_000
"""Points that the figures without a value for each point are judged by, at most."""


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """What the recipe says about the map."""
    chosen = recipe.runs[run].embeddings[embedding]
    return chosen.model_dump(mode="json", include={"projection"})


def work(job: Job) -> Outcome:
    """Project twice with UMAP (for the stability) and once with PCA, and judge the maps."""
    load_tensorflow()  # UMAP imports it; brought in here it keeps its notes to itself
    chosen, embedding = job.embedding_recipe, job.its_embedding
    vectors, graph = np.asarray(embedding.vectors()), embedding.neighbours()
    n, steps = len(vectors), job.share_done(len(vectors))
    k = min(_K, (n - 1) // 2)
    epochs = chosen.projection.epochs
    if epochs == "auto":
        epochs = projection.default_epochs(n)

    pca, explained = projection.pca_map(vectors)

    def mapped(seed: int, dimensions: int = 2) -> np.ndarray:
        return projection.umap_map(
            vectors,
            graph.positions,
            graph.distances,
            neighbours=chosen.projection.neighbours,
            min_dist=chosen.projection.min_dist,
            epochs=epochs,
            dimensions=dimensions,
            seed=seed,
            start=pca if dimensions == 2 else None,
        )

    seed = chosen.projection.seed
    started = time.perf_counter()
    umap = mapped(seed)
    seconds = time.perf_counter() - started
    steps(1, 4)
    other = mapped(seed + 1)
    steps(2, 4)
    if chosen.projection.three_d:
        np.save(job.out / "umap_3d.npy", mapped(seed, 3))
    steps(3, 4)
    trust = map_quality.trustworthiness(vectors, umap, k, metric=chosen.metric)
    few = min(n, _SAMPLE)
    kept = map_quality.continuity(vectors, umap, k, metric=chosen.metric, sample=few)
    stable = map_quality.stability(umap, other, k)
    np.save(job.out / "umap.npy", umap)
    np.save(job.out / "pca.npy", pca)
    np.save(job.out / "trustworthiness.npy", trust.points)
    document = {
        "umap": {
            **chosen.projection.model_dump(),
            "epochs": epochs,
            "init": "pca",
            "seconds": round(seconds, 3),
            "trustworthiness": trust.value,
            "continuity": kept.value,
            "k": k,
            "n": trust.n,
            "continuity_n": kept.n,
        },
        "pca": {
            "explained": explained,
            "trustworthiness": map_quality.trustworthiness(
                vectors, pca, k, metric=chosen.metric, sample=few
            ).value,
            "continuity": map_quality.continuity(
                vectors, pca, k, metric=chosen.metric, sample=few
            ).value,
            "n": few,
            "continuity_n": few,
        },
        "stability": {"value": stable.value, "n": stable.n, "k": k},
    }
    write_json(job.out / "projection.json", document)
    return Outcome(rows=n)


STAGE = Stage(
    name="projection",
    version=2,
    scope="embedding",
    reads=("vectors", "neighbours"),
    unit="images",
    settings=settings,
    work=work,
)
