"""What the report says of the data besides its labels: pairs, groups, odd images, slices."""

from __future__ import annotations

from typing import Any

import numpy as np

from cache import SPLITS
from cache.issues import LabelIssues
from pipelines.methods import data_faults, number, sample_counts
from pipelines.methods.intervals import Rate
from pipelines.methods.oddities import ODDITIES
from pipelines.reporting.markup import Html, name, table, tag
from pipelines.reporting.pictures import Pictures, gallery
from pipelines.reporting.reading import Source, check

GROUPS = 20
"""Most groups in several splits that are listed, the largest first."""

PAIRS = 6
"""Most pairs of images that are the same, or nearly, that are shown: conflicting labels first."""


def tell(source: Source, issues: LabelIssues, room: int) -> list[Html]:
    """What the stage ``quality`` found.

    Args:
        source: The workspace.
        issues: The search for wrong labels that it stands beside.
        room: Bytes that the pictures may take.

    Raises:
        CacheError: It was not made, or from something else than what is there now.
    """
    check(issues, "quality")
    document = issues.document("quality")
    finding = tag("p", data_faults.finding(document))
    parts = [finding, *_crossing(source, issues), *_odd(document), *_slices(document)]
    return [*parts, tag("p", data_faults.nearly(document)), *_pairs(source, issues, room)]


def _crossing(source: Source, issues: LabelIssues) -> list[Html]:
    quality = issues.quality()
    crossing = source.samples["sample_id"].isin(quality["sample_id"][quality["crosses"]])
    groups = sample_counts.crossing_groups(source.samples[crossing])
    if groups.empty:
        return []
    rows = [
        [name(str(group)), *(number.count(int(counts[each])) for each in [*SPLITS, "images"])]
        for group, counts in groups.head(GROUPS).iterrows()
    ]
    shown = f"; the {GROUPS} largest of {len(groups):,}" if len(groups) > GROUPS else ""
    caption = f"Groups with images in more than one split{shown}"
    return [table(caption, ["group", *SPLITS, "all"], rows)]


def _odd(document: dict[str, Any]) -> list[Html]:
    found = document["odd"]
    there = [kind for kind in ODDITIES if any(found[kind].values())]
    if not there:
        return []
    rows = [
        [
            f"{kind}: {data_faults.MEANS[kind]}",
            *(number.count(found[kind][each]) for each in SPLITS),
        ]
        for kind in there
    ]
    caption = f"Images out of the ordinary (modified z-score beyond {document['bound']})"
    return [table(caption, ["what", *SPLITS], rows)]


def _slices(document: dict[str, Any]) -> list[Html]:
    unsliced = data_faults.unsliced(document)
    told = [] if unsliced is None else [tag("p", unsliced)]
    out = [each for each in document["slices"] if each["out_of_line"]]
    if not out:
        return told
    rows = [
        [
            name(f"{_readable(each['column'])}: {each['value'] or '(empty)'}"),
            number.rate(Rate(**each["errors"])),
            number.rate(Rate(**each["others"])),
            number.p_value(each["p_value"]),
            data_faults.outlying(each),
        ]
        for each in out
    ]
    caption = "Slices of the data whose error rate is out of line (Fisher's exact test, Holm)"
    return [table(caption, ["slice", "errors", "all others", "adjusted p", "is"], rows), *told]


def _readable(column: str) -> str:
    return column.removeprefix("meta_").replace("_", " ")


def _pairs(source: Source, issues: LabelIssues, room: int) -> list[Html]:
    pairs = issues.duplicates()
    if pairs.empty:
        return []
    place = dict(zip(source.samples["sample_id"], np.arange(len(source.samples)), strict=True))
    tiles = []
    for place_of_pair, pair in enumerate(pairs.head(PAIRS).itertuples(index=False), start=1):
        kind = "identical" if pair.kind == "exact" else "nearly the same"
        for sample_id, label, split in (
            (pair.sample_id, pair.label, pair.split),
            (pair.other, pair.other_label, pair.other_split),
        ):
            tiles.append(
                (
                    int(place[sample_id]),
                    f"{label}, {split}, of pair {place_of_pair}",
                    tag("span", f"Pair {place_of_pair}, {kind}: ", name(str(label)), f", {split}."),
                )
            )
    what = "images of pairs, conflicting labels first"
    return gallery(Pictures(source.workspace, room), tiles, 2 * len(pairs), what)
