"""Shows every widget with made-up data, for the browser tests; ``?show=`` picks one.

``streamlit run tests/browser/playground.py`` shows them to a person too.
"""

from __future__ import annotations

import base64
import time

import numpy as np
import streamlit as st

from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.matrix import MatrixSelection, confusion
from dashboard.widgets.occlusion import Panel, occlusion_maps
from dashboard.widgets.viewer import Overlay, Picture, viewer
from pipelines.methods.pixels import encode

st.set_page_config(page_title="Widgets", layout="wide")

HOSTILE = "<img src=x onerror=alert(1)>.png"


@st.cache_data
def picture_url(seed: int, height: int = 8, width: int = 8) -> str:
    """A small image made up from a seed, as a data URL."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    wave = np.sin(9 * x + seed) * np.cos(7 * y - seed) + 0.3 * rng.standard_normal((height, width))
    pixels = np.clip(128 + 90 * wave, 0, 255).astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(encode(pixels, lossless=True)).decode()


def tile(number: int) -> Tile:
    """A tile of a made-up prediction, every third one wrong."""
    wrong = number % 3 == 0
    return Tile(
        id=f"sample{number:02d}",
        src="/nowhere.png" if number == 5 else picture_url(number),
        alt=f"digit {number % 10}",
        title=HOSTILE if number == 2 else f"digits/{number:04d}",
        lines=(f"true {number % 10}", f"predicted {(number + wrong) % 10}, {60 + number % 40} %"),
        mark="wrong" if wrong else "right",
    )


@st.cache_data
def counts(k: int) -> np.ndarray:
    """Confusions of ``k`` made-up classes: most right, some pairs mixed up, a few mistakes."""
    rng = np.random.default_rng(k)
    matrix = rng.poisson(0.012 if k > 40 else 0.5, (k, k))
    matrix[np.arange(k), np.arange(k)] = rng.integers(30, 60, k)
    for first, second in rng.integers(0, k, (max(1, k // 6), 2)):
        matrix[first, second] += 9
    if k > 40:
        matrix[60:75, 60:75] += rng.poisson(2, (15, 15))
    return matrix


def names(k: int) -> list[str]:
    """Names of ``k`` classes, short for digits and longer beyond."""
    if k == 2:
        return ["NORMAL", "PNEUMONIA"]
    return [str(i) for i in range(k)] if k == 10 else [f"species of plant {i}" for i in range(k)]


def occlusion_values(seed: int, rows: int, columns: int) -> np.ndarray:
    """A made-up map: high but for one dark place, a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns] / max(rows, columns)
    dent = np.exp(-40 * ((x - 0.35 - 0.02 * seed) ** 2 + (y - 0.55) ** 2))
    values = 0.96 - 0.85 * dent + 0.01 * rng.standard_normal((rows, columns))
    return np.asarray(np.clip(values, 0, 1), np.float32)


def step(by: int) -> None:
    """Go on in a list of 38 images."""
    st.session_state["place"] = min(37, max(0, st.session_state["place"] + by))
    st.session_state["region"] = None


show = st.query_params.get("show", "gallery")

if show == "gallery":
    if st.button("Select first"):
        st.session_state["mine"] = ("sample00",)
    numbers = [] if "empty" in st.query_params else list(range(40))
    cut = page_of(numbers, key="page", per_page=30)
    event = gallery(
        [tile(number) for number in cut.items],
        key="gallery",
        label="Made-up digits",
        empty="No image matches these filters. Widen the confidence or choose another class.",
        selected=st.session_state.get("mine", ()),
        pixelated=True,
    )
    st.session_state["mine"] = event.selected
    if event.opened:
        st.session_state["opened"] = [*st.session_state.get("opened", []), event.opened]
    st.text(f"shown: {cut.caption}")
    st.text(f"selected: {' '.join(event.selected)}")
    st.text(f"opened: {' '.join(st.session_state.get('opened', []))}")

elif show == "matrix":
    k = int(st.query_params.get("k", 10))
    left, right = st.columns(2)
    normalise = left.segmented_control(
        "Show", ["counts", "row", "column"], default="counts", key="by", required=True
    )
    hide = right.toggle("Hide the diagonal", key="hide")
    chosen = confusion(
        counts(k),
        names(k),
        key="matrix",
        label=f"Confusion matrix of {k} classes",
        normalise=normalise,
        hide_diagonal=hide,
        selected=st.session_state.get("cell", MatrixSelection()),
    )
    st.session_state["cell"] = chosen.selected
    st.text(f"cell: {chosen.selected.true} {chosen.selected.predicted}")

elif show == "viewer":
    place = st.session_state.setdefault("place", 2)
    if st.session_state.get("gone"):
        st.text("viewer: closed")
        if not st.button("Open again"):
            # So long the viewer stays on the page, for what was drawn before goes when a run ends.
            time.sleep(0.5)
            st.stop()
        st.session_state["gone"] = False
        st.rerun()
    large = "large" in st.query_params
    height, width = (900, 1400) if large else (8, 8)
    laid = None
    if "map" in st.query_params:
        # Of a model that reads images half as large.
        says = f"Probability of {place} with the patch there"
        laid = Overlay(occlusion_values(place, 4, 4), 4, 4, 1, 1, 0.97, (0.0, 1.0), says)
    event = viewer(
        Picture(picture_url(place, height, width), width, height, f"digit {place}", f"no. {place}"),
        key="viewer",
        index=place,
        total=38,
        picker=True,
        region=st.session_state.get("region"),
        preload=[picture_url(place + 1, height, width)],
        overlay=laid,
        step=step,
    )
    if "slow" in st.query_params:
        # Time enough for the next key to break the run off.
        time.sleep(0.4)
    st.session_state["region"] = event.region
    if event.closed:
        # The browser hears of it before the viewer goes, as it may.
        time.sleep(0.2)
        st.session_state["gone"] = True
        st.rerun()
    st.text_input("A field", key="field")
    st.text(f"place: {place}")
    st.text(f"region: {event.region}")

elif show == "occlusion":
    place = st.session_state.setdefault("place", 2)
    large = "large" in st.query_params
    height, width = (180, 240) if large else (21, 21)
    stride = int(st.query_params.get("stride", 8 if large else 1))
    exact = occlusion_values(place, -(-height // stride), -(-width // stride))
    estimate = 0.9 * exact + 0.04
    if "unfinished" in st.query_params:
        exact[len(exact) // 2 :] = np.nan
    if st.toggle("Inverted", key="inverted"):
        exact = 1 - exact
    occlusion_maps(
        "/nowhere.png" if "lost" in st.query_params else picture_url(place, height, width),
        width,
        height,
        [
            Panel("Exact", exact, "probability", f"0.06 ms, all {exact.size:,} positions"),
            Panel("Estimate", estimate, "probability", "0.21 ms, one pass of the network"),
            Panel("Difference", estimate - exact, "difference", "estimate less exact"),
        ],
        key="occlusion",
        label=f"Occlusion maps of digit {place}",
        patch=16 if large else 3,
        stride=stride,
        clean=0.97,
        scale=(0.0, 1.0),
        hidden="#000",
        pixelated=not large,
        index=place,
        total=38,
        step=step,
    )
    st.text_input("A field", key="field")
    st.text(f"place: {place}")
