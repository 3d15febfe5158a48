"""The queue of a reviewer: which image comes next, and what the keys of the viewer do.

Everything here that changes something is called in callbacks: a verdict is on disk before the next
image shows, and no run that is broken off can lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from cache import Workspace
from cache.errors import CentauroError, ReviewsError, VerdictError
from cache.reviews import Review, new_token
from dashboard import data, review_state, reviews, selection
from dashboard.widgets.component import Handler
from dashboard.widgets.messages import plain, show_error
from pipelines.methods import number

SELECTED: Final = "labels_selected"
"""Images that are ticked in the gallery, by id."""

OTHER: Final = "labels_class"
"""The other label for all that are ticked."""

NOTE: Final = "labels_note"
"""The note on all that are ticked."""

_SAID: Final = "labels_said"
_LOOKED_AT: Final = "labels_looked_at"

_RESERVED: Final = frozenset("rwubznptl")
"""Letters that mean something to a reviewer already."""

_DIGITS: Final = "1234567890"

_LONGEST_TOKEN: Final = 64


def class_keys(classes: Sequence[str]) -> dict[str, str | None]:
    """A key for each class: its name where all are single characters, else a digit.

    Args:
        classes: Names of all classes, in order.

    Returns:
        By class; None for each where they are too many.
    """
    letters = [name.lower() for name in classes]
    single = all(len(name) == 1 for name in letters)
    if single and len(set(letters)) == len(letters) and not _RESERVED & set(letters):
        return dict(zip(classes, letters, strict=True))
    if len(classes) <= len(_DIGITS):
        return dict(zip(classes, _DIGITS, strict=False))
    return dict.fromkeys(classes)


def handlers(workspace: Workspace, queue: Sequence[str]) -> dict[str, Handler]:
    """What to call for the events of the verdicts' widget.

    Args:
        workspace: Where the images are.
        queue: Ids of the images to go on to, in order.
    """
    return {"verdict": partial(_judge, workspace, queue), "undo": partial(_undo, workspace)}


def judge_many(
    workspace: Workspace,
    seen: Mapping[str, str],
    verdict: str,
    decided: str | Mapping[str, str] | None,
    note: str,
    token: str,
) -> None:
    """Give one verdict on several images, all or none. Only for callbacks.

    Args:
        workspace: Where they are.
        seen: The label of each, by its id.
        verdict: A key of ``VERDICTS``.
        decided: With ``wrong``: the label of all, or of each by its id.
        note: Anything the reviewer adds.
        token: Names this verdict.
    """
    if _stored(workspace, list(seen), verdict, decided, note, token, seen):
        count = number.plural(len(seen), "verdict")
        st.session_state[_SAID] = f"Stored {count}. The key z, or Undo, takes all of them back."
        st.session_state[SELECTED] = ()
        # They were said of these images; on the next ones they would be stored unseen.
        st.session_state[OTHER], st.session_state[NOTE] = None, ""


def take_back(workspace: Workspace, token: str) -> None:
    """Take the reviewer's latest verdict back, and show its image. Only for callbacks."""
    try:
        back = reviews.undo(workspace, token)
    except (VerdictError, ReviewsError) as error:
        st.session_state[_SAID] = error
        return
    st.session_state[_SAID] = _took_back(workspace, back)
    if back:
        selection.open_image(back[-1].sample_id)


def show_said() -> None:
    """What came of the last verdict or undoing, where that has to be told."""
    said = st.session_state.get(_SAID)
    if isinstance(said, CentauroError):
        show_error(said)
    elif said is not None:
        st.markdown(f":material/undo: {said}" if said.startswith("Took") else said)


def open_first(queue: Sequence[str], judged: set[str], looked_at: object) -> str | None:
    """Make sure that an image is open.

    Args:
        queue: Ids of the images to go through, in order.
        judged: Ids of those that the reviewer has judged.
        looked_at: What the queue was made of: where that changes, it is started anew, unless the
            image that is open stays in it or has been asked for since.

    Returns:
        The image that is open; None where there is none to open.
    """
    shown = selection.image()
    before, last = st.session_state.get(_LOOKED_AT, (looked_at, None))
    anew = before != looked_at and shown == last and shown not in set(queue)
    if shown is None or anew:
        shown = next((each for each in queue if each not in judged), queue[0] if queue else None)
        selection.open_image(shown)
    st.session_state[_LOOKED_AT] = looked_at, shown
    return shown


def _judge(workspace: Workspace, queue: Sequence[str], event: Mapping[str, Any]) -> None:
    sample_id, given, verdict = (str(event.get(key)) for key in ("sample_id", "given", "verdict"))
    decided, note = event.get("decided"), event.get("note")
    if _stored(
        workspace,
        [sample_id],
        verdict,
        decided if isinstance(decided, str) else None,
        note if isinstance(note, str) else "",
        _token(event),
        {sample_id: given},
    ):
        st.session_state.pop(_SAID, None)
        _go_on(workspace, queue, sample_id)


def _stored(
    workspace: Workspace,
    sample_ids: Sequence[str],
    verdict: str,
    decided: str | Mapping[str, str] | None,
    note: str,
    token: str,
    seen: Mapping[str, str],
) -> bool:
    """Store a verdict; where that fails, keep what to tell."""
    try:
        reviews.add(
            workspace, sample_ids, verdict, decided=decided, seen=seen, note=note, token=token
        )
    except (VerdictError, ReviewsError) as error:
        st.session_state[_SAID] = error
        return False
    return True


def _undo(workspace: Workspace, event: Mapping[str, Any]) -> None:
    take_back(workspace, _token(event))


def _token(event: Mapping[str, Any]) -> str:
    """What the browser calls an event, if it is a name."""
    token = event.get("token")
    if isinstance(token, str) and token.isalnum() and len(token) <= _LONGEST_TOKEN:
        return token
    return new_token()


def _go_on(workspace: Workspace, queue: Sequence[str], sample_id: str) -> None:
    """Open the next image that the reviewer has not judged; stay where there is none."""
    judged = set(review_state.read(workspace).mine.index)
    at = queue.index(sample_id) + 1 if sample_id in queue else 0
    following = [*queue[at:], *queue[:at]]
    selection.open_image(next((each for each in following if each not in judged), sample_id))


def _took_back(workspace: Workspace, back: Sequence[Review]) -> str:
    """What was taken back, in Markdown."""
    if not back:
        return "There is no verdict of yours to take back."
    last = back[0]
    said = plain(review_state.told(last.verdict, last.decided))
    if len(back) > 1:
        same = len({(each.verdict, each.decided) for each in back}) == 1
        what = f", “{said}”" if same else f", “{plain(last.verdict)}”"
        return f"Took back {len(back):,} verdicts that were given at once{what}."
    samples = data.samples(workspace).set_index("sample_id")
    known = samples.loc[last.sample_id] if last.sample_id in samples.index else None
    path = known["path"] if known is not None else None
    name = path if isinstance(path, str) else last.sample_id
    return f"Took back “{said}” on {plain(name)}, given as {plain(last.given)}."
