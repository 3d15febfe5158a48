"""Class coincidence of an embedding for what is on screen, kept in memory once computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import streamlit as st

from cache.embeddings import Embedding
from cache.store import load_array
from dashboard import data, embedding_data
from pipelines.methods import coincidence
from pipelines.methods.coincidence import Compared, Curve
from pipelines.methods.splits import units_of

MOST_QUERIES: Final = 5_000
"""Most queries that a curve is drawn of; a random part of more, and said so."""

RANKS: Final = (1, 5, 10, 20, 50)
"""Numbers of neighbours that figures are told at, where there are as many."""

EXACT: Final = "exact"
CLEAN: Final = "clean"
ANNOY: Final = "annoy"
ASKED: Final = "asked"
VARIANTS: Final = {
    EXACT: "exact",
    CLEAN: "without near-duplicates",
    ANNOY: "Annoy's answer",
    ASKED: "exact, of the queries that Annoy was asked",
}
"""Whose neighbours are counted, of all queries or of those that the index was asked."""


@dataclass(frozen=True)
class Answers:
    """What a search answered.

    Attributes:
        queries: int64 (q,) positions of the queries.
        labels: int (q,) their labels, as codes.
        shares: float32 (q, k), share of the first 1 … k neighbours with the query's label.
        units: int (q,), equal for queries of one group (a patient), which are resampled together.
        total: How many queries there are, of which these may be a random part.
    """

    queries: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    units: np.ndarray
    total: int

    @property
    def groups(self) -> int | None:
        """How many groups the queries are of, each drawn as a whole; None where all are alone."""
        several = len(np.unique(self.units))
        return several if several < len(self.units) else None


def pairs_of(embedding: Embedding) -> list[str]:
    """The pairs of splits that were measured, by the names that the cache uses."""
    return list(embedding_data.document(embedding, "retrieval")["pairs"])


def in_words(pair: str) -> str:
    """Whose neighbours are looked for where: ``test in train`` for ``test_train``."""
    return pair.replace("_", " in ")


def answers(embedding: Embedding, pair: str, variant: str = EXACT) -> Answers:
    """Shares of each query.

    Args:
        embedding: What is searched.
        pair: One of :func:`pairs_of`.
        variant: Key of ``VARIANTS``.

    Raises:
        MissingArtefactError: The neighbours, or the variant, have not been computed yet.
    """
    return _answers(*_key(embedding), pair, variant, embedding)


def ranks_of(found: Answers) -> list[int]:
    """Those of ``RANKS`` at which there is something to tell: some query has as many neighbours."""
    known = (~np.isnan(found.shares)).any(axis=0)
    return [k for k in RANKS if k <= len(known) and known[k - 1]]


def curve(embedding: Embedding, pair: str, variant: str, macro: bool) -> Curve:
    """Class coincidence over k with its bootstrap interval."""
    return _curve(*_key(embedding), pair, variant, macro, embedding)


def class_curves(embedding: Embedding, pair: str) -> list[Curve]:
    """One curve a class, in the order of the classes."""
    return _class_curves(*_key(embedding), pair, embedding)


def index_loss(embedding: Embedding, pair: str, k: int, macro: bool) -> Compared:
    """Class coincidence@k of what the index answers less that of the exact answer, on the queries
    that the index was asked."""
    return _index_loss(*_key(embedding), pair, k, macro, embedding)


def compared(first: Embedding, second: Embedding, pair: str, k: int, macro: bool) -> Compared:
    """Two embeddings on the same queries: difference of class coincidence@k, and p-value.

    Args:
        first: Whose class coincidence the other's is taken from.
        second: The other.
        pair: One of :func:`pairs_of` of both.
        k: How many neighbours; both have as many.
        macro: Average over classes and not over queries, as the curves that it stands beside.
    """
    return _compared(*_key(first), *_key(second), pair, k, macro, first, second)


def _key(embedding: Embedding) -> tuple[str, str, str]:
    neighbours = embedding_data.checked(embedding, "neighbours")
    retrieval = embedding_data.checked(embedding, "retrieval")
    return (
        str(neighbours.folder),
        neighbours.manifest.fingerprint,
        retrieval.manifest.fingerprint,
    )


@st.cache_resource(max_entries=24, show_spinner="Counting matches …")
def _answers(
    folder: str, fingerprint: str, judged: str, pair: str, variant: str, _embedding: Embedding
) -> Answers:
    samples = data.samples(_embedding.run.workspace)
    codes = samples["label"].cat.codes.to_numpy()
    asked, _, gallery = pair.partition("_")
    there = _embedding.neighbours_between(asked, gallery)
    positions = there.positions
    if variant in (CLEAN, ANNOY):
        artefact = _embedding.artefact("retrieval")
        positions = load_array(artefact.path(f"{pair}.{variant}.npy"))
    part = np.arange(len(positions))
    if variant in (ANNOY, ASKED):
        answered = load_array(_embedding.artefact("retrieval").path(f"{pair}.annoy.npy"))
        part = np.flatnonzero(answered[:, 0] >= 0)
    elif len(part) > MOST_QUERIES:
        part = np.sort(np.random.default_rng(0).permutation(part)[:MOST_QUERIES])
    queries = there.queries[part].astype(np.int64)
    shares = coincidence.shares(codes[queries], np.asarray(positions[part]), codes)
    units = units_of((samples["group"].to_numpy(dtype=object),), queries)
    return Answers(queries, codes[queries], shares, units, len(positions))


@st.cache_resource(max_entries=64, show_spinner="Resampling …")
def _curve(
    folder: str,
    fingerprint: str,
    judged: str,
    pair: str,
    variant: str,
    macro: bool,
    _embedding: Embedding,
) -> Curve:
    found = answers(_embedding, pair, variant)
    return coincidence.curve(found.shares, found.labels, macro, units=found.units)


@st.cache_resource(max_entries=64, show_spinner="Resampling …")
def _index_loss(
    folder: str,
    fingerprint: str,
    judged: str,
    pair: str,
    k: int,
    macro: bool,
    _embedding: Embedding,
) -> Compared:
    annoy, exact = answers(_embedding, pair, ANNOY), answers(_embedding, pair, ASKED)
    return coincidence.paired(
        annoy.shares[:, k - 1],
        exact.shares[:, k - 1],
        classes=exact.labels if macro else None,
        units=exact.units,
    )


@st.cache_resource(max_entries=64, show_spinner="Resampling …")
def _compared(
    folder: str,
    fingerprint: str,
    judged: str,
    other_folder: str,
    other_fingerprint: str,
    other_judged: str,
    pair: str,
    k: int,
    macro: bool,
    _first: Embedding,
    _second: Embedding,
) -> Compared:
    ours, theirs = answers(_first, pair), answers(_second, pair)
    return coincidence.paired(
        ours.shares[:, k - 1],
        theirs.shares[:, k - 1],
        classes=ours.labels if macro else None,
        units=ours.units,
    )


@st.cache_resource(max_entries=16, show_spinner="Resampling …")
def _class_curves(
    folder: str, fingerprint: str, judged: str, pair: str, _embedding: Embedding
) -> list[Curve]:
    found = answers(_embedding, pair)
    classes = len(_embedding.run.workspace.dataset.classes)
    return coincidence.by_class(found.shares, found.labels, classes, units=found.units)
