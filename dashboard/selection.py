"""What is selected, and its place in the URL.

Workspace and run are two selectors of the sidebar, bound to the parameters ``workspace`` and
``run`` of the URL; the image that is open is the parameter ``image``. Filters are widgets of
their pages, bound to parameters of their own. A copied link shows the same in any browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from cache import Run, Workspace, open_workspace
from cache.embeddings import Embedding, embeddings, open_embedding
from cache.errors import CacheError
from cache.issues import LabelIssues, label_issues, open_label_issues
from dashboard import data
from dashboard.pages import FILES, pages
from dashboard.widgets.messages import notice

WORKSPACE = "workspace"
RUN = "run"
SPLIT = "split"
IMAGE = "image"
EMBEDDING = "embedding"
ISSUES = "issues"

_UNKNOWN = "_unknown_{}"


def selectors() -> None:
    """Draw the selectors of workspace and run. Called once a rerun, by ``navigation.py``."""
    names = [workspace.name for workspace in data.workspaces()]
    if not names:
        return
    name = _selector("Workspace", WORKSPACE, names)
    if name is None:
        return
    chosen = open_workspace(name)
    try:
        runs = [run.name for run in chosen.runs()]
    except (CacheError, KeyError):
        # The page itself says what is wrong with the workspace; the sidebar stays usable.
        return
    if runs:
        _selector("Run", RUN, runs)
    # Last, since it comes and goes: a bound widget that moves down loses its place in the URL.
    _caveats(chosen)


def workspace() -> Workspace:
    """The selected workspace; ends the page with a message where the cache is empty.

    Raises:
        WorkspaceNotFoundError: The URL names one that is not there.
    """
    there = data.workspaces()
    if not there:
        notice(
            "The cache is empty",
            "There is nothing to look at yet. The overview says how to make a first workspace.",
        )
        st.page_link(FILES["overview"], label="To the overview", icon=":material/home:")
        st.stop()
    return open_workspace(_selected(WORKSPACE) or there[0].name)


def run() -> Run:
    """The selected run of the selected workspace; ends the page where that has no runs.

    Raises:
        WorkspaceNotFoundError: The URL names a workspace that is not there.
        RunNotFoundError: The URL names a run that is not there.
    """
    chosen = workspace()
    runs = chosen.runs()
    if not runs:
        notice(
            "This workspace has no runs",
            f"The recipe of '{chosen.name}' names no run. Add one under runs: in the recipe, "
            "then make it.",
            command=chosen.command,
        )
        st.stop()
    return chosen.run(_selected(RUN) or runs[0].name)


def choose_embedding(chosen: Run) -> Embedding:
    """Draw the selector of the embedding; ends the page where the run has none.

    Args:
        chosen: The run whose embeddings there are to choose from.

    Raises:
        EmbeddingNotFoundError: The URL names one that the run does not have.
    """
    names = [each.name for each in embeddings(chosen)]
    if not names:
        notice(
            "This run has no embeddings",
            f"The recipe names none for '{chosen.name}'. Add some under "
            f"runs.{chosen.name}.embeddings, for instance 'penultimate: {{kind: layer}}', then "
            "make them.",
            command=chosen.workspace.command,
        )
        st.stop()
    with st.container(width=230):
        _selector("Embedding", EMBEDDING, names)
    return open_embedding(chosen, _selected(EMBEDDING) or names[0])


def choose_issues(chosen: Run) -> LabelIssues:
    """Draw the selector of the label issues; ends the page where the run has none.

    Args:
        chosen: The run whose label issues there are to choose from.

    Raises:
        LabelIssuesNotFoundError: The URL names some that the run does not have.
    """
    names = [each.name for each in label_issues(chosen)]
    if not names:
        notice(
            "No labels of this run were judged",
            f"The recipe asks for no label issues of '{chosen.name}'. Add some under "
            f"runs.{chosen.name}.issues, for instance 'head: {{embedding: pixels}}', where pixels "
            "is an embedding of the run that never saw a label, then make them. Another run may "
            "have some.",
            command=chosen.workspace.command,
        )
        st.stop()
    with st.container(width=200):
        _selector("Label issues", ISSUES, names)
    return open_label_issues(chosen, _selected(ISSUES) or names[0])


def image() -> str | None:
    """``sample_id`` of the image that is open, or None. It may name an image that is not there."""
    return st.query_params.get(IMAGE)


def open_image(sample_id: str | None) -> None:
    """Open an image, or close the open one (None): changes the URL, not the page."""
    if sample_id is not None:
        st.query_params[IMAGE] = sample_id
    elif IMAGE in st.query_params:
        del st.query_params[IMAGE]


def step_among(sample_ids: Sequence[str] | np.ndarray, by: int) -> None:
    """Open the image before (-1) or after (+1) the open one in a list, if there is one.

    Args:
        sample_ids: The list; where the open image is not in it, or none is, its first counts.
        by: Where to go.
    """
    places = np.flatnonzero(np.asarray(sample_ids) == image())
    to = (int(places[0]) if len(places) else 0) + by
    if 0 <= to < len(sample_ids):
        open_image(str(sample_ids[to]))


def choose_split(there: Sequence[str], label: str = "Split") -> str:
    """Draw the control for one split, shared by the pages through the parameter ``split``.

    Args:
        there: The splits to choose from, as ``data.splits_of`` gives them.
        label: What the control is called.

    Returns:
        The chosen split: at first test, else val, else train.
    """
    preferred = next(split for split in ("test", "val", "train") if split in there)
    of_workspace(SPLIT, preferred)
    chosen = st.segmented_control(label, list(there), required=True, key=SPLIT, bind="query-params")
    return chosen or preferred


def of_workspace(key: str, default: Any) -> None:
    """Give a bound filter its value at first and whenever another workspace is selected.

    What a filter filters by means nothing in another workspace. Call it just before the widget,
    and give the widget no default of its own (an empty one for lists, None for a choice).

    Args:
        key: Key of the widget.
        default: Its value where neither the user nor the URL has said otherwise.
    """
    owners = _owners()
    owner = _selected(WORKSPACE)
    if key not in st.session_state:
        if key not in st.query_params:
            st.session_state[key] = default
    elif owners.get(key, owner) != owner:
        st.session_state[key] = default
    owners[key] = owner


def go(
    page: str,
    *,
    workspace: str | None = None,
    run: str | None = None,
    image: str | None = None,
    state: Mapping[str, Any] | None = None,
    link: Mapping[str, str | Sequence[str]] | None = None,
) -> None:
    """Go to another page with something selected. Only for callbacks (``on_click=``).

    Args:
        page: Key of ``dashboard.pages.FILES``.
        workspace: Workspace to select; None keeps it.
        run: Run to select; None keeps it.
        image: Image to open.
        state: Values of the other page's filters, by their key.
        link: The same as the URL names them, for filters that no widget of this page is bound to:
            Streamlit would not write what a session knows of them into the URL.
    """
    if workspace is not None:
        st.session_state[WORKSPACE] = workspace
        st.session_state.pop(_UNKNOWN.format(RUN), None)
    if run is not None:
        st.session_state[RUN] = run
    for key, value in (state or {}).items():
        st.session_state[key] = value
        _owners()[key] = st.session_state.get(WORKSPACE)
    for key in link or {}:
        st.session_state.pop(key, None)
        _owners()[key] = st.session_state.get(WORKSPACE)
    # Bound parameters follow their widgets; naming them here would be an error. A page object
    # needs no look-up: in a callback the menu of this rerun is not drawn yet.
    parameters = {**(link or {}), **({IMAGE: image} if image else {})}
    st.switch_page(pages()[page], query_params=parameters)


def url(page: str, **parameters: str | None) -> str:
    """Link to a page that opens as given in any browser: ``/errors?workspace=digits&run=cnn``.

    Args:
        page: Key of ``dashboard.pages.FILES``.
        **parameters: Of the URL; those that are None are left out.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    path = "/" if page == "overview" else f"/{page}"
    return f"{path}?{urlencode(given)}" if given else path


def _selector(label: str, key: str, options: Sequence[str]) -> str | None:
    """Select box bound to the URL. Its default is None, so that the URL always names the value.

    Returns:
        The value, or None where the URL names one that is not there (kept for ``_selected``).
    """
    unknown = _UNKNOWN.format(key)
    if key not in st.session_state:
        named = st.query_params.get(key)
        if named is None:
            st.session_state[key] = options[0]
            st.query_params[key] = options[0]
        elif named not in options:
            st.session_state[unknown] = named
    elif st.session_state[key] is None:
        if unknown not in st.session_state:
            st.session_state[key] = options[0]
    elif st.session_state[key] not in options:
        st.session_state[key] = options[0]
    with st.container(gap="xxsmall"):
        # The label stands apart: beside its own, Streamlit would write "(required)".
        st.caption(label)
        chosen: str | None = st.selectbox(
            label,
            list(options),
            index=None,
            required=True,
            key=key,
            bind="query-params",
            placeholder="Choose one",
            label_visibility="collapsed",
        )
    if chosen is not None:
        st.session_state.pop(unknown, None)
    return chosen


def _selected(key: str) -> str | None:
    """Name selected by a selector, be it there or not."""
    chosen: str | None = st.session_state.get(key)
    return chosen if chosen is not None else st.session_state.get(_UNKNOWN.format(key))


def _owners() -> dict[str, str | None]:
    """Workspace that each filter was set for, by the filter's key."""
    owners: dict[str, str | None] = st.session_state.setdefault("_owners", {})
    return owners


def _caveats(chosen: Workspace) -> None:
    """What has to be said of the data wherever it is shown."""
    try:
        dataset = chosen.dataset
    except CacheError:
        return
    if dataset.simulated:
        st.badge("Simulated data", icon=":material/science:", color="orange")
        st.caption(dataset.simulated)
    if dataset.label_noise:
        st.badge("Flipped labels", icon=":material/shuffle:", color="orange")
        st.caption(dataset.label_noise)
