"""What all widgets share: their files, and the events that come back from the browser.

A widget is a component of Streamlit (version 2) made of plain files: ``common.js`` and
``common.css`` joined with its own ``<name>.js`` and ``<name>.css``. It is controlled: Python says
through ``data`` what it shows, and it answers with one trigger, ``event``, whose value carries
everything that the user has changed since Python last spoke (Streamlit may drop all but the
newest of several quick triggers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

Handler = Callable[[Mapping[str, Any]], object]
"""Does what one kind of event asks for.

It runs as a callback, which nothing breaks off, before the run that shows what came of it. The
payload comes from a browser: check it before use.
"""

Step = Callable[[int], object]
"""Goes to the previous (-1) or to the next (+1) image of a list, if there is one.

It is called as a :data:`Handler` is, and maybe twice before a run shows where it led: it starts
from the image that is open, not from the one that was last drawn.
"""

_FOLDER = Path(__file__).parent


def define(name: str, *parts: str) -> ComponentRenderer:
    """Registers a widget; call it once, at import.

    Args:
        name: Stem of the widget's ``.js`` and ``.css`` files beside this module.
        *parts: Stems of further ``.js`` files to join in front of the widget's own; a ``.css``
            file of that name, where there is one, comes along.

    Returns:
        What mounts it; pass it to :func:`mount`.
    """
    stems = ("common", *parts, name)
    styles = [f"{stem}.css" for stem in stems if (_FOLDER / f"{stem}.css").exists()]
    return st.components.v2.component(
        f"centauro_{name}",
        js=_joined(*(f"{stem}.js" for stem in stems)),
        css=_joined(*styles),
    )


def pending(key: str) -> Mapping[str, Any]:
    """What the user did since the last run, for the widget about to be mounted.

    Args:
        key: The widget's key.

    Returns:
        The payload that the widget sent, empty if nothing happened. It comes from a browser:
        check it before use.
    """
    # Streamlit forgets a widget that a run has not shown: what was still pending then came from
    # an earlier time on screen, and must not happen when the widget is shown anew.
    if key not in st.session_state:
        st.session_state.pop(_event_key(key), None)
    event: Mapping[str, Any] = st.session_state.get(_event_key(key), {})
    return event


def mount(
    renderer: ComponentRenderer,
    *,
    key: str,
    data: Mapping[str, Any],
    handlers: Mapping[str, Handler] | None = None,
) -> None:
    """Shows a widget and ends its pending event, which so happens exactly once.

    Args:
        renderer: What :func:`define` returned.
        key: The widget's key, unique in the app.
        data: What the widget shows, as JSON-like values.
        handlers: What to call for an event, by its ``action``; such an event is never pending.
    """
    heard = st.session_state.get(_heard_key(key), 0)
    shown = renderer(
        key=key,
        data={**data, "heard": heard},
        on_event_change=lambda: _receive(key, handlers or {}),
    )
    # Streamlit may break a run off while it mounts: an event ended before that would be lost.
    st.session_state.pop(_event_key(key), None)
    event = shown.get("event")
    if _number_of(event) not in (None, st.session_state.get(_heard_key(key))):
        # A page outlives its server, and the new one's first run has no callbacks yet.
        _receive(key, handlers or {})
        st.rerun()


def stepping(step: Step | None) -> dict[str, Handler]:
    """Handlers of a widget that walks through a list; none where there is nowhere to go."""
    if step is None:
        return {}
    return {"previous": lambda _: step(-1), "next": lambda _: step(1)}


def _receive(key: str, handlers: Mapping[str, Handler]) -> None:
    event = st.session_state[key].get("event")
    if _number_of(event) is None:
        return
    st.session_state[_heard_key(key)] = event["n"]
    action = event.get("action")
    handler = handlers.get(action) if isinstance(action, str) else None
    if handler is None:
        st.session_state[_event_key(key)] = dict(event)
    else:
        handler(event)


def _number_of(event: object) -> int | None:
    """Number of an event, by which the browser knows that it was heard; None where it is none."""
    number = event.get("n") if isinstance(event, Mapping) else None
    return number if isinstance(number, int) else None


def _event_key(key: str) -> str:
    return f"{key}.event"


def _heard_key(key: str) -> str:
    return f"{key}.heard"


def _joined(*names: str) -> str:
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
