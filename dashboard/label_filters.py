"""Which labels the reviewer goes through: filters bound to the URL, and what is outlined."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import SPLITS
from cache.verdicts import DISPUTED
from dashboard import conditions, selection
from dashboard.review_state import State
from dashboard.suspects import suspected

IN_SPLIT: Final = "label_split"
GIVEN: Final = "given"
SUGGESTED: Final = "suggested"
LABELS: Final = "labels"
OPEN: Final = "unreviewed"
DISPUTES: Final = "disputed"
LEAST: Final = "min_suspicion"

SUSPECTS, EVERY = "suspects", "all"

AT_FIRST: Final = "suspected"
"""What is looked at while no filter is set, in words."""


def choose(
    judged: pd.DataFrame, state: State, outlined: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Draw the filters.

    Args:
        judged: As ``suspects.table`` gives it.
        state: The reviews.
        outlined: Mask of what is outlined on the triage square; it takes the place of the choice
            between suspects and all. None where nothing is.

    Returns:
        Mask of what is left, and what that is, in words.
    """
    classes = [str(name) for name in judged["label"].cat.categories]
    there = [split for split in SPLITS if (judged["split"] == split).any()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        selection.of_workspace(LABELS, SUSPECTS)
        which = st.segmented_control(
            "Labels",
            [SUSPECTS, EVERY],
            required=True,
            key=LABELS,
            bind="query-params",
            persist_state="session",
            disabled=outlined is not None,
            help="Those that are suspected, or all; what is outlined counts instead of either.",
        )
        conditions.of_options(IN_SPLIT, there)
        splits = st.pills(
            "Split",
            there,
            selection_mode="multi",
            key=IN_SPLIT,
            bind="query-params",
            persist_state="session",
        )
        given = _classes("Given label", GIVEN, classes)
        suggested = _classes("Suggested label", SUGGESTED, classes)
        selection.of_workspace(LEAST, None)
        least = st.number_input(
            "Suspicion ≥ %",
            min_value=0.0,
            max_value=100.0,
            value=None,
            step=5.0,
            format="%g",
            key=LEAST,
            bind="query-params",
            persist_state="session",
            placeholder="0",
            width=130,
            help="Mean of one minus the model's probability of the label and the share of the "
            "neighbours that bear another.",
        )
        with st.container(gap="xxsmall", width="content"):
            mine = st.toggle(
                "Not yet reviewed by me", key=OPEN, bind="query-params", persist_state="session"
            )
            disputed = st.toggle(
                "Only what is disputed", key=DISPUTES, bind="query-params", persist_state="session"
            )
    mask = np.ones(len(judged), bool)
    words = [f"in {' and '.join(splits)}"] if splits else []
    if splits:
        mask &= judged["split"].isin(splits).to_numpy()
    for column, chosen in (("label", given), ("suggested", suggested)):
        if chosen:
            mask &= judged[column].isin(chosen).to_numpy()
            name = "given" if column == "label" else column
            words.append(f"{name} label {' or '.join(chosen)}")
    if least:
        mask &= (100 * judged["suspicion"] >= least).to_numpy()
        words.append(f"suspicion {least:g} % or more")
    if mine:
        mask &= ~state.judged_by_me(judged["sample_id"])
        words.append("not yet reviewed by you")
    if disputed:
        mask &= state.verdict(judged["sample_id"]) == DISPUTED
        words.append("disputed")
    if outlined is not None:
        mask &= outlined
        words.insert(0, "outlined on the triage square")
    elif which != EVERY:
        mask &= suspected(judged)
        words.insert(0, AT_FIRST)
    return mask, ", ".join(words) or "all labels"


def reset() -> None:
    """Let every suspect through, and nothing else. Call it in a callback."""
    st.session_state[LABELS] = SUSPECTS
    for key in (IN_SPLIT, GIVEN, SUGGESTED):
        st.session_state[key] = []
    st.session_state[LEAST] = None
    st.session_state[OPEN] = st.session_state[DISPUTES] = False


def _classes(label: str, key: str, classes: list[str]) -> list[str]:
    conditions.of_options(key, classes)
    chosen = st.multiselect(
        label,
        classes,
        key=key,
        bind="query-params",
        persist_state="session",
        placeholder="any",
        width=170,
    )
    return [name for name in chosen if name in classes]
