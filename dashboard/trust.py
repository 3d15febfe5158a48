"""Estimate or verify: which estimated maps are shown, and which exact ones are computed instead.

Two trainings of one estimator draw every map; how far they are apart says, without the exact map,
how far to trust the first. The pipelines choose on val up to where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import estimates, occlusion_controls
from dashboard.estimates import Estimator
from dashboard.occluding import Question
from dashboard.widgets import figures
from dashboard.widgets.marks import WRONG
from dashboard.widgets.messages import notice, plain
from pipelines.methods import number
from pipelines.methods.colours import POSITIVE_COLOUR
from pipelines.methods.occlusion import risk

MAPS: Final = "maps"

EXACT, IF_TRUSTED = "exact", "estimate if trusted"


@dataclass(frozen=True)
class Verdict:
    """Whether an estimate is shown.

    Attributes:
        drawn: float32 (rows, columns), by the first training.
        score: Mean absolute difference from what the second one draws.
        trusted: Whether the estimate is shown, and no exact map computed.
        took: Milliseconds that both took.
        why: What was decided, and why, in Markdown.
    """

    drawn: np.ndarray
    score: float
    trusted: bool
    took: float
    why: str


def choose() -> bool:
    """Draw the choice of the maps: whether estimates are shown where they can be trusted."""
    chosen = st.segmented_control(
        "Maps",
        [EXACT, IF_TRUSTED],
        default=EXACT,
        required=True,
        key=MAPS,
        bind="query-params",
        help="An estimate takes one pass. Where two trainings of the estimator agree it is shown; "
        "where they do not, the exact map is computed.",
    )
    return chosen == IF_TRUSTED


def ask(estimator: Estimator, image: np.ndarray, asked: int, predicted: int) -> Verdict:
    """Draw a map twice, and say whether to trust it.

    Args:
        estimator: One that was trained twice.
        image: float32 (height, width, channels) as the model reads it.
        asked: Class whose map is drawn.
        predicted: Class that the model predicts, of whose maps the bound was chosen.
    """
    verify = estimator.verify
    assert verify is not None, "it was trained twice"
    one, first = estimates.drawn_by(estimator, image, asked)
    other, second = estimates.drawn_by(estimator, image, asked, second=True)
    score = float(risk.disagreement(one[None], other[None])[0])
    trusted, why = _decide(plain(estimator.name), verify, score, asked == predicted)
    return Verdict(one, score, trusted, first + second, why)


def headline(verdict: Verdict, label: str, clean: float, patch: int) -> str:
    """The sentence that the page opens with where an estimate is shown, in Markdown.

    Args:
        verdict: What was decided.
        label: Name of the class that is asked for.
        clean: Its probability on the whole image.
        patch: Side of the patch.
    """
    row, column = np.unravel_index(int(verdict.drawn.argmin()), verdict.drawn.shape)
    return (
        f"By a trusted estimate, hiding {patch} × {patch} pixels takes {plain(label)} from "
        f"{number.percent(clean)} to {number.percent(float(verdict.drawn.min()))} at worst, at row "
        f"{row}, column {column} of the map."
    )


def without(known: list[Estimator]) -> str:
    """Why exact maps are shown where estimates were asked for, in Markdown.

    Args:
        known: The estimators of these maps.
    """
    return "**The exact map was computed**: " + (
        "no estimator of these maps was trained twice, see *Trust* below."
        if known
        else "no network has learnt to draw maps of this patch, see *Trust* below."
    )


def show(question: Question, known: list[Estimator]) -> None:
    """Draw how far estimates can be trusted.

    Args:
        question: What is asked.
        known: The estimators of such maps, those that can be verified first.
    """
    if not known or known[0].verify is None:
        _missing(question, known)
        return
    estimator, verify = known[0], known[0].verify
    st.markdown(finding(estimator.name, verify))
    with st.grid(2, min_column_width=420):
        st.plotly_chart(
            risk_figure(verify),
            config=figures.CONFIG,
            key="occlusion_risk",
            alt="Mean absolute error of the estimates against the share of them that is trusted",
        )
        right = st.container()
    with right:
        st.table(shares_table(verify), border="horizontal", hide_index=True)
        st.caption(
            f"{verify['n']['test']:,} test images, the map of the predicted class, flat maps "
            "included; error: mean absolute error of the probability over the positions, with "
            "95 % intervals. The bound was chosen on "
            f"{verify['n']['val']:,} val images, so that the trusted ones there are off by at most "
            f"{verify['wanted']:.4f} on average, half the error of all."
        )


def finding(name: str, verify: dict[str, Any]) -> str:
    """What the bound does on test, in Markdown.

    Args:
        name: Of the estimator.
        verify: What the stage wrote about it.
    """
    start = f"Two trainings of **{plain(name)}** draw each map; "
    if verify["bound"] is None:
        said = (
            "no bound on how far they are apart brings the error on val down to half, so that "
            "every exact map is computed."
        )
    else:
        accepted, error = verify["accepted"], verify["error"]
        off = f", {error['value']:.4f} off on average" if error["n"] else ""
        said = (
            f"where they are at most **{verify['bound']:.4f}** apart, the estimate is trusted: on "
            f"test **{number.percent(accepted['value'])}** of the images{off}."
        )
    if verify["gain"] is None:
        return start + said
    return (
        f"{start}{said} Their disagreement puts the images in an order that gains "
        f"{number.percent(verify['gain'], 0)} of what the best order would over a random one."
    )


def shares_table(verify: dict[str, Any]) -> pd.DataFrame:
    """The images that are trusted, the rest and all: their share and their error, as text."""
    accepted, error, rest = (verify[name] for name in ("accepted", "error", "error_of_rest"))
    share = number.percent(accepted["value"])
    rows = [
        ("trusted", f"{share} ({_ends(accepted)})", _error(error)),
        ("the rest", number.percent(1 - accepted["value"]), _error(rest)),
        ("all", number.percent(1.0), f"{verify['random']:.4f}"),
    ]
    return pd.DataFrame(rows, columns=["estimates", "share of test", "error"])


def risk_figure(verify: dict[str, Any]) -> go.Figure:
    """Error among the images that are trusted, against their share.

    Args:
        verify: What the stage wrote about an estimator.
    """
    figure = go.Figure()
    share = verify["coverage"]
    lines: list[tuple[str, list[float], dict[str, Any]]] = [
        (
            "random order",
            [verify["random"]] * len(share),
            {"color": figures.NEUTRAL, "dash": "dash", "width": 1.5},
        ),
        (
            "best order, by the error itself",
            verify["best_risk"],
            {"color": figures.NEUTRAL, "dash": "dot", "width": 1.5},
        ),
        ("by disagreement", verify["risk"], {"color": POSITIVE_COLOUR, "width": 2.5}),
    ]
    for name, values, look in lines:
        figure.add_scatter(
            x=share,
            y=values,
            mode="lines",
            line=look,
            name=name,
            hovertemplate=f"{name}<br>%{{x:.0%}} trusted: error %{{y:.4f}}<extra></extra>",
        )
    accepted, error = verify["accepted"], verify["error"]
    if verify["bound"] is not None and error["n"]:
        figure.add_scatter(
            x=[accepted["value"]],
            y=[error["value"]],
            error_x=_bars(accepted),
            error_y=_bars(error),
            mode="markers",
            marker={"color": WRONG.colour, "size": 10, "symbol": "diamond"},
            name="the bound",
            hovertemplate="the bound<br>%{x:.1%} trusted: error %{y:.4f}<extra></extra>",
        )
    figures.plain(figure, height=340)
    figures.percent_axis(figure, "x", "share of the test images that is trusted")
    return figure.update_yaxes(title="mean absolute error", rangemode="tozero")


def _decide(
    name: str, verify: dict[str, Any], score: float, of_predicted: bool
) -> tuple[bool, str]:
    bound, apart = verify["bound"], f"two trainings of {name} are {score:.4f} apart"
    if not of_predicted:
        reason = "the bound was chosen on maps of the predicted class, and another one is asked for"
    elif bound is None:
        reason = "no bound keeps the error low enough on val, so that no estimate is trusted"
    elif score > bound:
        reason = f"{apart}, more than the bound of {bound:.4f}"
    else:
        error = verify["error"]
        off = f"; such estimates are {error['value']:.4f} off on test" if error["n"] else ""
        reason = f"{apart}, within the bound of {bound:.4f}{off}. No exact map was computed."
        return True, f"**The estimate is trusted**: {reason}"
    return False, f"**The exact map was computed**: {reason}."


def no_network(question: Question) -> None:
    """Say that no network draws the maps that are asked for, and how to get one."""
    run, fill = question.run, "0" if question.fill == "black" else question.fill
    maps = f"patch: {question.patch}, stride: {question.stride}, fill: {fill}"
    notice(
        "No network draws these maps",
        "Name one in the recipe. It learns maps of one patch, one stride and one fill. Trained "
        "twice (repeats: 2), it can be verified: an estimate of the first training is trusted "
        "where the second one draws nearly the same.",
        command=f"{run.workspace.command} --set 'runs.{run.name}.occlusion.patch{question.patch}="
        f"{{{maps}, estimators: {{unet: {{repeats: 2}}}}}}'",
    )
    for occlusion, patch, stride, shown in estimates.drawn_maps(run):
        st.button(
            f"Maps that a network draws: patch {patch}, stride {stride}, {shown}",
            key=f"occlusion_drawn_{occlusion.name}",
            icon=":material/draw:",
            on_click=occlusion_controls.choose,
            args=(patch, stride, shown),
        )


def _missing(question: Question, known: list[Estimator]) -> None:
    if not known:
        no_network(question)
        return
    run, occlusion = question.run, known[0].occlusion
    notice(
        "No estimator of these maps was trained twice",
        "What a second training would have drawn says, without the exact map, how far to trust "
        "the first. Train an estimator twice; val and test need maps, for the bound is chosen on "
        "one and reported on the other.",
        command=f"{run.workspace.command} --set runs.{run.name}.occlusion.{occlusion.name}."
        f"estimators.{known[0].name}.repeats=2",
    )


def _ends(told: dict[str, float]) -> str:
    return number.interval(told["low"], told["high"])


def _error(told: dict[str, float]) -> str:
    if not told["n"]:
        return number.UNKNOWN
    return f"{told['value']:.4f} ({told['low']:.4f} to {told['high']:.4f})"


def _bars(told: dict[str, float]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [told["high"] - told["value"]],
        "arrayminus": [told["value"] - told["low"]],
        "color": WRONG.colour,
        "thickness": 1.5,
        "width": 4,
    }
