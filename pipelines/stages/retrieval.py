"""Stage ``retrieval``: how good a search in an embedding is, and what flatters it.

Writes ``retrieval.json`` (class coincidence with chance by pair of splits, and with intervals that
resample the queries, those of one group together; the studies' own protocol; distances within and
between labels; silhouette), ``duplicates.npy`` (m, 2) pairs of near-duplicates, and by pair of
splits ``<pair>.clean.npy`` (q, k), the neighbours without near-duplicates and members of the
query's group, and ``<pair>.annoy.npy`` (q, k), what the index answers; rows of -1 for queries that
it was not asked. Pairs of splits that the stage ``neighbours`` has not looked at get neighbours of
their own here, in the same files as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cache.artefact import write_json
from cache.embeddings import Neighbours
from pipelines.methods import (
    annoy_index,
    coincidence,
    near_duplicates,
    neighbours,
    separation,
    studies,
)
from pipelines.methods.feeding import open_inputs
from pipelines.methods.splits import units_of
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage, grouping

_AT = (1, 5, 10, 20, 50)
"""Numbers of neighbours that are written down; the dashboard draws whole curves."""

_ASKED_OF_ANNOY = 500
"""Queries of a pair that the index is asked, at most: one takes it about a millisecond."""

_PAIRS = ("test in train", "val in train", "test in test", "test in all", "all in all")
"""Whose neighbours are looked for where, whatever the recipe asks for besides."""


def settings(recipe: Recipe, run: str, embedding: str) -> Any:
    """What counts as a near-duplicate, which images belong together, and which pairs of splits are
    measured; the neighbours come with their own settings."""
    chosen = recipe.runs[run].embeddings[embedding]
    told = chosen.model_dump(mode="json", include={"near_duplicate", "pairs"})
    return {**told, **grouping(recipe)}


def work(job: Job) -> Outcome:
    """Judge the neighbours that stand, by pair of splits."""
    judge = _Judge(job)
    np.save(job.out / "duplicates.npy", judge.duplicates)
    pairs, wanted = {}, tuple(dict.fromkeys((*_PAIRS, *job.embedding_recipe.pairs)))
    for done, pair in enumerate(wanted, start=1):
        queries, _, gallery = pair.partition(" in ")
        asked, among = judge.of_split(queries), judge.of_split(gallery)
        if len(asked) and len(among) > (queries == gallery):
            pairs[f"{queries}_{gallery}"] = judge.pair(queries, gallery)
        job.progress(len(judge.labels) * done / len(wanted), len(judge.labels))
    first, second = judge.duplicates.T
    apart = separation.separation(judge.vectors, judge.labels, job.embedding_recipe.metric)
    document = {
        "k": judge.k,
        "pairs": pairs,
        "protocol": judge.protocol(),
        "distances": {"within": apart.within, "between": apart.between, "n": apart.n},
        "silhouette": {"value": apart.silhouette, "n": apart.n},
        "near_duplicates": {
            "pairs": len(judge.duplicates),
            "correlation": job.embedding_recipe.near_duplicate,
            "across_splits": int((judge.split[first] != judge.split[second]).sum()),
            "other_label": int((judge.labels[first] != judge.labels[second]).sum()),
        },
    }
    write_json(job.out / "retrieval.json", document)
    return Outcome(rows=len(judge.labels))


class _Judge:
    """What all judgements of one embedding look at."""

    def __init__(self, job: Job) -> None:
        self.job, self.embedding = job, job.its_embedding
        samples = job.workspace.samples()
        self.labels = samples["label"].cat.codes.to_numpy()
        self.split = samples["split"].to_numpy(dtype=object)
        self.groups = samples["group"].to_numpy(dtype=object)
        self.units = units_of((self.groups,), np.arange(len(samples)))
        self.vectors = np.asarray(self.embedding.vectors())
        self.graph = self.embedding.neighbours()
        self.k = self.graph.positions.shape[1]
        self.duplicates = near_duplicates.pairs(
            open_inputs(job.workspace, str(job.run)).batch,
            self.graph.positions[:, : near_duplicates.CANDIDATES],
            samples["content_hash"].to_numpy(dtype=object),
            job.embedding_recipe.near_duplicate,
        )
        self.index = annoy_index.load(
            self.embedding.artefact("index").path("index.ann"),
            self.vectors.shape[1],
            job.embedding_recipe.metric,
        )
        self.search_k = int(self.embedding.document("index")["search_k"])

    def of_split(self, name: str) -> np.ndarray:
        """Positions of a split's samples, or of all."""
        return np.flatnonzero((self.split == name) | (name == "all"))

    def pair(self, queries: str, gallery: str) -> dict[str, Any]:
        """Class coincidence of one split's samples among another's."""
        found = self._found(queries, gallery)
        asked, among = found.queries, self.of_split(gallery)
        metric, stem = self.job.embedding_recipe.metric, f"{queries}_{gallery}"
        clean, affected = coincidence.without(
            self.vectors,
            found.positions,
            asked,
            among,
            self.k,
            metric,
            pairs=self.duplicates,
            groups=self.groups,
        )
        np.save(self.job.out / f"{stem}.clean.npy", clean)
        allowed = np.zeros(len(self.labels), bool)
        allowed[among] = True
        answered = np.full((len(asked), self.k), -1, np.int32)
        some = np.sort(np.random.default_rng(0).permutation(len(asked))[:_ASKED_OF_ANNOY])
        answered[some] = annoy_index.answers(
            self.index, self.vectors[asked[some]], self.k, self.search_k, allowed, asked[some]
        )
        np.save(self.job.out / f"{stem}.annoy.npy", answered)
        level = coincidence.chance(
            self.labels[asked],
            self.labels[among],
            within=gallery in (queries, "all"),
            n_classes=self._classes,
        )
        return {
            "queries": len(asked),
            "gallery": len(among),
            "chance": {
                "overall": level.overall,
                "macro": level.macro,
                "classes": [None if np.isnan(x) else float(x) for x in level.classes],
            },
            **self._rates(asked, found.positions),
            "annoy": self._rates(asked[some], answered[some]),
            "clean": {**self._rates(asked, clean), "affected": affected},
        }

    def _found(self, queries: str, gallery: str) -> Neighbours:
        """The neighbours of a pair of splits, looked for where they are nowhere yet."""
        stem = f"{queries}_{gallery}"
        if gallery == "all" or stem in self.embedding.document("neighbours")["pairs"]:
            return self.embedding.neighbours_between(queries, gallery)
        asked, among = self.of_split(queries), self.of_split(gallery)
        own = np.full(len(self.labels), -1)
        own[among] = np.arange(len(among))
        near = neighbours.exact(
            self.vectors[asked],
            self.vectors[among],
            self.k,
            self.job.embedding_recipe.metric,
            exclude=own[asked],
        )
        positions = np.where(near.positions >= 0, among[near.positions], -1).astype(np.int32)
        found = Neighbours(asked.astype(np.int32), positions, near.distances)
        np.save(self.job.out / f"{stem}.queries.npy", found.queries)
        np.save(self.job.out / f"{stem}.neighbours.npy", found.positions)
        np.save(self.job.out / f"{stem}.distances.npy", found.distances)
        return found

    @property
    def _classes(self) -> int:
        return len(self.job.workspace.dataset.classes)

    def _rates(self, asked: np.ndarray, positions: np.ndarray) -> dict[str, Any]:
        labels = self.labels[asked]
        shares = coincidence.shares(labels, positions, self.labels)
        at = [k for k in _AT if k <= shares.shape[1]]
        return {
            name: _written(
                coincidence.curve(
                    shares, labels, macro=name == "macro", units=self.units[asked], at=at
                )
            )
            for name in ("overall", "macro")
        }

    def protocol(self) -> list[dict[str, Any]]:
        """The studies' own figures, on test as there."""
        rows = self.of_split("test")
        # Where there are fewer images than a batch takes, all of them are the one batch.
        batches = sorted({min(batch, len(rows)) for batch in studies.BATCHES})
        figures = []
        for batch in batches:
            for k in (10, 20):
                try:
                    found = studies.batch_protocol(
                        self.vectors[rows], self.labels[rows], batch=batch, k=k
                    )
                except ValueError:
                    continue  # fewer test images than answers: there is no such figure
                figures.append(
                    {
                        "batch": found.batch,
                        "k": k,
                        "value": found.value,
                        "without_query": found.without_query,
                        "queries": found.queries,
                        "hits": found.hits.tolist(),
                        "answers": found.answers.tolist(),
                    }
                )
        return figures


def _written(curve: coincidence.Curve) -> dict[str, Any]:
    """A curve as far as it goes."""
    return {
        str(k): {"value": float(value), "low": float(low), "high": float(high), "n": int(n)}
        for k, value, low, high, n in zip(
            curve.k, curve.value, curve.low, curve.high, curve.n, strict=True
        )
        if not np.isnan(value)
    }


STAGE = Stage(
    name="retrieval",
    version=6,
    scope="embedding",
    reads=("samples", "inputs", "vectors", "neighbours", "index"),
    unit="images",
    settings=settings,
    work=work,
)
