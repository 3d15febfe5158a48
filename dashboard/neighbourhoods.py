"""Which images are near which, for what is on screen: a query's neighbours, and agreement."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from cache.embeddings import Embedding
from dashboard import data, embedding_data
from dashboard.points import Map
from pipelines.methods import intervals, number
from pipelines.methods.intervals import Rate
from pipelines.methods.neighbours import Metric, one_query

MOST_MEASURED = 2_000
"""Most images of a selection whose neighbours are compared; a random part of more."""

NEAR = 10
"""How many neighbours of an image are compared; see :func:`compared`."""

NONE: Final = np.empty(0, np.int64)
"""No samples."""


@dataclass(frozen=True)
class Scope:
    """Where neighbours are looked for.

    Attributes:
        splits: Splits that they may come from; none for all.
        label: The only class that they may have, or None.
        clean: Leave out near-duplicates of the query, theirs in turn, and images of its group:
            what class coincidence "without near-duplicates" leaves out.
    """

    splits: tuple[str, ...] = ()
    label: str | None = None
    clean: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.splits or self.label or self.clean)


@dataclass(frozen=True)
class Found:
    """Neighbours of one query.

    Attributes:
        rows: int64 (k,) positions of samples, the nearest first.
        distances: float32 (k,), in the metric of the embedding.
        among: int64 (classes,), how many images of each label they were looked for among.
        how: Where they come from, in words.
    """

    rows: np.ndarray
    distances: np.ndarray
    among: np.ndarray
    how: str

    @property
    def gallery(self) -> int:
        """Among how many images they were looked for."""
        return int(self.among.sum())

    def first(self, k: int) -> Found:
        """The k nearest of them."""
        return replace(self, rows=self.rows[:k], distances=self.distances[:k])


def neighbours_of(
    embedding: Embedding, table: pd.DataFrame, row: int, k: int, scope: Scope
) -> Found:
    """The k nearest of a sample, never the sample itself.

    From the neighbours computed beforehand where they hold enough that pass, else computed now.

    Args:
        embedding: In which they are near.
        table: All samples.
        row: Position of the query.
        k: How many.
        scope: Where to look.
    """
    allowed = _allowed(embedding, table, scope, np.array([row]))
    allowed[row] = False
    among = _by_label(table, allowed)
    wanted = min(k, int(among.sum()))
    graph = embedding_data.graph(embedding)
    stored = [(graph.positions[row], graph.distances[row])]
    if scope.splits == ("train",):
        stored += _between(embedding, str(table["split"].iloc[row]), row)
    for positions, distances in stored:
        kept = (positions >= 0) & allowed[positions]
        if int(kept.sum()) >= wanted:
            rows = positions[kept][:k].astype(np.int64)
            return Found(rows, distances[kept][:k], among, "computed beforehand")
    return _search(embedding, embedding.vectors()[row], k, allowed, among)


def neighbours_of_vector(
    embedding: Embedding,
    table: pd.DataFrame,
    vector: np.ndarray,
    k: int,
    scope: Scope,
    copies: np.ndarray = NONE,
) -> Found:
    """The k samples nearest to a vector that is none of them, an upload's.

    Args:
        embedding: In which they are near.
        table: All samples.
        vector: float32 (dim,).
        k: How many.
        scope: Where to look.
        copies: Positions of the samples that it is a copy of, or nearly.
    """
    allowed = _allowed(embedding, table, scope, copies)
    among = _by_label(table, allowed)
    if allowed.all() and embedding_data.has(embedding, "index"):
        about = embedding_data.document(embedding, "index")
        if about["use"] == "annoy":
            return _approximate(embedding, vector, k, about, among)
    return _search(embedding, vector, k, allowed, among)


def matches(table: pd.DataFrame, found: Found, label: str) -> Rate:
    """How many of a query's neighbours bear its label: its own class coincidence."""
    same = (table["label"].iloc[found.rows] == label).sum()
    return intervals.rate(int(same), len(found.rows))


def chance(table: pd.DataFrame, found: Found, label: str) -> float:
    """Share of the images looked among that bear a label: what random neighbours would give."""
    bearing = found.among[table["label"].cat.categories.get_loc(label)]
    return float(bearing / found.gallery) if found.gallery else float("nan")


def shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How many entries two lists of neighbours share, row by row.

    Args:
        first: Positions (q, k); -1 for none.
        second: Positions (q, m).

    Returns:
        int64 (q,).
    """
    same = (first[:, :, None] == second[:, None, :]) & (first >= 0)[:, :, None]
    return np.asarray(same.sum(axis=(1, 2)))


def compared(*of: Embedding) -> int:
    """How many neighbours of an image are compared: ``NEAR``, or as many as are kept."""
    kept = (int(embedding_data.graph(each).positions.shape[1]) for each in of)
    return min(NEAR, *kept)


def overlap(first: Embedding, second: Embedding, rows: np.ndarray | None = None) -> Rate:
    """Share of the nearest neighbours that two embeddings have in common.

    Args:
        first: One embedding.
        second: The other, of the same samples.
        rows: Positions of the images to compare; None for all.

    Returns:
        Mean over the images (a random part of them, if many), with a bootstrap interval.
    """
    asked = _sampled(rows, len(embedding_data.graph(first).positions))
    k = compared(first, second)
    ours, theirs = (
        np.asarray(embedding_data.graph(each).positions[asked, :k]) for each in (first, second)
    )
    return _mean(shared(ours, theirs) / max(1, k))


def true_neighbours(shown: Map, rows: np.ndarray | None = None) -> Rate:
    """Share of the images nearest on a map that are near by their vectors, too.

    Of each image's nearest on the map (see :func:`compared`), how many are among its neighbours
    in the shared graph.

    Args:
        shown: The map.
        rows: Positions of the images asked about; None for all.

    Returns:
        Mean over the images (a random part of them, if many), with a bootstrap interval.
    """
    asked = _sampled(rows, len(shown.places))
    artefact = shown.embedding.artefact("projection")
    tree = _tree(str(artefact.folder), artefact.manifest.fingerprint, shown.projection, shown)
    wanted = min(compared(shown.embedding) + 1, len(shown.places))
    _, near = tree.query(shown.places[asked], wanted)
    near = np.asarray(near).reshape(len(asked), wanted)
    # The image itself, at distance 0; where others lie on the same spot it may stand anywhere.
    near = np.where(near == asked[:, None], -1, near)
    graph = np.asarray(embedding_data.graph(shown.embedding).positions[asked])
    others = np.maximum((near >= 0).sum(axis=1), 1)
    return _mean(shared(near, graph) / others)


def strangers(embedding: Embedding, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The images with the fewest neighbours of their own label.

    Args:
        embedding: In which they are near.
        count: How many images.

    Returns:
        Their positions (count,), the fewest first and ties in the order of the samples, and the
        share of their nearest (see :func:`compared`) that bear their label (count,).
    """
    artefact = embedding_data.checked(embedding, "neighbours")
    return _strangers(str(artefact.folder), artefact.manifest.fingerprint, count, embedding)


def _allowed(
    embedding: Embedding, table: pd.DataFrame, scope: Scope, same: np.ndarray
) -> np.ndarray:
    """Which samples a search may find, bool (n,).

    Args:
        embedding: Whose near-duplicates.
        table: All samples.
        scope: Where to look.
        same: Positions of the samples that show the query's picture.
    """
    allowed = np.ones(len(table), bool)
    if scope.splits:
        allowed &= table["split"].isin(scope.splits).to_numpy()
    if scope.label is not None:
        allowed &= (table["label"] == scope.label).to_numpy()
    if scope.clean and len(same):
        chains = _chains(embedding, len(table))
        allowed &= ~np.isin(chains, chains[same][chains[same] >= 0])
        for column in ("content_hash", "group"):
            allowed &= ~table[column].isin(table[column].iloc[same].dropna()).to_numpy(bool)
    return allowed


def _chains(embedding: Embedding, count: int) -> np.ndarray:
    """Which samples are near-duplicates, see :func:`near_duplicates.chains`, int (count,)."""
    if not embedding_data.has(embedding, "retrieval"):
        return np.full(count, -1)
    artefact = embedding_data.checked(embedding, "retrieval")
    return _joined(str(artefact.folder), artefact.manifest.fingerprint, count, embedding)


def _by_label(table: pd.DataFrame, allowed: np.ndarray) -> np.ndarray:
    """How many of the images that may be found bear each label, int64 (classes,)."""
    labels = table["label"].cat
    return np.bincount(labels.codes.to_numpy()[allowed], minlength=len(labels.categories))


def _between(embedding: Embedding, split: str, row: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Neighbours in train alone, where they were computed for the query's split."""
    if f"{split}_train" not in embedding_data.document(embedding, "neighbours")["pairs"]:
        return []
    there = embedding.neighbours_between(split, "train")
    at = int(np.searchsorted(there.queries, row))
    if at == len(there.queries) or there.queries[at] != row:
        return []
    return [(there.positions[at], there.distances[at])]


def _search(
    embedding: Embedding, vector: np.ndarray, k: int, allowed: np.ndarray, among: np.ndarray
) -> Found:
    rows = np.flatnonzero(allowed)
    metric = embedding_data.document(embedding, "neighbours")["metric"]
    vectors = embedding.vectors()
    started = time.perf_counter()
    kept = vectors if len(rows) == len(vectors) else vectors[rows]
    nearest = one_query(np.asarray(vector, np.float32), kept, k, metric)
    took = number.milliseconds(1000 * (time.perf_counter() - started))
    found = rows[nearest.positions]
    return Found(found, nearest.distances, among, f"computed now, exactly, in {took}")


def _approximate(
    embedding: Embedding, vector: np.ndarray, k: int, about: dict[str, Any], among: np.ndarray
) -> Found:
    from pipelines.methods import annoy_index

    artefact = embedding_data.checked(embedding, "index")
    index = _index(
        str(artefact.path("index.ann")),
        artefact.manifest.fingerprint,
        about["dim"],
        about["metric"],
    )
    started = time.perf_counter()
    asked = np.asarray(vector, np.float32)
    found = annoy_index.by_vector(index, asked, k, about["search_k"], about["metric"])
    took = number.milliseconds(1000 * (time.perf_counter() - started))
    measured = sorted(int(at) for at in about["recall"])
    at = next((at for at in measured if at >= k), measured[-1])
    recall = number.percent(about["recall"][str(at)]["value"])
    how = f"from the Annoy index in {took}, which finds {recall} of the {at} true neighbours"
    there = found.positions >= 0
    rows = found.positions[there].astype(np.int64)
    return Found(rows, found.distances[there], among, how)


def _sampled(rows: np.ndarray | None, n: int) -> np.ndarray:
    """Positions to measure, ascending, at most ``MOST_MEASURED``."""
    every = np.arange(n) if rows is None else np.asarray(rows, np.int64)
    if len(every) <= MOST_MEASURED:
        return every
    return np.sort(np.random.default_rng(0).permutation(every)[:MOST_MEASURED])


def _mean(values: np.ndarray) -> Rate:
    """A mean of shares with a bootstrap interval over them."""
    if not len(values):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    low, high = intervals.bootstrap(lambda drawn: float(drawn.mean()), values)
    return Rate(float(values.mean()), low, high, len(values))


@st.cache_data(max_entries=16, show_spinner=False)
def _strangers(
    folder: str, fingerprint: str, count: int, _embedding: Embedding
) -> tuple[np.ndarray, np.ndarray]:
    codes = data.samples(_embedding.run.workspace)["label"].cat.codes.to_numpy()
    near = np.asarray(embedding_data.graph(_embedding).positions[:, :NEAR])
    same = (codes[near] == codes[:, None]) & (near >= 0)
    shares = same.sum(axis=1) / np.maximum((near >= 0).sum(axis=1), 1)
    rows = np.argsort(shares, kind="stable")[:count]
    return rows, shares[rows]


@st.cache_resource(max_entries=8, show_spinner=False)
def _joined(folder: str, fingerprint: str, count: int, _embedding: Embedding) -> np.ndarray:
    from pipelines.methods.near_duplicates import chains

    return chains(embedding_data.duplicates(_embedding), count)


@st.cache_resource(max_entries=4, show_spinner=False)
def _tree(folder: str, fingerprint: str, projection: str, _shown: Map) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(_shown.places)


@st.cache_resource(max_entries=8, show_spinner=False)
def _index(path: str, fingerprint: str, dim: int, metric: Metric) -> Any:
    """An index, mapped once for all sessions."""
    from pipelines.methods import annoy_index

    return annoy_index.load(Path(path), dim, metric)
