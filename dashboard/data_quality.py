"""What else may be wrong with the data than its labels: pairs, groups, odd images, slices."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import streamlit as st

from cache import SPLITS, Workspace, belonging
from cache.issues import LabelIssues
from dashboard import data, embedding_data, review_ways, selection
from dashboard.conditions import label as column_label
from dashboard.images import thumbnail_url
from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.messages import notice, plain, told
from dashboard.widgets.viewer import SMALL
from pipelines.methods import data_faults, number, sample_counts
from pipelines.methods.intervals import Rate
from pipelines.methods.oddities import ODDITIES

KIND: Final = "odd_kind"

_PAIRS_A_PAGE: Final = 12
_GROUPS_A_PAGE: Final = 6
_TILES_A_GROUP: Final = 12
_TILES_A_PAGE: Final = 40
_SLICES_A_PAGE: Final = 20


def show(issues: LabelIssues, view: str) -> None:
    """Draw everything that the stage ``quality`` found.

    Args:
        issues: The label issues that it stands beside.
        view: What of the images is shown.
    """
    workspace, artefact = issues.run.workspace, issues.artefact("quality")
    if not artefact.exists:
        notice(
            "Not looked at yet",
            "Duplicates, crossing groups, odd images and slices out of line are found by the stage "
            "'quality'.",
            command=workspace.command,
        )
        return
    with told():
        belonging.check_inputs(artefact, workspace, f"The data quality beside '{issues.name}'")
        document, table = issues.document("quality"), issues.quality()
        st.markdown(data_faults.finding(document))
        _show_pairs(issues, document, view)
        _show_groups(issues, table, view)
        _show_odd(issues, table, document, view)
        _show_slices(document)


def slice_table(slices: list[dict[str, Any]]) -> pd.DataFrame:
    """Slices as text, one row each.

    Args:
        slices: As the stage ``quality`` wrote them.
    """
    return pd.DataFrame(
        {
            "column": [plain(column_label(each["column"])) for each in slices],
            "value": [plain(each["value"]) or "(empty)" for each in slices],
            "errors": [number.rate(Rate(**each["errors"])) for each in slices],
            "all others": [number.rate(Rate(**each["others"])) for each in slices],
            "adjusted p": [number.p_value(each["p_value"]) for each in slices],
            "out of line": [data_faults.outlying(each) for each in slices],
        }
    )


def _show_pairs(issues: LabelIssues, document: dict[str, Any], view: str) -> None:
    pairs = issues.duplicates()
    st.subheader("Duplicates", anchor=False)
    nearly = plain(data_faults.nearly(document))
    if pairs.empty:
        st.caption(f"None found. {nearly}")
        return
    page = page_of(range(len(pairs)), key="pairs_page", per_page=_PAIRS_A_PAGE)
    st.caption(
        f"Shown: {page.caption}; conflicting labels first, then those across splits. {nearly}"
    )
    with st.grid(4, min_column_width=230):
        for place in page.items:
            with st.container():
                _show_pair(issues, view, pairs.iloc[place], f"pair_{place}")


def _show_pair(issues: LabelIssues, view: str, pair: pd.Series, key: str) -> None:
    notes = [f"**{'Identical' if pair['kind'] == 'exact' else 'Nearly the same'}**"]
    if pair["label"] != pair["other_label"]:
        notes.append(":material/warning: labels differ")
    if pair["split"] != pair["other_split"]:
        notes.append(":material/call_split: across splits")
    st.markdown(" · ".join(notes))
    rows = pd.DataFrame(
        {
            "sample_id": [pair["sample_id"], pair["other"]],
            "label": [pair["label"], pair["other_label"]],
            "split": [pair["split"], pair["other_split"]],
            "note": ["", ""],
        }
    )
    _gallery(issues, view, rows, key, "Two images that are the same, or nearly")


def _show_groups(issues: LabelIssues, table: pd.DataFrame, view: str) -> None:
    """Draw the groups that cross splits, each with its images."""
    samples = data.samples(issues.run.workspace)
    if samples["group"].isna().all():
        return
    st.subheader("Groups in more than one split", anchor=False)
    crossing = samples[samples["sample_id"].isin(table["sample_id"][table["crosses"]])]
    groups = sample_counts.crossing_groups(crossing)
    if groups.empty:
        st.caption("No group has images in more than one split.")
        return
    page = page_of(range(len(groups)), key="crossing_page", per_page=_GROUPS_A_PAGE)
    st.caption(
        f"Shown: {page.caption}; the largest first. A model that has seen others of a group in "
        "train may know its images on val and test: figures of a run are given without them too."
    )
    with st.grid(2, min_column_width=340):
        for place in page.items:
            with st.container():
                _show_group(issues, view, groups.iloc[place], crossing, f"group_{place}")


def _show_group(
    issues: LabelIssues, view: str, group: pd.Series, crossing: pd.DataFrame, key: str
) -> None:
    name, images = str(group.name), int(group["images"])
    splits = ", ".join(f"{group[split]:,} in {split}" for split in SPLITS if group[split])
    st.markdown(f"**{plain(name)}**: {number.plural(images, 'image')}, {splits}")
    rows = crossing[crossing["group"] == name].sort_values("split", kind="stable").assign(note="")
    _gallery(issues, view, rows.head(_TILES_A_GROUP), key, f"Images of the group {name}")
    if images > _TILES_A_GROUP:
        st.caption(f"{_TILES_A_GROUP} of {images:,} shown.")


def _show_odd(
    issues: LabelIssues, table: pd.DataFrame, document: dict[str, Any], view: str
) -> None:
    st.subheader("Images out of the ordinary", anchor=False)
    counts = {name: sum(document["odd"][name].values()) for name in ODDITIES}
    there = [name for name in ODDITIES if counts[name]]
    if not there:
        st.caption("No image is constant, dark, bright, blurred or far from the others.")
        return
    if st.session_state.get(KIND) not in there:
        st.session_state[KIND] = there[0]
    kind = st.segmented_control(
        "What is odd",
        there,
        key=KIND,
        bind="query-params",
        required=True,
        format_func=lambda name: f"{name} ({counts[name]:,})",
    )
    if kind is None:
        return
    figure = data_faults.FIGURES[kind]
    rows = table[table[kind]].sort_values(figure, ascending=kind not in ("bright", "outlier"))
    page = page_of(range(len(rows)), key="odd_page", per_page=_TILES_A_PAGE)
    st.caption(
        f"Shown: {page.caption}, {data_faults.MEANS[kind]}. Beyond {document['bound']} by the "
        f"modified z-score of {figure}, which stands below each; the oddest first."
    )
    shown = rows.iloc[page.first - 1 : page.last]
    shown = shown.assign(note=[f"{value:.3g}" for value in shown[figure]])
    _gallery(issues, view, shown, f"odd_{kind}", f"Images that are {kind}")


def _show_slices(document: dict[str, Any]) -> None:
    st.subheader("Slices of the data", anchor=False)
    slices, unsliced = document["slices"], data_faults.unsliced(document)
    if not slices:
        st.caption(
            "No column says where or when images were made: the data has one source, and no "
            "other column tells enough of them apart."
        )
    if unsliced is not None:
        st.caption(plain(unsliced))
    if not slices:
        return
    page = page_of(slices, key="slices_page", per_page=_SLICES_A_PAGE)
    st.table(slice_table(list(page.items)), border="horizontal", hide_index=True)
    st.caption(
        f"Shown: {page.caption}, the least likely by chance first. "
        "Errors are answers out of fold that differ from the label, in all splits. Fisher's exact "
        "test against all other images, adjusted for the number of slices (Holm). Dates are cut "
        "by day, month or year, other numbers into ten parts."
    )


def _gallery(issues: LabelIssues, view: str, rows: pd.DataFrame, key: str, label: str) -> None:
    """Show samples (``sample_id``, ``label``, ``split``, ``note``), and open the one clicked."""
    workspace = issues.run.workspace
    event = gallery(
        [_tile(workspace, row, view) for row in rows.itertuples(index=False)],
        key=key,
        label=label,
        empty="No image.",
        tile_size="small",
        pixelated=max(workspace.dataset.shape or (SMALL + 1,)) <= SMALL,
        selectable=False,
        searchable=embedding_data.searchable(issues.run),
    )
    if event.similar is not None:
        selection.go("similarity", image=event.similar)
    if event.opened is not None:
        review_ways.open_soon(event.opened)


def _tile(workspace: Workspace, row: Any, view: str) -> Tile:
    lines = (str(row.label), row.note) if row.note else (str(row.label),)
    src = thumbnail_url(workspace, row.sample_id, view)
    return Tile(row.sample_id, src, f"{row.label}, {row.split}", title=str(row.split), lines=lines)
