"""Accuracy by the labels that reviewers decided, beside that by given labels and never in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from cache import Run, Workspace, belonging
from dashboard import data
from dashboard.compared import Answers, Measure, Part, counted
from dashboard.widgets.messages import plain
from pipelines.methods import decided_labels, number
from pipelines.methods.comparison import Pair, pairs
from pipelines.methods.decided_labels import ByDecided, judged
from pipelines.methods.intervals import Rate


@dataclass(frozen=True)
class Compared:
    """Runs beside one another by decided labels.

    Attributes:
        accuracy: Of each run.
        pairs: Every two runs with their difference and McNemar's test.
        coverage: What these are of, in a sentence.
    """

    accuracy: Measure
    pairs: list[Pair]
    coverage: str


def accuracy(run: Run, split: str) -> ByDecided | None:
    """Accuracy of a run on a split by decided labels.

    Returns:
        None where the workspace takes labels as they are given, where nothing is decided on
        images of the split, or where the run has no predictions.

    Raises:
        CorruptArtefactError: Decisions or predictions belong to other samples than those there now.
    """
    table = decisions(run.workspace)
    if table is None or not run.artefact("predictions").exists:
        return None
    answers = data.predictions(run)
    return decided_labels.accuracy(answers[answers["split"] == split], table)


def decisions(workspace: Workspace) -> pd.DataFrame | None:
    """What reviewers decided on labels, as ``Workspace.decisions`` gives it.

    Returns:
        None where the workspace takes labels as they are given, or has gathered nothing yet.

    Raises:
        CorruptArtefactError: They were gathered for other samples than those there now.
    """
    artefact = workspace.artefact("decisions")
    if workspace.labels == "given" or not artefact.exists:
        return None
    belonging.check_decisions(workspace)
    return _decisions(str(artefact.folder), artefact.manifest.fingerprint, workspace)


def compare(answers: Answers, of: Part, reference: int) -> Compared | None:
    """Compare runs by decided labels.

    Args:
        answers: Of the runs.
        of: The images that they are compared on.
        reference: Position of the run that the others are compared with.

    Returns:
        None where nothing is decided on the images.
    """
    table = decisions(answers.runs[0].workspace)
    found = None if table is None else judged(answers.samples.iloc[of.rows], table)
    if found is None:
        return None
    hits = (of.predicted == found.labels)[:, found.keep]
    left_out = int((~found.keep).sum())
    return Compared(
        counted("accuracy by decided labels", hits, reference),
        pairs(of.names, hits),
        decided_labels.coverage(of.n, found.decided, found.changed, left_out),
    )


def in_training(run: Run, split: str) -> Rate | None:
    """Accuracy of a trained run on train or val by the labels that it learnt, given or decided."""
    found = accuracy(run, split) if trained_on(run) else None
    return data.accuracy(run, split) if found is None else found.accuracy


def trained_on(run: Run) -> bool:
    """Whether a trained run learnt from decided labels."""
    return run.learnt == "decided"


def learnt_by(runs: Sequence[Run]) -> str:
    """Says which trained runs learnt from decided labels, with a space before it, if any did."""
    names = [plain(run.name) for run in runs if trained_on(run)]
    return f" By the decided labels that it learnt: {', '.join(names)}." if names else ""


def sentence(found: ByDecided, split: str) -> str:
    """What is to be said of it, with what it is of, and of how much nobody has looked at."""
    return (
        f"By decided labels: accuracy {number.rate(found.accuracy)} of {split}. "
        + decided_labels.coverage(found.images, found.decided, found.changed, found.left_out)
    )


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner=False)
def _decisions(folder: str, fingerprint: str, _workspace: Workspace) -> pd.DataFrame:
    return _workspace.decisions()
