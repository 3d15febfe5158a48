"""The reviews as the pages see them: who reviews, and what stands in the database.

The only place of the dashboard that knows the database. Nothing that is read is kept: another
reviewer's verdict shows at the next click.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from cache import Workspace, review_database, verdicts
from cache.errors import VerdictError
from cache.reviews import Review, Reviews, Verdict, cleaned_name, new_token
from dashboard import data

REVIEWER = "reviewer"
"""Key of the control that says who reviews."""

SETTING = "CENTAURO_REVIEWER"
"""Environment variable with the reviewer's name, for a dashboard that one person uses."""


def store() -> Reviews:
    """The database of the reviews; opened once a process.

    Raises:
        ReviewsError: The setting makes no sense, the database cannot be reached, or another
            version of Centauro made it. The next call tries again.
    """
    return _opened(review_database.database_url().render_as_string(hide_password=False))


def choose_reviewer() -> str | None:
    """Draw the control that says who reviews: one of those who did before, or a new name.

    The name stays in the session and never goes into the URL: whoever opens a copied link would
    review under it.

    Returns:
        As :func:`reviewer`.

    Raises:
        ReviewsError: The database cannot be read.
    """
    # Otherwise left alone: to a server that was started anew, the page brings the name it has.
    if st.session_state.get(REVIEWER) is None and os.environ.get(SETTING):
        st.session_state[REVIEWER] = os.environ[SETTING]
    known = store().reviewers()
    chosen = st.session_state.get(REVIEWER)
    st.selectbox(
        "Reviewer",
        known if chosen is None or chosen in known else sorted([*known, chosen]),
        index=None,
        key=REVIEWER,
        accept_new_options=True,
        persist_state="session",
        placeholder="Your name",
        help="Stands beside each of your verdicts. Type it once; the session remembers it.",
    )
    return reviewer()


def reviewer() -> str | None:
    """Who reviews in this session, or None where nobody has said so.

    Raises:
        VerdictError: The name is too long, or cannot be stored.
    """
    name = st.session_state.get(REVIEWER) or os.environ.get(SETTING) or ""
    return cleaned_name(name) if name.strip() else None


def add(
    workspace: Workspace,
    sample_ids: Sequence[str],
    verdict: str,
    *,
    decided: str | Mapping[str, str] | None = None,
    seen: Mapping[str, str] | None = None,
    note: str = "",
    token: str | None = None,
) -> list[Review]:
    """Store the reviewer's verdict on one image or several, all or none.

    It is on disk when this returns.

    Args:
        workspace: Where the images are.
        sample_ids: The images.
        verdict: A key of ``cache.reviews.VERDICTS``.
        decided: With ``wrong`` alone: the class that they should have, or that of each by its id.
        seen: The label that the reviewer saw on each image, by its id, where that is known.
        note: Anything the reviewer adds.
        token: Names this verdict: where the same event comes twice, it is stored once.

    Raises:
        VerdictError: Nobody said who reviews, an image or the class is not there, an image bears
            another label now than the reviewer saw, or the verdict makes no sense.
        ReviewsError: The database cannot be written to.
    """
    labels = data.samples(workspace).set_index("sample_id")["label"]
    unknown = [sample_id for sample_id in sample_ids if sample_id not in labels.index]
    if unknown:
        raise VerdictError(
            f"The workspace '{workspace.name}' has no image '{unknown[0]}'. "
            "It was made anew meanwhile: open the image again."
        )
    for sample_id, label in (seen or {}).items():
        if labels[sample_id] != label:
            raise VerdictError(
                f"The image '{sample_id}' bore the label '{label}' when it was shown, and bears "
                f"'{labels[sample_id]}' now: the workspace was made anew. Look at it again."
            )
    new = decided if isinstance(decided, Mapping) else dict.fromkeys(sample_ids, decided)
    strange = {name for name in new.values() if name is not None} - set(workspace.dataset.classes)
    if strange:
        raise VerdictError(
            f"A label must be decided to be a class of the workspace '{workspace.name}'. "
            f"Received: '{min(strange)}'. "
            f"Choose one of {', '.join(workspace.dataset.classes[:20])}."
        )
    name, token = _reviewer(), new_token() if token is None else token
    return store().add(
        *(
            Verdict(
                workspace=workspace.name,
                sample_id=sample_id,
                given=str(labels[sample_id]),
                verdict=verdict,
                reviewer=name,
                decided=new.get(sample_id),
                note=note,
                token=f"{token}/{sample_id}",
            )
            for sample_id in sample_ids
        )
    )


def undo(workspace: Workspace, token: str | None = None) -> list[Review]:
    """Take back what the reviewer gave last in a workspace, as :meth:`Reviews.undo` does.

    Args:
        workspace: Where.
        token: Names this undoing: where the same event comes twice, the same is taken back.

    Returns:
        The verdicts that were taken back, the latest first; none where there is none left.

    Raises:
        VerdictError: Nobody said who reviews.
        ReviewsError: The database cannot be written to.
    """
    return store().undo(workspace.name, _reviewer(), token)


def standing(workspace: Workspace) -> pd.DataFrame:
    """The latest verdict of each reviewer on each image, as ``Reviews.latest`` gives them.

    What they amount to is told by the functions of :mod:`cache.verdicts`.

    Raises:
        ReviewsError: The database cannot be read.
    """
    return store().latest(workspace.name)


def pace(workspace: Workspace) -> float | None:
    """Median seconds that the reviewer takes for a verdict here, None where that is not known yet.

    Raises:
        ReviewsError: The database cannot be read.
    """
    name = reviewer()
    return None if name is None else verdicts.pace(store().rows(workspace.name), name)


def _reviewer() -> str:
    name = reviewer()
    if name is None:
        raise VerdictError("A verdict needs a reviewer. Received: no name. Say who you are first.")
    return name


def _is_current(opened: Reviews) -> bool:
    return opened.is_current()


@st.cache_resource(show_spinner="Opening the reviews …", validate=_is_current)
def _opened(url: str) -> Reviews:
    engine = st.connection("reviews", type="sql", url=url, **review_database.ENGINE).engine
    # Connections left from a file that was removed would go on writing to it.
    engine.dispose()
    return Reviews(engine)
