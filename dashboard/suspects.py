"""Labels that may be wrong, as the page shows them: which, how sure, and why, in words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import belonging
from cache.embeddings import Embedding, open_embedding
from cache.issues import LabelIssues
from cache.tables import read_table
from dashboard import data
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.label_issues import BOTH, CONFIDENT, NEIGHBOURS, NONE

WHY: Final = {
    BOTH: "model and neighbours",
    CONFIDENT: "model alone",
    NEIGHBOURS: "neighbours alone",
    NONE: "not suspected",
}
"""What speaks against a label, in a few words."""

_REASONS: Final = {
    BOTH: "Suspected: confident learning would prune it, and most of its neighbours bear another "
    "label.",
    CONFIDENT: "Suspected: confident learning would prune it.",
    NEIGHBOURS: "Suspected: most of its neighbours bear another label.",
    NONE: "Not suspected: neither confident learning nor most of its neighbours speak against it.",
}


def table(issues: LabelIssues) -> pd.DataFrame:
    """One row a sample, the most suspicious first.

    Columns as in ``cache.tables.SCHEMAS['issues']``, and ``row``: its position in the samples.

    Raises:
        MissingArtefactError: They have not been looked for yet.
        CorruptArtefactError: They were made from other artefacts than those there now.
    """
    artefact = issues.artefact("issues")
    what = f"The label issues '{issues.name}' of the run '{issues.run.name}'"
    belonging.check_inputs(artefact, issues.run.workspace, what)
    kept = _table(str(artefact.folder), artefact.manifest.fingerprint, issues)
    return kept.copy(deep=False)


def read(issues: LabelIssues) -> pd.DataFrame:
    """As :func:`table`, read anew, and without a check."""
    path = issues.run.workspace.artefact("samples").path("samples.parquet")
    sample_ids = pd.Index(read_table(path, "samples", columns=["sample_id"])["sample_id"])
    judged = issues.table()
    return judged.assign(row=sample_ids.get_indexer(judged["sample_id"]))


def document(issues: LabelIssues) -> dict[str, Any]:
    """How they were looked for, as the stage wrote it."""
    artefact = issues.artefact("issues")
    return _document(str(artefact.folder), artefact.manifest.fingerprint, issues)


def embedding(issues: LabelIssues) -> Embedding:
    """The embedding whose neighbours were asked."""
    return open_embedding(issues.run, document(issues)["embedding"])


def suspected(judged: pd.DataFrame) -> np.ndarray:
    """Mask of the rows whose label is suspected."""
    mask: np.ndarray = (judged["why"] != NONE).to_numpy()
    return mask


def model(issues: LabelIssues) -> str:
    """What gave the probabilities, in words."""
    if document(issues)["by"] == "classifier":
        return "A classifier that never saw it"
    return f"A model on {plain(embedding(issues).title)} that never saw it"


def why(row: pd.Series, issues: LabelIssues) -> str:
    """Why a label is suspected, or is not, in Markdown.

    Args:
        row: Of ``table``.
        issues: Whose.
    """
    k = document(issues)["neighbours"]["k"]
    given, suggested = (f"**{plain(str(row[column]))}**" for column in ("label", "suggested"))
    same = round((1 - float(row["neighbour_disagreement"])) * k)
    other = round(float(row["neighbours_suggested"]) * k)
    return (
        f"{model(issues)} gives the label {given} a probability of "
        f"{number.percent(float(row['self_confidence']))} and {suggested} one of "
        f"{number.percent(float(row['p_suggested']))}. Of its {k} nearest images {_bear(same)} "
        f"{given}, and {_bear(other)} {suggested}. {_REASONS[str(row['why'])]}"
    )


def _bear(count: int) -> str:
    return "none bears" if count == 0 else "1 bears" if count == 1 else f"{count} bear"


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner="Reading the label issues …")
def _table(folder: str, fingerprint: str, _issues: LabelIssues) -> pd.DataFrame:
    return read(_issues)


@st.cache_data(max_entries=64, show_spinner=False)
def _document(folder: str, fingerprint: str, _issues: LabelIssues) -> dict[str, Any]:
    return _issues.document("issues")
