"""The triage square: how sure the model is of its objection against how far neighbours share it.

::

    /triage/<workspace>/<fingerprint>/<run>/<issues>

delivers its points as :mod:`dashboard.points` delivers those of a map.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cache import cache_root, open_workspace
from cache.errors import CacheError
from cache.issues import LabelIssues, open_label_issues
from cache.verdicts import DISPUTED
from dashboard import selection, suspects
from dashboard.images import FOR_GOOD, thumbnail_base, view_shown
from dashboard.points import MOST_POINTS, SAMPLE, SHARP, payload
from dashboard.review_state import State
from dashboard.widgets.marks import RIGHT, WRONG
from dashboard.widgets.scatter import (
    Colouring,
    Entry,
    Outline,
    Source,
    inside,
    parse_outline,
    write_outline,
)
from pipelines.methods.colours import PALETTE
from pipelines.methods.label_issues import BOTH, CONFIDENT, NEIGHBOURS, NONE

OUTLINE: Final = "triage"
COLOUR: Final = "triage_colour"

BY_WHY, BY_VERDICT = "why", "verdict"

AXES: Final = ("Model's probability of the suggested label", "Neighbours that bear it")

_GREY: Final = 255
_SEED: Final = 0
_DIGITS: Final = 12

_WHYS: Final = {BOTH: PALETTE[5], CONFIDENT: PALETTE[0], NEIGHBOURS: PALETTE[3]}
_VERDICTS: Final = {
    "right": (RIGHT.colour, "circle"),
    "wrong": (WRONG.colour, "x"),
    "undecidable": (PALETTE[2], "square"),
    "bad": (PALETTE[3], "triangle-up"),
    DISPUTED: (PALETTE[1], "diamond"),
}


@dataclass(frozen=True)
class Square:
    """The triage square of some label issues.

    Attributes:
        places: float32 (n, 2), in the order of the samples: probability and share, from 0 to 1.
        drawn: Positions (m,) of the samples that are drawn, ascending.
    """

    places: np.ndarray
    drawn: np.ndarray


def routes() -> list[Route]:
    """The routes, for ``st.App(..., routes=routes())``."""
    return [Route("/triage/{workspace}/{fingerprint}/{run}/{issues}", _answer)]


def square(judged: pd.DataFrame, k: int) -> Square:
    """Where each label stands on the square.

    The share of neighbours has but k + 1 values, so images are spread over half a step up and
    down, the same way each time, so that they do not lie on one another.

    Args:
        judged: As ``suspects.table`` gives it.
        k: How many neighbours were asked.
    """
    ordered = judged.sort_values("row")
    generator = np.random.default_rng(_SEED)
    spread = generator.uniform(-0.5, 0.5, len(ordered)) / k
    share = np.clip(ordered["neighbours_suggested"].to_numpy() + spread, 0, 1)
    places = np.stack([ordered["p_suggested"].to_numpy(), share], axis=1).astype(np.float32)
    drawn = np.arange(len(places))
    if len(places) > MOST_POINTS:
        drawn = np.sort(generator.permutation(len(places))[:SAMPLE])
    return Square(places, drawn)


def source(issues: LabelIssues, shown: Square) -> Source:
    """Where the browser gets the points from."""
    workspace = issues.run.workspace
    parts = ["triage", workspace.name, _fingerprint(issues), issues.run.name, issues.name]
    shape = workspace.dataset.shape
    return Source(
        points="/" + "/".join(quote(part, safe="") for part in parts),
        thumbnails=thumbnail_base(workspace, view_shown(issues.run)),
        pixelated=shape is not None and max(shape[:2]) <= SHARP,
        drawn=len(shown.drawn),
    )


def colouring(choice: str, judged: pd.DataFrame, state: State, shown: Square) -> Colouring:
    """Colours and shapes of the drawn points.

    Args:
        choice: ``why`` or ``verdict``.
        judged: As ``suspects.table`` gives it.
        state: The reviews.
        shown: The square.
    """
    ordered = judged.sort_values("row")
    verdict = state.verdict(ordered["sample_id"])
    why = ordered["why"].to_numpy(dtype=object)
    if choice == BY_VERDICT:
        looks = [(kind, *look) for kind, look in _VERDICTS.items()]
        codes = _codes(verdict, list(_VERDICTS))
        looks.append(("suspected, not reviewed", PALETTE[4], "cross"))
        codes[(codes == _GREY) & (why != NONE)] = len(looks) - 1
        rest = "neither suspected nor reviewed"
    else:
        looks = [(suspects.WHY[kind], colour, "circle") for kind, colour in _WHYS.items()]
        looks += [(f"{name}, reviewed", colour, "diamond") for name, colour, _ in looks]
        looks.append(("not suspected, reviewed", PALETTE[2], "diamond"))
        codes = _codes(why, list(_WHYS))
        reviewed = verdict != ""
        codes[reviewed & (codes == _GREY)] = len(looks) - 1
        codes[reviewed & (codes < len(_WHYS))] += len(_WHYS)
        rest = suspects.WHY[NONE]
    counts = np.bincount(codes, minlength=_GREY + 1)
    entries = [Entry(i, name, int(counts[i])) for i, (name, *_) in enumerate(looks) if counts[i]]
    if counts[_GREY]:
        entries.append(Entry(_GREY, rest, int(counts[_GREY])))
    return Colouring(
        codes[shown.drawn],
        [colour for _, colour, _ in looks],
        entries,
        shapes=[shape for *_, shape in looks],
    )


def outline() -> Outline | None:
    """What is outlined on the square, by this session or by a link."""
    selection.of_workspace(OUTLINE, None)
    if OUTLINE not in st.session_state:
        st.session_state[OUTLINE] = parse_outline(st.query_params[OUTLINE])
    chosen: Outline | None = st.session_state[OUTLINE]
    return chosen


def draw(chosen: Outline | None) -> None:
    """Outline something else, or nothing."""
    st.session_state[OUTLINE] = chosen


def remember() -> None:
    """Write what is outlined into the URL."""
    chosen = outline()
    text = None if chosen is None else write_outline(chosen)
    if text is None:
        st.query_params.pop(OUTLINE, None)
    elif st.query_params.get(OUTLINE) != text:
        st.query_params[OUTLINE] = text


def outlined(judged: pd.DataFrame, shown: Square) -> np.ndarray | None:
    """Mask of the rows of ``judged`` that lie in the outline, None where there is none."""
    chosen = outline()
    if chosen is None:
        return None
    within: np.ndarray = inside(shown.places, chosen)[judged["row"].to_numpy()]
    return within


def _codes(values: np.ndarray, kinds: list[str]) -> np.ndarray:
    """uint8 code of each value among the kinds; grey where it is none of them."""
    codes = np.full(len(values), _GREY, np.uint8)
    for code, kind in enumerate(kinds):
        codes[values == kind] = code
    return codes


def _fingerprint(issues: LabelIssues) -> str:
    parts = [
        issues.artefact("issues").manifest.fingerprint,
        issues.run.workspace.artefact("samples").manifest.digest,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]


def _answer(request: Request) -> Response:
    # Not a coroutine: Starlette runs it in a thread, so that reading stops nobody else.
    given = request.path_params
    try:
        workspace = open_workspace(given["workspace"], cache_root())
        issues = open_label_issues(workspace.run(given["run"]), given["issues"])
        if _fingerprint(issues) != given["fingerprint"]:
            raise CacheError(
                "This link belongs to an earlier state of the square. Reload the page it stands on."
            )
        judged = suspects.read(issues)
        shown = square(judged, issues.document("issues")["neighbours"]["k"])
        predicted = judged.sort_values("row")["predicted"].cat.codes.to_numpy()
        content = payload(workspace, shown.places, shown.drawn, predicted)
    except CacheError as error:
        return PlainTextResponse(str(error), 404, {"Cache-Control": "no-store"})
    return Response(content, media_type="application/octet-stream", headers=FOR_GOOD)
