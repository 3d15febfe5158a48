"""Stage ``clusters``: groups of samples in an embedding, found without labels, and what they are.

Writes ``clusters.parquet`` and ``clusters.json`` (sizes, purity, dominant label, adjusted Rand
index).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cache.artefact import write_json
from cache.tables import write_table
from pipelines.methods import clustering
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

_SHARE = 0.01
_FEWEST = 5
_SEED = 0


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """The least size of a cluster, and which distance is meant."""
    chosen = recipe.runs[run].embeddings[embedding]
    return chosen.model_dump(mode="json", include={"clusters", "metric"})


def work(job: Job) -> Outcome:
    """Cluster twice and describe what was found."""
    samples, classes = job.workspace.samples(), job.workspace.dataset.classes
    metric = job.embedding_recipe.metric
    vectors = clustering.comparable(np.asarray(job.its_embedding.vectors()), metric)
    labels = samples["label"].cat.codes.to_numpy()
    asked = job.embedding_recipe.clusters.min_size
    least = max(_FEWEST, round(_SHARE * len(vectors))) if asked == "auto" else asked
    found = {
        "hdbscan": clustering.hdbscan_clusters(vectors, least, _SEED),
        "kmeans": clustering.kmeans_clusters(vectors, len(classes), _SEED),
    }
    write_table(
        pd.DataFrame({"sample_id": samples["sample_id"], **found}),
        job.out / "clusters.parquet",
        "clusters",
    )
    document = {
        name: clustering.describe(assigned, labels, classes) for name, assigned in found.items()
    }
    document["hdbscan"]["min_size"] = least
    write_json(job.out / "clusters.json", document)
    return Outcome(rows=len(vectors))


STAGE = Stage(
    name="clusters",
    version=2,
    scope="embedding",
    reads=("samples", "vectors"),
    unit="images",
    settings=settings,
    work=work,
)
