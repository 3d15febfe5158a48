"""Accuracy by the labels that reviewers decided, beside that by given labels and never in it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from cache import Run, Workspace, belonging
from dashboard import data
from dashboard.widgets.messages import plain
from pipelines.methods import decided_labels, number
from pipelines.methods.decided_labels import ByDecided
from pipelines.methods.intervals import Rate


def accuracy(run: Run, split: str) -> ByDecided | None:
    """Accuracy of a run on a split by decided labels.

    Returns:
        None where the workspace takes labels as they are given, where nothing is decided on
        images of the split, or where the run has no predictions.

    Raises:
        CorruptArtefactError: Decisions or predictions belong to other samples than those there now.
    """
    artefact = run.workspace.artefact("decisions")
    if run.workspace.labels == "given" or not artefact.exists:
        return None
    if not run.artefact("predictions").exists:
        return None
    belonging.check_decisions(run.workspace)
    answers = data.predictions(run)
    decisions = _decisions(str(artefact.folder), artefact.manifest.fingerprint, run.workspace)
    return decided_labels.accuracy(answers[answers["split"] == split], decisions)


def in_training(run: Run, split: str) -> Rate | None:
    """Accuracy of a trained run on train or val by the labels that it learnt, given or decided."""
    found = accuracy(run, split) if trained_on(run) else None
    return data.accuracy(run, split) if found is None else found.accuracy


def trained_on(run: Run) -> bool:
    """Whether a trained run learnt from decided labels."""
    return bool(run.document.get("labels", {}).get("trained_on") == "decided")


def learnt_by(runs: Sequence[Run]) -> str:
    """Says which trained runs learnt from decided labels, with a space before it, if any did."""
    names = [plain(run.name) for run in runs if trained_on(run)]
    return f" By the decided labels that it learnt: {', '.join(names)}." if names else ""


def sentence(found: ByDecided, split: str) -> str:
    """What is to be said of it, with what it is of, and of how much nobody has looked at."""
    return (
        f"By decided labels: accuracy {number.rate(found.accuracy)} of {split}. Decided on "
        f"{found.decided:,} of {number.plural(found.images, 'image')}: {found.changed:,} judged by "
        f"another label, {found.left_out:,} undecidable or bad and left out here; the others by "
        "their given label."
    )


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner=False)
def _decisions(folder: str, fingerprint: str, _workspace: Workspace) -> pd.DataFrame:
    return _workspace.decisions()
