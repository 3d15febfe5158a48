"""What the pages read of embeddings: documents, neighbours, clusters, and where a sample stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run, Workspace, belonging
from cache.artefact import Artefact
from cache.embeddings import Embedding, Neighbours, embeddings
from cache.store import load_array
from dashboard import data, evidence


def document(embedding: Embedding, stage: str) -> dict[str, Any]:
    """What a stage wrote about its result.

    Raises:
        MissingArtefactError: The stage has not been run.
        CorruptArtefactError: It was made from other artefacts than those there now.
    """
    artefact = checked(embedding, stage)
    return _document(str(artefact.folder), artefact.manifest.fingerprint, embedding, stage)


def has(embedding: Embedding, stage: str) -> bool:
    """Whether a stage of an embedding has been run."""
    return embedding.artefact(stage).exists


def made(run: Run, stage: str) -> list[Embedding]:
    """The embeddings of a run of which a stage has been run."""
    return [each for each in embeddings(run) if has(each, stage)]


def searchable(run: Run) -> bool:
    """Whether a run has neighbours, so that an image of it leads to similar ones."""
    return bool(made(run, "neighbours"))


def graph(embedding: Embedding) -> Neighbours:
    """Neighbours of every sample among all others.

    Raises:
        MissingArtefactError: They have not been computed yet.
        CorruptArtefactError: They were made from other vectors or samples than those there now.
    """
    checked(embedding, "neighbours")
    return embedding.neighbours()


def duplicates(embedding: Embedding) -> np.ndarray:
    """Pairs of near-duplicates, int32 (m, 2) positions; none where they were not looked for."""
    if not has(embedding, "retrieval"):
        return np.empty((0, 2), np.int32)
    return load_array(checked(embedding, "retrieval").path("duplicates.npy"))


def clusters(embedding: Embedding) -> pd.DataFrame:
    """One row a sample: ``hdbscan`` (-1 for none) and ``kmeans``, in the order of the samples.

    Raises:
        MissingArtefactError: They have not been computed yet.
    """
    artefact = checked(embedding, "clusters")
    kept = _clusters(str(artefact.folder), artefact.manifest.fingerprint, embedding)
    return kept.copy(deep=False)


def rows_of(workspace: Workspace, sample_ids: Iterable[str]) -> np.ndarray:
    """Positions of samples; those that are not there are left out.

    Args:
        workspace: Where they are.
        sample_ids: Which ones.
    """
    artefact = workspace.artefact("samples")
    index = _index(str(artefact.folder), artefact.manifest.fingerprint, workspace)
    found: np.ndarray = index.get_indexer(pd.Index(list(sample_ids), dtype=index.dtype))
    return found[found >= 0]


def table(run: Run) -> pd.DataFrame:
    """Samples, joined with what the run answered where it has predictions, and with what its
    occlusion maps say of them."""
    if run.artefact("predictions").exists:
        return evidence.joined(data.answers(run), evidence.of(run))
    return evidence.joined(data.samples(run.workspace), evidence.of(run))


def checked(embedding: Embedding, stage: str) -> Artefact:
    """The artefact of a stage, if it was made from what is there now.

    Raises:
        MissingArtefactError: It is not there.
        CorruptArtefactError: What it was made from has been made anew since.
    """
    artefact = embedding.artefact(stage)
    what = f"The artefact '{stage}' of the embedding '{embedding.name}'"
    belonging.check_inputs(artefact, embedding.run.workspace, what)
    return artefact


@st.cache_data(max_entries=200, show_spinner=False)
def _document(folder: str, fingerprint: str, _embedding: Embedding, _stage: str) -> dict[str, Any]:
    return _embedding.document(_stage)


@st.cache_resource(max_entries=12, show_spinner=False)
def _clusters(folder: str, fingerprint: str, _embedding: Embedding) -> pd.DataFrame:
    return _embedding.clusters()


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner=False)
def _index(folder: str, fingerprint: str, _workspace: Workspace) -> pd.Index:
    index: pd.Index = pd.Index(data.samples(_workspace)["sample_id"])
    return index
