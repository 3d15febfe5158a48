"""Deletion and insertion curves: does a map name the pixels that the model needs?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import live, occluding
from dashboard.occluding import Question
from dashboard.widgets import figures
from dashboard.widgets.messages import notice, plain
from pipelines.methods.colours import PALETTE, POSITIVE_COLOUR

EXACT = "exact"

_WAYS = {
    "deletion": "hidden, the most important first",
    "insertion": "shown, the most important first",
}
_HINT = (
    "The pixels are hidden from the most important one on (deletion), or all are hidden and shown "
    "from the most important one on (insertion). A good map lets the probability fall, or rise, at "
    "once: a small area under the first curve, a large one under the second."
)


def of_image(question: Question, maps: Mapping[str, np.ndarray], stride: int) -> None:
    """Draw the curves of one image.

    Args:
        question: The image and the class that is followed.
        maps: By name, float32 (rows, columns) of that class.
        stride: Pixels from one position of these maps to the next.
    """
    hidden = occluding.hidden(question.run, question.image, question.patch, question.fill)
    found = live.followed(
        question.run, question.image, hidden, np.stack(list(maps.values())), question.of, stride
    )
    lines = {
        "deletion": dict(zip(maps, found.deletion, strict=True)),
        "insertion": dict(zip(maps, found.insertion, strict=True)),
    }
    _draw(found.shares, lines, f"probability of {question.label}", "of this image")
    areas = {"deletion": found.deletion_area, "insertion": found.insertion_area}
    told = [
        f"under {way}: " + ", ".join(f"{plain(n)} {a:.3f}" for n, a in zip(maps, each, strict=True))
        for way, each in areas.items()
    ]
    st.markdown(f"Area {'; '.join(told)}.")
    st.caption(_HINT)


def of_test(document: Mapping[str, Any], areas: pd.DataFrame | None, command: str) -> None:
    """Draw the mean curves over test, and how the areas under those of each image are spread.

    Args:
        document: What the stage wrote about all estimators.
        areas: One row an image and map, see :meth:`cache.occlusion.Occlusion.areas`.
        command: What makes the workspace.
    """
    if "curves" not in document:
        notice(
            "Not followed yet",
            "The estimators were trained by an earlier version, which did not follow them.",
            command=command,
        )
        return
    told = document["curves"]
    if told is None:
        st.caption("No curves were followed: there is no test map that is not flat.")
        return
    lines = {
        way: {name: np.array(each[way]) for name, each in told["maps"].items()} for way in _WAYS
    }
    baselines = [name for name, each in document["estimators"].items() if each["baseline"]]
    up = "mean probability, predicted class"
    _draw(np.array(told["shares"]), lines, up, "over test", baselines)
    st.table(areas_table(told), border="horizontal", hide_index=True)
    boxes = ""
    if areas is not None:
        with st.grid(2, min_column_width=380):
            for way in _WAYS:
                st.plotly_chart(
                    areas_figure(areas, way, baselines),
                    config=figures.CONFIG,
                    key=f"occlusion_{way}_areas",
                    alt=f"Areas under the {way} curves over test, by map: quartiles, 5th and 95th "
                    "percentile",
                )
        boxes = " Each box spans the middle half of the images, whiskers 90 % of them."
    st.caption(
        f"Means over {told['n']:,} of the {told['of']:,} test maps that are not flat, drawn at "
        f"random, with 95 % bootstrap intervals; each map followed on its own image.{boxes}"
    )


def areas_table(told: Mapping[str, Any]) -> pd.DataFrame:
    """One row a map: the mean areas under its curves, as text."""
    rows = [
        (name, _area(each["deletion_area"]), _area(each["insertion_area"]))
        for name, each in told["maps"].items()
    ]
    columns = ["map", "deletion, small is good", "insertion, large is good"]
    return pd.DataFrame(rows, columns=columns)


def areas_figure(areas: pd.DataFrame, way: str, baselines: Collection[str]) -> go.Figure:
    """How the areas under the curves of each map are spread over the images.

    Args:
        areas: See :func:`of_test`.
        way: ``deletion`` or ``insertion``.
        baselines: Names of the maps that are drawn in grey.
    """
    figure = go.Figure()
    names = list(dict.fromkeys(areas["map"]))
    for name, look in zip(names, looks(names, baselines), strict=True):
        values = areas.loc[areas["map"] == name, way].to_numpy(np.float64)
        figures.add_boxes(figure, {name: values}, look["color"], name)
    figures.plain(figure, height=70 + 40 * len(names), legend=False)
    # One box a row, each with the whole of it.
    figure.update_layout(boxmode="overlay")
    figure.update_yaxes(autorange="reversed")
    better = "small is good" if way == "deletion" else "large is good"
    return figure.update_xaxes(title=f"area under {way}, {better}")


def curves_figure(
    shares: np.ndarray,
    lines: Mapping[str, np.ndarray],
    across: str,
    up: str,
    baselines: Collection[str] = (),
) -> go.Figure:
    """Curves of several maps.

    Args:
        shares: Of the pixels, at each step.
        lines: Probabilities by name of the map.
        across: What happens to the pixels.
        up: What is followed.
        baselines: Names of the maps that are drawn in grey.
    """
    figure = go.Figure()
    for (name, values), look in zip(lines.items(), looks(list(lines), baselines), strict=True):
        figure.add_scatter(
            x=shares,
            y=values,
            mode="lines",
            name=name,
            line=look,
            hovertemplate=f"{name}<br>%{{x:.0%}} of the pixels: %{{y:.3f}}<extra></extra>",
        )
    figures.plain(figure, height=300)
    figures.percent_axis(figure, "x", f"pixels {across}")
    top = max(float(values.max()) for values in lines.values())
    return figure.update_yaxes(title=up, range=[-0.02, max(top * 1.06, 0.05)])


def looks(names: Sequence[str], baselines: Collection[str]) -> list[dict[str, Any]]:
    """Line of each map: exact ones first, baselines in grey, estimators in colours."""
    found: list[dict[str, Any]] = []
    greys, colours = iter(("dash", "dot")), iter(PALETTE[1:])
    for name in names:
        if name == EXACT:
            found.append({"color": POSITIVE_COLOUR, "width": 2.5})
        elif name in baselines:
            found.append({"color": figures.NEUTRAL, "width": 1.5, "dash": next(greys, "dashdot")})
        else:
            found.append({"color": next(colours), "width": 2})
    return found


def _draw(
    shares: np.ndarray,
    lines: Mapping[str, Mapping[str, np.ndarray]],
    up: str,
    where: str,
    baselines: Collection[str] = (),
) -> None:
    with st.grid(2, min_column_width=380):
        for way, across in _WAYS.items():
            st.plotly_chart(
                curves_figure(shares, lines[way], across, up, baselines),
                config=figures.CONFIG,
                key=f"occlusion_{way}_{where}",
                alt=f"The {way} curves {where} of {', '.join(lines[way])}",
            )


def _area(told: Mapping[str, float]) -> str:
    return f"{told['value']:.3f} ({told['low']:.3f} to {told['high']:.3f})"
