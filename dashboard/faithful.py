"""How faithful estimated maps are: tables, distributions, and the worst and best of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from cache import Run
from dashboard import embedding_data, occlusion_controls, selection
from dashboard.estimates import Estimator
from dashboard.images import thumbnail_url, view_shown
from dashboard.points import SHARP
from dashboard.widgets import figures
from dashboard.widgets.gallery import Tile, gallery
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.colours import POSITIVE_COLOUR
from pipelines.methods.occlusion.fidelity import BETTER_HIGH, fidelity, flat, worst_and_best

MEASURES: Final = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "ssim": "SSIM",
    "iou10": "Overlap of the lowest tenth",
    "mse": "MSE",
    "mae": "MAE",
}

OF_MAPS: Final = "of_maps"
BY: Final = "by"

EXTREMES: Final = 20
"""Images shown of the worst, and of the best."""

_SMALL: Final = ("mse", "mae")
_LEAST: Final = 1e-9


def show_table(document: dict[str, Any]) -> None:
    """Draw the means over test.

    Args:
        document: What the stage wrote about all estimators.
    """
    test = document["test"]
    st.table(fidelity_table(document), border="horizontal", hide_index=True)
    st.caption(
        f"Means over {test['maps'] - test['flat']:,} test maps that are not flat, with 95 % "
        f"bootstrap intervals; {test['flat']:,} flat ones, on which correlations mean nothing, are "
        "left out. The mean map of the predicted class and every third position computed, the rest "
        "interpolated, are the baselines."
    )
    st.caption(f"Mean squared error as the HiTS study defined it: {_study_errors(document)}.")


def of_image(name: str, drawn: np.ndarray, exact: np.ndarray) -> str:
    """Every measure of one estimate, in a line of Markdown.

    Args:
        name: Of the estimator.
        drawn: float32 (rows, columns), the estimate.
        exact: float32 (rows, columns).
    """
    measured = {
        each: float(values[0]) for each, values in fidelity(exact[None], drawn[None]).items()
    }
    is_flat = bool(flat(exact[None])[0])
    shown = [
        f"{title.replace('Overlap', 'overlap')} {measured[each]:.{4 if each in _SMALL else 3}f}"
        for each, title in MEASURES.items()
        if not is_flat or each in _SMALL
    ]
    end = "; the map is flat, correlations mean nothing" if is_flat else ""
    return f"**{plain(name)}** against the exact map: {', '.join(shown)}{end}."


def show_spreads(estimator: Estimator) -> None:
    """Draw how each measure is spread over the test maps, flat ones apart.

    Args:
        estimator: One of those whose maps these are.
    """
    table = of_test(estimator)
    names = list(estimator.document["estimators"])
    with st.grid(3, min_column_width=330):
        for measure, title in MEASURES.items():
            st.plotly_chart(
                spread_figure(table, names, measure),
                config=figures.CONFIG,
                key=f"occlusion_spread_{measure}",
                alt=f"{title} of the test maps by estimator: quartiles, 5th and 95th percentile",
            )
    flat = table.loc[table["flat"], "sample_id"].nunique()
    apart = (
        f"Grey: the {number.plural(flat, 'flat map')}, which have no correlation and no "
        "place of their evidence."
        if flat
        else "None of them is flat."
    )
    st.caption(
        f"Each box spans the middle half of {table['sample_id'].nunique():,} test maps, with the "
        f"median; its whiskers end at the 5th and 95th percentile. {apart}{_of_some(estimator)}"
    )


def show_extremes(run: Run, estimator: Estimator) -> None:
    """Draw the images whose estimates are worst and best; a click shows one on this page.

    Args:
        run: Whose images.
        estimator: The one that is shown at first.
    """
    names = list(estimator.document["estimators"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        selection.of_workspace(OF_MAPS, estimator.name)
        if st.session_state.get(OF_MAPS, estimator.name) not in names:
            st.session_state[OF_MAPS] = estimator.name
        name = st.selectbox("Maps drawn by", names, key=OF_MAPS, bind="query-params", width=230)
        title = st.selectbox("By", list(MEASURES.values()), key=BY, bind="query-params", width=230)
    measure = next(each for each, told in MEASURES.items() if told == title)
    table = of_test(estimator)
    chosen = (table["estimator"] == name) & ~table["flat"] & table[measure].notna()
    there = table[chosen].reset_index(drop=True)
    found = worst_and_best(there[measure].to_numpy(), EXTREMES, better_high=BETTER_HIGH[measure])
    for word, rows in (("Worst", found.worst), ("Best", found.best)):
        st.markdown(f"**{word} {len(rows)}**, {plain(title)}, the {word.lower()} first")
        event = gallery(
            [_tile(run, there.iloc[row], title, measure) for row in rows],
            key=f"occlusion_{word.lower()}",
            label=f"The {len(rows)} maps of {name} that are {word.lower()} by {title}",
            empty="This measure means nothing of any of these maps.",
            tile_size="small",
            pixelated=_pixelated(run),
            selectable=False,
            searchable=embedding_data.searchable(run),
        )
        if event.similar:
            selection.go("similarity", image=event.similar)
        if event.opened:
            occlusion_controls.look_at(event.opened)
    st.caption(
        f"Of the {len(there):,} test maps that are not flat, each of the predicted class, which "
        "stands below. A click shows the image and its map above."
    )


def fidelity_table(document: dict[str, Any]) -> pd.DataFrame:
    """One row an estimator, one column a measure, as text: means over test with intervals."""
    rows = {}
    for name, told in document["estimators"].items():
        means = told["fidelity"]["means"]
        rows[name] = {
            title: _interval(means[measure], measure) for measure, title in MEASURES.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("estimator").reset_index()


def of_test(estimator: Estimator) -> pd.DataFrame:
    """Fidelity of the test maps, one row an image and estimator, with ``label`` and ``predicted``.

    Estimators of one class have a row of each image that is predicted so.

    Args:
        estimator: One of those whose maps these are.
    """
    artefact = estimator.occlusion.artefact("estimators")
    return _of_test(str(artefact.folder), artefact.manifest.fingerprint, estimator)


def spread_figure(table: pd.DataFrame, names: list[str], measure: str) -> go.Figure:
    """Boxes of one measure, one an estimator, flat maps apart.

    Args:
        table: As :func:`of_test` gives it.
        names: Of the estimators, the first on top.
        measure: Key of ``MEASURES``.
    """
    figure = go.Figure()
    ends: list[float] = []
    looks = (
        (False, POSITIVE_COLOUR, "maps that are not flat"),
        (True, figures.NEUTRAL, "flat maps"),
    )
    for of_flat, colour, title in looks:
        values = {name: _values(table, name, measure, of_flat) for name in names}
        ends += figures.add_boxes(figure, values, colour, title) or ()
    figures.plain(figure, height=70 + 40 * len(names), legend=False)
    figure.update_layout(boxmode="group")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title=MEASURES[measure])
    if measure in _SMALL:
        ticks = _ticks(min(ends, default=_LEAST), max(ends, default=1.0))
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{at:g}" for at in ticks])
    return figure


@st.cache_data(max_entries=20, show_spinner="Reading the fidelity of every image …")
def _of_test(folder: str, fingerprint: str, _estimator: Estimator) -> pd.DataFrame:
    mapped = _estimator.occlusion.mapped()
    test = mapped.loc[mapped["split"] == "test", ["sample_id", "label", "predicted"]]
    table = _estimator.occlusion.fidelity().merge(test, on="sample_id")
    only = table["estimator"].map(_only(_estimator))
    return table[only.isna() | (only == table["predicted"].astype("str"))].reset_index(drop=True)


def _only(estimator: Estimator) -> dict[str, str]:
    """The class that each estimator of one class alone is of."""
    told = estimator.document["estimators"].items()
    return {name: each["only"] for name, each in told if each.get("only") is not None}


def _of_some(estimator: Estimator) -> str:
    only = _only(estimator)
    told = ", ".join(f"{plain(name)} of {plain(label)}" for name, label in only.items())
    return f" Estimators of one class alone: {told}." if told else ""


def _values(table: pd.DataFrame, name: str, measure: str, flat: bool) -> np.ndarray:
    rows = (table["estimator"] == name) & (table["flat"] == flat)
    values: np.ndarray = table.loc[rows, measure].to_numpy(np.float64)
    values = values[~np.isnan(values)]
    return np.maximum(values, _LEAST) if measure in _SMALL else values


def _ticks(low: float, high: float) -> list[float]:
    """Round values of a logarithmic axis, a handful between two of them."""
    first, last = (int(np.floor(np.log10(end))) for end in (low, high))
    if last - first < 3:
        return [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 3)]
    return [10.0**power for power in range(last, first - 1, -((last - first + 3) // 4))]


def _tile(run: Run, row: pd.Series, title: str, measure: str) -> Tile:
    value = f"{row[measure]:.{4 if measure in _SMALL else 3}f}"
    right = row["label"] == row["predicted"]
    return Tile(
        id=row["sample_id"],
        src=thumbnail_url(run.workspace, row["sample_id"], view_shown(run)),
        alt=f"{title} {value}: true {row['label']}, predicted {row['predicted']}",
        lines=(value, str(row["predicted"])),
        mark="right" if right else "wrong",
    )


def _pixelated(run: Run) -> bool:
    shape = run.workspace.dataset.shape
    return shape is not None and max(shape[:2]) <= SHARP


def _study_errors(document: dict[str, Any]) -> str:
    told = []
    for name, estimator in document["estimators"].items():
        error = estimator["study_mse"]
        spread = f" ± {error['std']:.5f} over {error['n']} trainings" if error["n"] > 1 else ""
        told.append(f"{plain(name)} {error['mean']:.5f}{spread}")
    return ", ".join(told)


def _interval(mean: dict[str, Any], measure: str) -> str:
    if mean["value"] is None:
        return number.UNKNOWN
    digits = 4 if measure in _SMALL else 3
    low, high = mean["low"], mean["high"]
    return f"{mean['value']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
