"""Kinds of maps: what those of a class look like, and how often the run is wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run
from cache.occlusion import Occlusion, occlusions
from dashboard import data, embedding_data, evidence, images, narrowing, occluding, selection
from dashboard.points import SHARP
from dashboard.widgets.gallery import Tile, gallery, page_of, start_over
from dashboard.widgets.messages import notice, plain, told
from pipelines.methods import number
from pipelines.methods.intervals import Rate, rate
from pipelines.methods.painting import painted

MAPS_OF = "look_maps"
CLASS = "look_class"
LOOK = "look_kind"
PAGE = "look_page"
MAPS = "looks_maps"
GALLERY = "looks_gallery"
PER_PAGE = 24

_BAR = 128


@dataclass(frozen=True)
class Kind:
    """One kind of map of a predicted class, in one split.

    Attributes:
        name: What it is called: ``kind 1``, or ``flat map``.
        maps: How many maps of all splits it has.
        rows: Its images of the split: what :func:`members` gives, mistakes first.
        wrong: Share of these that are wrong.
        mean: float32 (rows, columns), the mean map; None for flat ones.
    """

    name: str
    maps: int
    rows: pd.DataFrame
    wrong: Rate
    mean: np.ndarray | None


def show(run: Run) -> None:
    """Draw the kinds of maps of a class that is chosen here, and the images of one of them.

    Args:
        run: Whose maps.
    """
    offered = [each for each in occlusions(run) if each.artefact("exact").exists]
    if not offered:
        notice(
            "No maps are kept",
            f"The recipe keeps no occlusion maps of '{run.name}', or they are not made yet. Name "
            f"some under runs.{run.name}.occlusion, for instance 'patch3: {{patch: 3}}', then make "
            "them.",
            command=run.workspace.command,
        )
        return
    with told():
        _show(run, offered)


def members(run: Run, occlusion: Occlusion) -> pd.DataFrame:
    """One row an image that has a map: its answer (columns of ``data.answers``), ``map_look`` and
    the other columns of :mod:`dashboard.evidence`, whatever the maps are called.

    Raises:
        CorruptArtefactError: The maps were made from something else than what is there now.
        MissingArtefactError: They were made by a version that did not describe them.
    """
    columns, _ = evidence.columns_of(occlusion)
    table = data.answers(run).assign(**{str(name): columns[name].array for name in columns})
    return table[table[evidence.LOOK].notna()]


def kinds(occlusion: Occlusion, table: pd.DataFrame, label: str, split: str) -> list[Kind]:
    """The kinds of maps of the images predicted as one class, flat ones last.

    Args:
        occlusion: The maps.
        table: What :func:`members` gives.
        label: Name of the class.
        split: Whose images are counted; the kinds were found in all splits together.
    """
    mine = table[(table["predicted"] == label).to_numpy()]
    means: Sequence[np.ndarray | None] = [*occlusion.looks(label), None]
    found = []
    for look, mean in enumerate(means):
        name = evidence.kind_name(-1 if mean is None else look)
        its = mine[(mine[evidence.LOOK] == name).to_numpy()]
        if len(its):
            rows = its[(its["split"] == split).to_numpy()]
            # Mistakes first, the surest answers first among them.
            rows = rows.sort_values(["correct", "confidence"], ascending=[True, False])
            wrong = rate(int((~rows["correct"]).sum()), len(rows))
            found.append(Kind(name, len(its), rows, wrong, mean))
    return found


def finding(found: Sequence[Kind], label: str, split: str) -> str:
    """Where the mistakes are, in Markdown.

    Args:
        found: All kinds of a class.
        label: Name of the class.
        split: Whose images are counted.
    """
    n = sum(kind.wrong.n for kind in found)
    count = sum(kind.wrong.count or 0 for kind in found)
    start = (
        f"Of {number.plural(n, f'{split} image')} with a map that are predicted as "
        f"**{plain(label)}**, {count:,} {'is' if count == 1 else 'are'} wrong"
    )
    if not count:
        return f"{start}."
    # By the lower end: one mistake in one image says little.
    worst = max(found, key=lambda kind: kind.wrong.low if kind.wrong.n else -1.0)
    what = "is flat" if worst.mean is None else f"is of **{worst.name}**"
    return f"{start}; most often where the map {what}: {number.rate(worst.wrong)}."


def _show(run: Run, offered: Sequence[Occlusion]) -> None:
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    with controls:
        occlusion = _choose_maps(offered)
    table = members(run, occlusion)
    with controls:
        label = _choose_class(run, table)
        split = selection.choose_split(data.splits_of(run.workspace))
    found = kinds(occlusion, table, label, split)
    if not found:
        notice("No map of this class", f"No image with a map is predicted as {label}.")
        return
    st.markdown(finding(found, label, split))
    names = [kind.name for kind in found]
    means = [kind.mean for kind in found if kind.mean is not None]
    if means:
        scale = occluding.scale(means, [0.0, float(max(mean.max() for mean in means))])
        event = gallery(
            [_tile(kind, scale, split) for kind in found if kind.mean is not None],
            key=MAPS,
            label=f"Mean map of each kind of map of the images predicted as {label}",
            empty="",
            pixelated=max(means[0].shape) <= SHARP,
            selectable=False,
        )
        if event.opened in names:
            st.session_state[LOOK] = event.opened
        _show_bar(scale, label)
    _show_table(found, split)
    kind = _choose_kind(found)
    _show_images(occlusion, kind, label, split)


def _choose_maps(offered: Sequence[Occlusion]) -> Occlusion:
    if len(offered) == 1:
        return offered[0]
    by_name = {each.name: each for each in offered}
    selection.of_workspace(MAPS_OF, offered[0].name)
    if st.session_state.get(MAPS_OF, offered[0].name) not in by_name:
        st.session_state[MAPS_OF] = offered[0].name
    return by_name[st.selectbox("Maps", list(by_name), key=MAPS_OF, bind="query-params", width=160)]


def _choose_class(run: Run, table: pd.DataFrame) -> str:
    there = set(table["predicted"].astype("str"))
    classes = [name for name in run.workspace.dataset.classes if name in there]
    selection.of_workspace(CLASS, classes[0])
    if st.session_state.get(CLASS, classes[0]) not in classes:
        st.session_state[CLASS] = classes[0]
    return st.selectbox("Predicted class", classes, key=CLASS, bind="query-params", width=230)


def _choose_kind(found: Sequence[Kind]) -> Kind:
    by_name = {kind.name: kind for kind in found}
    first = next(iter(by_name))
    selection.of_workspace(LOOK, first)
    if st.session_state.get(LOOK, first) not in by_name:
        st.session_state[LOOK] = first
    chosen = st.segmented_control(
        "Images of", list(by_name), required=True, key=LOOK, bind="query-params"
    )
    return by_name[chosen or first]


def _tile(kind: Kind, scale: tuple[float, float], split: str) -> Tile:
    assert kind.mean is not None, "a tile shows a mean map"
    share = number.percent(kind.wrong.value) if kind.wrong.n else number.UNKNOWN
    return Tile(
        id=kind.name,
        src=painted(kind.mean, scale),
        alt=f"Mean map of {kind.name}: show its images",
        title=kind.name,
        lines=(f"{share} wrong", f"of {kind.wrong.n:,} {split}"),
    )


def _show_bar(scale: tuple[float, float], label: str) -> None:
    low, high = scale
    ramp = np.linspace(low, high, _BAR)[None].repeat(8, axis=0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{low:.2f}", width="content")
        st.image(painted(ramp, scale), width=_BAR, output_format="PNG")
        st.caption(f"{high:.2f}", width="content")
    st.caption(
        f"Mean probability of {plain(label)} with the patch there: low is where the model needs "
        "the image. A click on a map shows its images."
    )


def _show_table(found: Sequence[Kind], split: str) -> None:
    table = pd.DataFrame(
        {
            "kind": [kind.name for kind in found],
            "maps": [number.count(kind.maps) for kind in found],
            f"{split} images": [number.count(kind.wrong.n) for kind in found],
            "wrong": [number.count(kind.wrong.count or 0) for kind in found],
            "error rate (95 %)": [number.short_rate(kind.wrong) for kind in found],
            "evidence at the border": [_mean(kind, evidence.BORDER) for kind in found],
            "largest drop": [_mean(kind, evidence.DROP) for kind in found],
        }
    )
    st.table(table, border="horizontal", hide_index=True, alt="Each kind of map in numbers")


def _mean(kind: Kind, column: str) -> str:
    known = kind.rows[column].dropna()
    return f"{known.mean():.2f}" if len(known) else number.UNKNOWN


def _show_images(occlusion: Occlusion, kind: Kind, label: str, split: str) -> None:
    run = occlusion.run
    looked_at = (run.workspace.name, run.name, occlusion.name, label, split, kind.name)
    start_over(PAGE, looked_at)
    page = page_of(kind.rows["sample_id"].tolist(), key=PAGE, per_page=PER_PAGE)
    shown = kind.rows.iloc[max(0, page.first - 1) : page.last]
    event = gallery(
        [_image(run, sample) for _, sample in shown.iterrows()],
        key=GALLERY,
        label=f"{split} images predicted as {label} whose map is of {kind.name}",
        empty=f"No {split} image has a map of this kind.",
        tile_size="small",
        pixelated=bool(len(shown)) and int(shown[["width", "height"]].to_numpy().max()) <= SHARP,
        selectable=False,
        searchable=embedding_data.searchable(run),
    )
    if event.similar:
        selection.go("similarity", image=event.similar)
    if event.opened:
        selection.open_image(event.opened)
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"Shown: {page.caption}, mistakes first, then the surest. A click opens an image above."
        )
        st.button(
            "Among the errors",
            key="looks_to_errors",
            icon=":material/rule:",
            type="tertiary",
            disabled=not len(kind.rows),
            on_click=_to_errors,
            args=(evidence.column(occlusion, evidence.LOOK), kind.name, label, split),
        )


def _image(run: Run, sample: pd.Series) -> Tile:
    return Tile(
        id=sample["sample_id"],
        src=images.thumbnail_url(run.workspace, sample["sample_id"], images.view_shown(run)),
        alt=f"{sample['split']} image, true {sample['label']}: show its maps",
        title=number.percent(float(sample["confidence"]), 0),
        lines=(f"true {sample['label']}",),
        mark="right" if sample["correct"] else "wrong",
    )


def _to_errors(column: str, kind: str, label: str, split: str) -> None:
    """Show the images of a kind of map on the page Errors."""
    narrowing.show_only([], [label])
    link = {narrowing.PREDICTED: label, narrowing.ANSWER: "all", column: kind}
    selection.go("errors", state={selection.SPLIT: split}, link=link)
