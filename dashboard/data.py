"""What the pages read from the cache, kept in memory under the fingerprint of its artefact.

Tables are kept once a process, not once a session, and handed out as shallow copies: with the
copy-on-write of pandas 3 a page may filter and change its copy, and the one in memory stays as
it is. An artefact made anew has another fingerprint, so nothing here is ever out of date.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from cache import SPLITS, Run, Workspace, list_workspaces
from cache.errors import CacheError
from cache.tables import read_table
from pipelines.methods.intervals import Rate

TABLES_IN_MEMORY = 12
"""How many tables of each kind stay in memory; the least recently used goes first."""


def workspaces() -> list[Workspace]:
    """Every workspace of the cache, by name. Never kept: new ones show at the next click."""
    return list_workspaces()


def samples(workspace: Workspace) -> pd.DataFrame:
    """One row a sample; columns as in ``cache.tables.SCHEMAS['samples']``.

    Raises:
        MissingArtefactError: The samples have not been read yet.
        CorruptArtefactError: The table cannot be read.
    """
    return _samples(*_key(workspace), workspace).copy(deep=False)


def rejected(workspace: Workspace) -> pd.DataFrame:
    """Every input that could not be read or used: ``path``, ``label``, ``split``, ``reason``.

    Raises:
        MissingArtefactError: The samples have not been read yet.
    """
    return _rejected(*_key(workspace), workspace).copy(deep=False)


def predictions(run: Run) -> pd.DataFrame:
    """One row a sample of every split; columns as in ``cache.tables.SCHEMAS['predictions']``.

    Raises:
        MissingArtefactError: The run has no predictions yet.
        CorruptArtefactError: They were made from other samples than those of the workspace.
    """
    run.check_predictions()
    return _predictions(*_key(run, "predictions"), run).copy(deep=False)


def answers(run: Run) -> pd.DataFrame:
    """Samples and what the run answered: every column of both tables, one row a sample.

    In the order of the samples. ``split`` and ``label`` come from the samples.

    Raises:
        MissingArtefactError: The run has no predictions yet.
        CorruptArtefactError: They were made from other samples than those of the workspace.
    """
    run.check_predictions()
    folder, fingerprint = _key(run, "predictions")
    _, of_samples = _key(run.workspace)
    return _answers(folder, fingerprint, of_samples, run).copy(deep=False)


def history(run: Run) -> pd.DataFrame:
    """One row an epoch: ``epoch`` (from 1), losses, accuracies, ``learning_rate``, ``seconds``.

    Raises:
        MissingArtefactError: The run has not been trained yet.
    """
    return _history(*_key(run, "train"), run).copy(deep=False)


def accuracy(run: Run, split: str, without_leaks: bool = False) -> Rate | None:
    """Accuracy of a run on a split, or None where it has no predictions or no such samples.

    Args:
        run: The run.
        split: ``train``, ``val`` or ``test``.
        without_leaks: Leave out samples whose group or pixels also stand in train; None where
            there are no such samples.

    Raises:
        CorruptArtefactError: The figures are there but cannot be read.
    """
    document = metrics(run).get(split)
    if document is None:
        return None
    if without_leaks:
        document = document.get("without_leaks")
        if document is None:
            return None
    figure = document["accuracy"]
    n = int(figure["n"])
    if n == 0:
        return None
    value = float(figure["value"])
    return Rate(value, float(figure["low"]), float(figure["high"]), n, round(value * n))


def metrics(run: Run) -> dict[str, Any]:
    """Accuracy and loss by split, empty where the run has no predictions."""
    artefact = run.artefact("predictions")
    if not artefact.exists:
        return {}
    return _metrics(str(artefact.folder), artefact.manifest.fingerprint, run)


def split_counts(workspace: Workspace) -> dict[str, int]:
    """How many samples each split has, in the order train, val, test; only those that have any.

    Reads one column: quick for workspaces that no page has opened yet.

    Raises:
        MissingArtefactError: The samples have not been read yet.
    """
    return _split_counts(*_key(workspace), workspace)


def splits_of(workspace: Workspace) -> list[str]:
    """The splits that have samples, in the order train, val, test."""
    return list(split_counts(workspace))


def _key(owner: Workspace | Run, stage: str = "samples") -> tuple[str, str]:
    artefact = owner.artefact(stage)
    return str(artefact.folder), artefact.manifest.fingerprint


@st.cache_resource(max_entries=TABLES_IN_MEMORY, show_spinner="Reading the samples …")
def _samples(folder: str, fingerprint: str, _workspace: Workspace) -> pd.DataFrame:
    return _workspace.samples()


@st.cache_data(max_entries=32 * TABLES_IN_MEMORY, show_spinner=False)
def _split_counts(folder: str, fingerprint: str, _workspace: Workspace) -> dict[str, int]:
    path = _workspace.artefact("samples").path("samples.parquet")
    counts = read_table(path, "samples", columns=["split"])["split"].value_counts()
    return {split: int(counts[split]) for split in SPLITS if counts.get(split, 0)}


@st.cache_resource(max_entries=TABLES_IN_MEMORY, show_spinner=False)
def _rejected(folder: str, fingerprint: str, _workspace: Workspace) -> pd.DataFrame:
    return _workspace.rejected()


@st.cache_resource(max_entries=TABLES_IN_MEMORY, show_spinner="Reading the predictions …")
def _predictions(folder: str, fingerprint: str, _run: Run) -> pd.DataFrame:
    return _run.predictions()


@st.cache_resource(max_entries=TABLES_IN_MEMORY, show_spinner="Reading the predictions …")
def _answers(folder: str, fingerprint: str, of_samples: str, _run: Run) -> pd.DataFrame:
    answered = predictions(_run).drop(columns=["split", "label"])
    joined = samples(_run.workspace).merge(answered, on="sample_id", how="inner")
    if len(joined) != len(answered):
        raise CacheError(
            f"{len(answered) - len(joined)} predictions of the run '{_run.name}' are of samples "
            f"that the workspace '{_run.workspace.name}' does not have. "
            f"Make them again: {_run.workspace.command}"
        )
    return joined


@st.cache_resource(max_entries=8 * TABLES_IN_MEMORY, show_spinner=False)
def _history(folder: str, fingerprint: str, _run: Run) -> pd.DataFrame:
    return _run.history()


@st.cache_data(max_entries=32 * TABLES_IN_MEMORY, show_spinner=False)
def _metrics(folder: str, fingerprint: str, _run: Run) -> dict[str, Any]:
    return _run.metrics()
