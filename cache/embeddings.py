"""Embeddings of a run: what the dashboard reads of them.

::

    runs/<run>/embeddings/<name>/
        vectors/        vectors.npy embedding.json, and what embeds further images
        neighbours/     neighbours.npy distances.npy neighbours.json, and those of pairs of splits
        index/          index.ann index.json
        retrieval/      retrieval.json duplicates.npy, and neighbours by pair of splits
        projection/     umap.npy pca.npy trustworthiness.npy projection.json
        clusters/       clusters.parquet clusters.json

Rows of every array follow the order of ``samples.parquet``. Neighbours are positions in it, the
nearest first, and never the sample itself; -1 stands where there are no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from cache.errors import EmbeddingNotFoundError
from cache.part import Part, find, named
from cache.store import Run, load_array
from cache.tables import read_table


@dataclass(frozen=True)
class Neighbours:
    """The nearest samples of some queries, as read-only memory maps.

    Attributes:
        queries: int32 (q,) positions of the queries.
        positions: int32 (q, k) positions of their neighbours, the nearest first; -1 for none.
        distances: float32 (q, k), in the metric of the embedding; nan for none.
    """

    queries: np.ndarray
    positions: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True)
class Embedding(Part):
    """One vector a sample, and what was computed from them."""

    FOLDER = "embeddings"
    DOCUMENTS = MappingProxyType({"vectors": "embedding.json"})

    @property
    def title(self) -> str:
        """Its name wherever it is shown: with a word where its weights are random."""
        random = self.artefact("vectors").exists and self.document("vectors")["random"]
        return f"{self.name} (random weights)" if random else self.name

    def vectors(self) -> np.ndarray:
        """Memory map float32 (n, dim)."""
        return load_array(self.artefact("vectors").path("vectors.npy"))

    def neighbours(self) -> Neighbours:
        """Those of every sample among all others: the shared graph."""
        artefact = self.artefact("neighbours")
        positions = load_array(artefact.path("neighbours.npy"))
        queries = np.arange(len(positions), dtype=np.int32)
        return Neighbours(queries, positions, load_array(artefact.path("distances.npy")))

    def neighbours_between(self, queries: str, gallery: str) -> Neighbours:
        """Those of one split's samples among another's (``test``, ``train``; ``all`` of them).

        Those among all are rows of the shared graph; pairs that only ``retrieval`` looks at are
        kept there.

        Raises:
            MissingArtefactError: This pair was not computed; see ``document("retrieval")``.
        """
        if gallery == "all":
            graph, split = self.neighbours(), self.run.workspace.samples()["split"]
            rows = np.flatnonzero((split == queries) | (queries == "all")).astype(np.int32)
            return Neighbours(rows, graph.positions[rows], graph.distances[rows])
        stem = f"{queries}_{gallery}"
        shared = stem in self.document("neighbours")["pairs"]
        artefact = self.artefact("neighbours" if shared else "retrieval")
        return Neighbours(
            load_array(artefact.path(f"{stem}.queries.npy")),
            load_array(artefact.path(f"{stem}.neighbours.npy")),
            load_array(artefact.path(f"{stem}.distances.npy")),
        )

    def projection(self, name: str = "umap") -> np.ndarray:
        """Memory map float32 (n, 2): ``umap`` or ``pca``; (n, 3): ``umap_3d``."""
        return load_array(self.artefact("projection").path(f"{name}.npy"))

    def trustworthiness(self) -> np.ndarray:
        """Memory map float32 (n,): how far each point's UMAP neighbours are true neighbours, in
        [0, 1]; nan where it was not computed."""
        return load_array(self.artefact("projection").path("trustworthiness.npy"))

    def clusters(self) -> pd.DataFrame:
        """One row a sample: ``sample_id``, ``hdbscan`` (-1 for none), ``kmeans``."""
        return read_table(self.artefact("clusters").path("clusters.parquet"), "clusters")


def embeddings(run: Run) -> tuple[Embedding, ...]:
    """The embeddings of a run's recipe, computed or not."""
    return named(Embedding, run)


def open_embedding(run: Run, name: str) -> Embedding:
    """Find an embedding by name.

    Raises:
        EmbeddingNotFoundError: The run has none of that name.
    """
    return find(Embedding, run, name, "embedding", EmbeddingNotFoundError)
