"""How far the reviews of a workspace are: what stands, what is left, and the page's first words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Workspace, verdicts
from cache.reviews import VERDICTS
from cache.verdicts import DISPUTED
from dashboard import data, reviews
from dashboard.widgets.messages import plain
from pipelines.methods import decided_labels, number

KINDS: Final = ("wrong", "right", *(kind for kind in VERDICTS if kind not in ("wrong", "right")))
"""Verdicts in the order in which they are told of."""


@dataclass(frozen=True)
class State:
    """The reviews of a workspace at the moment.

    Attributes:
        reviewer: Who reviews in this session, or None.
        said: The standing verdicts, as ``Reviews.latest`` gives them.
        latest: Those of them on labels that the images bear now; only these count.
        decided: What these amount to, as ``verdicts.decided`` gives it, by ``sample_id``.
        mine: Those that count of the reviewer, by ``sample_id``.
    """

    reviewer: str | None
    said: pd.DataFrame
    latest: pd.DataFrame
    decided: pd.DataFrame
    mine: pd.DataFrame

    @property
    def undoable(self) -> bool:
        """Whether there is a verdict of the reviewer to take back, be it one that counts or not."""
        return bool((self.said["reviewer"] == self.reviewer).any())

    def verdict(self, sample_ids: pd.Series) -> np.ndarray:
        """What is decided on each image: a verdict, ``disputed``, or empty where nobody judged."""
        found = self.decided["verdict"].reindex(sample_ids)
        return found.astype(object).fillna("").to_numpy(dtype=object)

    def judged_by_me(self, sample_ids: pd.Series) -> np.ndarray:
        """Mask of the images that the reviewer has judged."""
        mask: np.ndarray = sample_ids.isin(self.mine.index).to_numpy()
        return mask


def read(workspace: Workspace) -> State:
    """Read the reviews of a workspace.

    Raises:
        ReviewsError: The database cannot be read.
    """
    reviewer, said = reviews.reviewer(), reviews.standing(workspace)
    latest = said[decided_labels.current(said, data.samples(workspace))]
    mine = latest[latest["reviewer"] == reviewer]
    return State(
        reviewer,
        said,
        latest,
        verdicts.decided(latest).set_index("sample_id"),
        mine.set_index("sample_id"),
    )


def finding(judged: pd.DataFrame, suspected: np.ndarray, state: State) -> str:
    """The sentence that the page opens with.

    Args:
        judged: As ``suspects.table`` gives it.
        suspected: Mask of the suspected labels.
        state: The reviews.
    """
    n, total = int(suspected.sum()), len(judged)
    text = f"{n:,} of {number.plural(total, 'label')} {'is' if n == 1 else 'are'} suspected"
    found = state.verdict(judged["sample_id"])
    counts = pd.Series(found[suspected]).value_counts()
    of_them = int(counts.drop("", errors="ignore").sum())
    others = int((found[~suspected] != "").sum())
    if of_them:
        parts = [f"{counts[kind]:,} {kind}" for kind in KINDS if kind in counts]
        text += f"; {of_them:,} of them {'is' if of_them == 1 else 'are'} reviewed"
        text += f": {', '.join(parts)}" if parts else ""
    elif n:
        text += "; none of them is reviewed yet"
    if others:
        text += f"; {number.plural(others, 'other')} {'is' if others == 1 else 'are'} reviewed too"
    disputed = int((found == DISPUTED).sum())
    if disputed:
        two = "two reviewers" if state.latest["reviewer"].nunique() == 2 else "reviewers"
        text += f"; {two} disagree on {disputed:,}"
    return f"{text}."


def show_progress(workspace: Workspace, judged: pd.DataFrame, suspected: np.ndarray) -> None:
    """A bar: how many suspects the reviewer has judged, how many are left, how long it takes.

    Args:
        workspace: Where the images are.
        judged: As ``suspects.table`` gives it.
        suspected: Mask of the suspected labels.
    """
    state = read(workspace)
    total = int(suspected.sum())
    if state.reviewer is None or not total:
        return
    done = int(state.judged_by_me(judged["sample_id"][suspected]).sum())
    text = f"{plain(state.reviewer)}: {done:,} of {number.plural(total, 'suspect')} reviewed"
    if done < total:
        text += f", {total - done:,} left"
        pace = reviews.pace(workspace)
        if pace is not None:
            text += (
                f", about {number.seconds(pace * (total - done))} at your pace of "
                f"{number.seconds(pace)} a verdict"
            )
    st.progress(done / total, text=text)


def told(verdict: str, decided: str | None) -> str:
    """A verdict in words, as plain text: ``wrong, it is 8``."""
    return f"wrong, it is {decided}" if verdict == "wrong" else str(verdict)


def outdated(given: str, label: str) -> str:
    """What is added to a verdict on a label that the image no longer bears, in Markdown; nothing
    where it bears it still."""
    if given == label:
        return ""
    return f" (the given label was {plain(given)} then: no longer counted)"
