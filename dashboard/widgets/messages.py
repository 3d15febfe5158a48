"""Designed states instead of tracebacks: what is wrong, where, and what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import streamlit as st

from cache.errors import (
    CentauroError,
    CorruptArtefactError,
    LockedError,
    MissingArtefactError,
    ReviewsError,
    RunNotFoundError,
    VerdictError,
    WorkspaceNotFoundError,
)

_TITLES: dict[type[CentauroError], tuple[str, str]] = {
    WorkspaceNotFoundError: ("No such workspace", ":material/search_off:"),
    RunNotFoundError: ("No such run", ":material/search_off:"),
    MissingArtefactError: ("Not made yet", ":material/hourglass_empty:"),
    CorruptArtefactError: ("This part of the cache cannot be used", ":material/broken_image:"),
    LockedError: ("Being written at the moment", ":material/lock:"),
    ReviewsError: ("The reviews cannot be reached", ":material/cloud_off:"),
    VerdictError: ("This verdict was not stored", ":material/block:"),
}

_COMMAND = re.compile(r"python -m pipelines [^\n]*?(?=\.?$)")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Show an error of the project as a message where it happened, and go on after the block.

    Every page runs inside one. A fragment needs its own, since it reruns outside the page.
    """
    try:
        yield
    except CentauroError as error:
        show_error(error)


def show_error(error: CentauroError) -> None:
    """Show an error: a title by its kind, its message, and its command ready to copy."""
    title, icon = next(
        (look for kind, look in _TITLES.items() if isinstance(error, kind)),
        ("This does not work", ":material/error:"),
    )
    message = str(error)
    command = _COMMAND.search(message)
    text = message[: command.start()].rstrip() if command else message
    notice(title, text, command=command.group() if command else None, icon=icon)


def finding(text: str) -> None:
    """The sentence that a page opens with, made from the data.

    Args:
        text: Markdown; escape names from the data with :func:`plain`.
    """
    st.subheader(text, anchor=False)


def notice(
    title: str, text: str, *, command: str | None = None, icon: str = ":material/info:"
) -> None:
    """A state of the page that is no finding: empty, missing, unknown.

    Args:
        title: A few words in sentence case.
        text: What that means, as plain text: names from the data are safe here.
        command: What to run, shown ready to copy.
        icon: Material icon.
    """
    with st.container(border=True):
        st.markdown(f"**{icon} {title}**")
        st.text(text)
        if command:
            st.code(command, language="bash", wrap_lines=True)


def plain(text: str) -> str:
    """Escape a name from the data for places where Streamlit reads Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:<>&])", r"\\\1", text)
