"""Embeddings for the tests of the dashboard: every file of them, computed the plain way.

Vectors are a place for each class and noise around it; neighbours come from a search tree, which
is exact. Nothing here is what the pipelines use, so that the dashboard is tested against another
opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from cache.artefact import write_json
from cache.tables import write_table

STAGES = ("vectors", "neighbours", "index", "retrieval", "projection", "clusters")
READS = {
    "vectors": (),
    "neighbours": ("vectors",),
    "index": ("vectors", "neighbours"),
    "retrieval": ("vectors", "neighbours", "index"),
    "projection": ("vectors", "neighbours"),
    "clusters": ("vectors",),
}

Write = Callable[[str, int, Callable[[Path], object]], None]

EMBEDDINGS: Mapping[str, Mapping[str, Any]] = {
    "penultimate": {"kind": "layer", "spread": 0.6},
    "pixels": {"kind": "pixels", "spread": 1.6},
    "autoencoder": {"kind": "autoencoder", "spread": 1.2, "three_d": True},
}
"""By name: ``kind``, ``spread`` (noise beside a distance of 2 between classes), ``until`` (the
last stage made, or None for nothing), ``three_d`` (whether there is such a map), ``random``
(whether its weights are), ``neighbours`` (how many are kept)."""

DIM = 6
NEIGHBOURS = 50


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """An embedding's part of a resolved recipe."""
    return {"kind": given["kind"], "neighbours": _kept(given), "metric": "euclidean"}


def _kept(given: Mapping[str, Any]) -> int:
    return int(given.get("neighbours", NEIGHBOURS))


def make_embedding(
    name: str,
    given: Mapping[str, Any],
    frame: pd.DataFrame,
    images: np.ndarray,
    write: Write,
    seed: int,
) -> None:
    """Write the artefacts of one embedding.

    Args:
        name: Its name.
        given: As in ``EMBEDDINGS``.
        frame: The samples.
        images: Their pixels (n, h, w, c) uint8.
        write: Writes one stage: ``write(stage, rows, fill)``.
        seed: Of everything random.
    """
    until = given.get("until", STAGES[-1])
    if until is None:
        return
    generator = np.random.default_rng([seed, *name.encode()])
    classes = frame["label"].cat.categories
    codes = frame["label"].cat.codes.to_numpy()
    centres = generator.normal(size=(len(classes), DIM))
    centres *= 2 / np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = centres[codes] + given["spread"] * generator.normal(size=(len(frame), DIM))
    # Equal pixels have equal vectors.
    _, first, twin = np.unique(frame["content_hash"], return_index=True, return_inverse=True)
    vectors = vectors[first[twin]].astype(np.float32)
    made = _Embedding(name, given, frame, images, vectors, generator)
    for stage in STAGES[: STAGES.index(until) + 1]:
        write(stage, len(frame), getattr(made, stage))


class _Embedding:
    def __init__(
        self,
        name: str,
        given: Mapping[str, Any],
        frame: pd.DataFrame,
        images: np.ndarray,
        vectors: np.ndarray,
        generator: np.random.Generator,
    ) -> None:
        self.name, self.given, self.frame, self.images = name, given, frame, images
        self.values, self.generator = vectors, generator
        self.codes = frame["label"].cat.codes.to_numpy()
        self.kept = _kept(given)
        self.positions, self.distances = nearest(vectors, vectors, self.kept, itself=True)
        same = (
            frame["content_hash"].to_numpy()[self.positions]
            == (frame["content_hash"].to_numpy()[:, None])
        )
        rows, places = np.nonzero(same)
        pairs = np.sort(np.stack([rows, self.positions[rows, places]], axis=1), axis=1)
        self.pairs = np.unique(pairs, axis=0).astype(np.int32).reshape(-1, 2)

    def vectors(self, out: Path) -> None:
        np.save(out / "vectors.npy", self.values)
        document = {
            "name": self.name,
            "kind": self.given["kind"],
            "dim": DIM,
            "about": f"Made-up vectors of the kind {self.given['kind']}.",
            "random": bool(self.given.get("random", False)),
            "weights": None,
            "settings": settings(self.given),
            "ms_per_image": 0.2,
        }
        if self.given["kind"] == "autoencoder":
            shown = self.images[:8] / np.float32(255)
            np.save(out / "originals.npy", shown)
            np.save(out / "reconstructions.npy", (shown * 0.8 + 0.1).astype(np.float32))
            write_json(
                out / "reconstructed.json", {"sample_ids": self.frame["sample_id"][:8].tolist()}
            )
            document["training"] = {"epochs": 5, "best_epoch": 4, "seconds": 12.5}
            document["reconstruction"] = {"train": 0.011, "val": 0.013, "test": 0.014}
            epochs = pd.DataFrame(
                {"epoch": range(1, 6), "loss": [0.1, 0.05, 0.03, 0.02, 0.02], "val_loss": 0.03}
            )
            epochs.to_csv(out / "history.csv", index=False)
        if self.given["kind"] == "siamese":
            document["siamese"] = siamese()
        write_json(out / "embedding.json", document)

    def neighbours(self, out: Path) -> None:
        np.save(out / "neighbours.npy", self.positions)
        np.save(out / "distances.npy", self.distances)
        pairs = {}
        for asked in ("test", "val"):
            queries, gallery = self._rows(asked), self._rows("train")
            found, distances = nearest(self.values[queries], self.values[gallery], self.kept)
            stem = f"{asked}_train"
            np.save(out / f"{stem}.queries.npy", queries)
            np.save(out / f"{stem}.neighbours.npy", gallery[found])
            np.save(out / f"{stem}.distances.npy", distances)
            pairs[stem] = {"queries": len(queries), "gallery": len(gallery)}
        write_json(
            out / "neighbours.json",
            {
                "k": self.positions.shape[1],
                "metric": "euclidean",
                "method": "exact",
                "recall": None,
                "seconds": 0.1,
                "pairs": pairs,
            },
        )

    def index(self, out: Path) -> None:
        from annoy import AnnoyIndex

        index = AnnoyIndex(DIM, "euclidean")
        for row, vector in enumerate(self.values):
            index.add_item(row, vector)
        index.build(5, n_jobs=1)
        index.save(str(out / "index.ann"))
        rate = {"value": 0.995, "low": 0.99, "high": 0.998, "n": 1000}
        of_more = {"value": 0.95, "low": 0.94, "high": 0.96, "n": 1000}
        grid = [
            {
                "trees": trees,
                "search_k": search_k,
                "recall@10": 1 - 1 / (trees * np.sqrt(search_k)),
                "ms": 0.01 * np.sqrt(search_k),
                "bytes": 1000 * trees,
                "build_seconds": 0.01 * trees,
            }
            for trees in (5, 20)
            for search_k in (50, 200, 1000)
        ]
        write_json(
            out / "index.json",
            {
                "trees": 20,
                "search_k": 200,
                "metric": "euclidean",
                "dim": DIM,
                "bytes": 20_000,
                "build_seconds": 0.2,
                "checked": {"asked": 100, "answered": 100},
                "recall": {"10": rate, "50": of_more},
                "ms": 0.14,
                "exact_ms": 0.05,
                "use": self.given.get("use", "exact"),
                "grid": grid,
                "queries": 1000,
            },
        )

    def retrieval(self, out: Path) -> None:
        queries, gallery = self._rows("test"), self._rows("train")
        found, _ = nearest(self.values[queries], self.values[gallery], self.kept)
        found = gallery[found]
        twins = set(map(tuple, self.pairs.tolist()))

        def clean(asked: np.ndarray, positions: np.ndarray) -> np.ndarray:
            left = np.full_like(positions, -1)
            for row, (query, near) in enumerate(zip(asked, positions, strict=True)):
                kept = [n for n in near if (min(query, n), max(query, n)) not in twins]
                left[row, : len(kept)] = kept
            return left

        every = np.arange(len(self.frame), dtype=np.int32)
        np.save(out / "duplicates.npy", self.pairs)
        np.save(out / "test_train.clean.npy", clean(queries, found))
        np.save(out / "all_all.clean.npy", clean(every, self.positions))
        np.save(out / "test_train.annoy.npy", found)
        # The index was asked every other one, and missed the nearest.
        missed = np.full_like(self.positions, -1)
        missed[::2, :-1] = self.positions[::2, 1:]
        np.save(out / "all_all.annoy.npy", missed)
        write_json(
            out / "retrieval.json",
            {
                "k": self.positions.shape[1],
                "pairs": {
                    "test_train": self._pair(queries, gallery, found),
                    "all_all": self._pair(every, every, self.positions),
                },
                "protocol": protocol(),
                "distances": {"within": 2.1, "between": 3.4, "n": 1000},
                "silhouette": {"value": 0.31, "n": 1000},
                "near_duplicates": {
                    "pairs": len(self.pairs),
                    "correlation": 0.995,
                    "across_splits": 1,
                    "other_label": 0,
                },
            },
        )

    def projection(self, out: Path) -> None:
        centred = self.values - self.values.mean(axis=0)
        _, scales, axes = np.linalg.svd(centred, full_matrices=False)
        pca = (centred @ axes[:2].T).astype(np.float32)
        turned = self.generator.normal(0, 0.05, pca.shape) + pca[:, ::-1]
        np.save(out / "pca.npy", pca)
        np.save(out / "umap.npy", turned.astype(np.float32))
        trust = self.generator.uniform(0.7, 1.0, len(pca)).astype(np.float32)
        trust[::7] = np.nan
        np.save(out / "trustworthiness.npy", trust)
        if self.given.get("three_d"):
            np.save(out / "umap_3d.npy", (centred @ axes[:3].T).astype(np.float32))
        explained = (scales**2 / (scales**2).sum())[:2].tolist()
        write_json(
            out / "projection.json",
            {
                "umap": {
                    "neighbours": 15,
                    "min_dist": 0.1,
                    "seed": 0,
                    "three_d": bool(self.given.get("three_d")),
                    "epochs": 200,
                    "init": "pca",
                    "seconds": 1.5,
                    "trustworthiness": 0.95,
                    "continuity": 0.94,
                    "k": 15,
                    "n": len(pca),
                },
                "pca": {"explained": explained, "trustworthiness": 0.8, "continuity": 0.9},
                "stability": {"value": 0.42, "n": len(pca), "k": 15},
            },
        )

    def clusters(self, out: Path) -> None:
        classes = list(self.frame["label"].cat.categories)
        hdbscan = self.codes.astype(np.int32).copy()
        hdbscan[::11] = -1
        assigned = {"hdbscan": hdbscan, "kmeans": np.roll(self.codes, 3).astype(np.int32)}
        table = pd.DataFrame({"sample_id": self.frame["sample_id"], **assigned})
        write_table(table, out / "clusters.parquet", "clusters")
        document = {}
        for name, of in assigned.items():
            parts = []
            for cluster in np.unique(of[of >= 0]).tolist():
                counts = np.bincount(self.codes[of == cluster], minlength=len(classes))
                parts.append(
                    {
                        "cluster": cluster,
                        "size": int(counts.sum()),
                        "dominant": classes[int(counts.argmax())],
                        "purity": float(counts.max() / counts.sum()),
                    }
                )
            sizes = np.array([part["size"] for part in parts])
            purities = np.array([part["purity"] for part in parts])
            document[name] = {
                "count": len(parts),
                "noise": int((of < 0).sum()),
                "adjusted_rand_index": 0.5,
                "purity": float((sizes * purities).sum() / sizes.sum()),
                "clusters": parts,
            }
        write_json(out / "clusters.json", document)

    def _rows(self, split: str) -> np.ndarray:
        return np.flatnonzero((self.frame["split"] == split).to_numpy()).astype(np.int32)

    def _pair(self, queries: np.ndarray, gallery: np.ndarray, found: np.ndarray) -> dict[str, Any]:
        same = self.codes[found] == self.codes[queries][:, None]
        shares = np.bincount(self.codes[gallery], minlength=self.codes.max() + 1) / len(gallery)

        def rate(k: int) -> dict[str, float]:
            value = float(same[:, :k].mean())
            return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": len(queries)}

        figures = {str(k): rate(k) for k in ((10, 20) if self.kept >= 20 else (5,))}
        return {
            "queries": len(queries),
            "gallery": len(gallery),
            "chance": {
                "overall": float(shares[self.codes[queries]].mean()),
                "macro": float(shares.mean()),
                "classes": shares.tolist(),
            },
            "overall": figures,
            "macro": figures,
            "annoy": {"overall": figures, "macro": figures},
            "clean": {"overall": figures, "macro": figures, "affected": 1},
        }


def nearest(
    queries: np.ndarray, gallery: np.ndarray, k: int, itself: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of ``gallery``: positions int32 and distances float32, both (q, k).

    Args:
        queries: (q, d).
        gallery: (n, d).
        k: How many; fewer where there are fewer.
        itself: Whether the queries are the gallery, and none is its own neighbour.
    """
    k = min(k, len(gallery) - itself)
    distances, positions = cKDTree(gallery).query(queries, k + itself)
    if itself:
        own = positions == np.arange(len(queries))[:, None]
        # A duplicate may stand before the query itself; one entry of each row goes.
        own[~own.any(axis=1), -1] = True
        positions = positions[~own].reshape(len(queries), k)
        distances = distances[~own].reshape(len(queries), k)
    return positions.astype(np.int32), distances.astype(np.float32)


def siamese() -> dict[str, Any]:
    """What the stage writes of a twin network that never saw crosses."""

    def rate(value: float, n: int) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": n}

    return {
        "unseen": ["cross"],
        "threshold": 0.5,
        "pairs": {"test": rate(0.9, 20), "unseen": rate(0.8, 10)},
        "one_shot": [
            {
                "references": references,
                "rule": rule,
                "choice": "medoids",
                "classes": 3,
                "accuracy": rate(0.91, 20),
                "unseen": rate(0.71, 10),
            }
            for references in (1, 2)
            for rule in ("min", "mean")
        ],
    }


def protocol() -> list[dict[str, Any]]:
    """Figures of the studies' own protocol, as the stage writes them."""
    return [
        {
            "batch": 256,
            "k": 10,
            "value": 0.78,
            "without_query": 0.7555,
            "queries": 1000,
            "hits": [2600, 2600, 2600],
            "answers": [3333, 3333, 3334],
        }
    ]
