"""Where the evidence of a run's answers lies: its occlusion maps as columns of the samples.

The columns are called ``map_border`` and so on. Those of the first maps of the recipe have no
further name; those of others end in theirs: ``map_border_patch7``.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run, Workspace, belonging
from cache.errors import CacheError, RunNotFoundError
from cache.occlusion import Occlusion, occlusions
from dashboard import data, selection

PREFIX: Final = "map_"
BORDER: Final = "map_border"
DROP: Final = "map_drop"
LOOK: Final = "map_look"
FLAT: Final = "flat map"

ABSENT: Final = "no map, or a flat one"
"""What an image without a value has."""

_SAID: Final = {
    "border": (
        "evidence at the border",
        "Share of what hiding the image costs that lies in the outer tenth of each side of the "
        "map, from 0 to 1.",
    ),
    "spread": (
        "evidence spread",
        "Mean distance of the evidence from its centre, as a share of the diagonal: 0 where all "
        "is in one place.",
    ),
    "top_tenth": (
        "evidence in the top tenth",
        "Share of the evidence in the most important tenth of the positions: 1 where it is "
        "nowhere else, 0.1 where it is everywhere.",
    ),
    "drop": (
        "largest drop",
        "What hiding the worst place takes from the probability of the predicted class.",
    ),
    "across": ("centre of evidence, across", "0 at the left of the image, 1 at its right."),
    "down": ("centre of evidence, down", "0 at the top of the image, 1 at its bottom."),
    "look": (
        "kind of map",
        "Groups of maps that look alike, counted within each predicted class: the page Occlusion "
        "shows them.",
    ),
}

_COLUMN: Final = re.compile(rf"{PREFIX}({'|'.join(_SAID)})(?:_(.+))?")


@dataclass(frozen=True)
class Evidence:
    """What the maps of a run say of the samples.

    Attributes:
        columns: One row a sample, in their order; nan where an image has no map, and, but for the
            drop, where its map is flat.
        even: Share of the border if the evidence were spread evenly, by column.
        origin: Where the columns come from, as plain text; empty where there are none.
        refused: Why maps that are there do not count, as plain text.
    """

    columns: pd.DataFrame
    even: dict[str, float]
    origin: str
    refused: tuple[str, ...]


def of(run: Run) -> Evidence:
    """What the maps of a run say of the samples of its workspace.

    Maps made from other predictions or samples than those there now are refused, and so are those
    of a version that did not describe them.
    """
    workspace = run.workspace
    index = pd.RangeIndex(sum(data.split_counts(workspace).values()))
    tables, even, names, refused = [], {}, [], []
    for occlusion in occlusions(run):
        if not occlusion.artefact("exact").exists:
            continue
        try:
            table, border = columns_of(occlusion)
            tables.append(
                table.rename(columns={each: column(occlusion, str(each)) for each in table})
            )
            even[column(occlusion, BORDER)] = border
            names.append(occlusion.name)
        except CacheError as error:
            refused.append(str(error))
    columns = pd.concat(tables, axis=1) if tables else pd.DataFrame(index=index)
    origin = f"the occlusion maps {' and '.join(names)} of the run {run.name}" if names else ""
    return Evidence(columns, even, origin, tuple(refused))


def of_selected(workspace: Workspace) -> Evidence:
    """What the maps of the selected run say; of no run where none is selected."""
    with contextlib.suppress(RunNotFoundError):
        # The page is not about a run: a link may name one that is gone.
        if workspace.runs():
            return of(selection.run())
    return Evidence(pd.DataFrame(), {}, "", ())


def joined(table: pd.DataFrame, found: Evidence) -> pd.DataFrame:
    """A table of all samples, in their order, with the columns of a run's maps."""
    columns = found.columns
    return table.assign(**{str(name): columns[name].array for name in columns})


def columns_of(occlusion: Occlusion) -> tuple[pd.DataFrame, float]:
    """What some maps say: one row a sample, in their order, columns without the name of the maps;
    and the share of the border if the evidence were spread evenly.

    Raises:
        MissingArtefactError: They have not been made yet, or by a version that did not describe
            them.
        CorruptArtefactError: What they were made from has been made anew since.
    """
    artefact = occlusion.artefact("exact")
    what = f"The artefact 'exact' of the occlusion maps '{occlusion.name}'"
    belonging.check_inputs(artefact, occlusion.run.workspace, what)
    table, border = _columns(str(artefact.folder), artefact.manifest.fingerprint, occlusion)
    return table.copy(deep=False), border


def column(occlusion: Occlusion, stem: str) -> str:
    """Name of a column of some maps: ``map_border``, or ``map_border_patch7`` of further ones."""
    first = occlusions(occlusion.run)[0].name == occlusion.name
    return stem if first else f"{stem}_{occlusion.name}"


def covered(table: pd.DataFrame, column: str) -> np.ndarray:
    """Which samples have a map of those that a column comes from, bool (n,)."""
    _, name = _parts(column)
    return table[DROP + (f"_{name}" if name else "")].notna().to_numpy()


def is_of_map(column: str) -> bool:
    """Whether a column of the samples comes from occlusion maps."""
    return _COLUMN.fullmatch(column) is not None


def label(column: str) -> str:
    """``map_border_patch7`` as ``evidence at the border, patch7``."""
    stem, name = _parts(column)
    return _SAID[stem][0] + (f", {name}" if name else "")


def meaning(column: str) -> str:
    """What a column says, in a sentence."""
    return _SAID[_parts(column)[0]][1]


def told(sample: pd.Series, column: str) -> str:
    """What a column holds for a sample, in a few words: ``border 0.41``."""
    value = float(sample[column])
    short = _parts(column)[0].replace("_", " ")
    return "no map" if np.isnan(value) else f"{short} {value:.2f}"


def kind_name(look: int) -> str:
    """What a kind of map is called; -1 stands for flat ones."""
    return FLAT if look < 0 else f"kind {look + 1}"


def _parts(column: str) -> tuple[str, str | None]:
    match = _COLUMN.fullmatch(column)
    if match is None:
        raise ValueError(
            f"A column of occlusion maps is called '{PREFIX}' and one of {', '.join(_SAID)}. "
            f"Received: '{column}'."
        )
    return match[1], match[2]


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner="Reading the maps …")
def _columns(folder: str, fingerprint: str, _occlusion: Occlusion) -> tuple[pd.DataFrame, float]:
    described, rows = _occlusion.features(), _occlusion.mapped()["row"].to_numpy()
    n = sum(data.split_counts(_occlusion.run.workspace).values())
    found = {}
    for stem in _SAID:
        if stem != "look":
            values = np.full(n, np.nan, np.float32)
            values[rows] = described[stem]
            found[f"{PREFIX}{stem}"] = values
    looks = described["look"].to_numpy()
    kinds = [kind_name(look) for look in range(int(looks.max(initial=-1)) + 1)]
    codes = np.full(n, -1, np.int32)
    codes[rows] = np.where(looks < 0, len(kinds), looks)
    table = pd.DataFrame(found)
    table[LOOK] = pd.Categorical.from_codes(codes, pd.Index([*kinds, FLAT]))
    return table, float(_occlusion.document("exact")["border_share"])
