"""What the report says of labels and of the data beside them: which are suspected to be wrong, what
else may be, and what reviewers said."""

from __future__ import annotations

from typing import Any

import numpy as np

from cache import SPLITS
from cache.errors import ReviewsError
from cache.issues import LabelIssues, label_issues
from cache.review_database import is_there
from cache.reviews import VERDICTS, open_reviews
from cache.verdicts import DISPUTED, Progress, progress
from pipelines.methods import number
from pipelines.methods.decided_labels import current
from pipelines.methods.label_issues import NONE, WORDS, rule_sentence
from pipelines.methods.recovery import table as recovery_table
from pipelines.reporting import faults
from pipelines.reporting.markup import Html, name, note, section, table, tag
from pipelines.reporting.pictures import Pictures, gallery
from pipelines.reporting.reading import Source, check, told

TITLE = "Labels"
ANCHOR = "labels"

GALLERIES = 2
"""Of each search: suspected labels, and pairs of images."""

SUSPECTS = 12
"""Most suspected labels that are shown of each search."""


def searches(source: Source) -> list[LabelIssues]:
    """The searches for wrong labels that the recipe asks for."""
    return [each for run in source.workspace.runs() for each in label_issues(run)]


def tell(source: Source, room: int) -> Html:
    """The section.

    Args:
        source: The workspace.
        room: Bytes that the pictures of each gallery may take; a search has :data:`GALLERIES`.
    """
    command = source.workspace.command
    parts: list[Html] = []
    for each in searches(source):
        parts.append(tag("h3", "Suspected labels: ", name(f"{each.run.name} / {each.name}")))
        parts += told("The suspected labels", command, _suspects, source, each, room)
        beside = "Other faults of the data"
        parts += [tag("h3", beside), *told(beside, command, faults.tell, source, each, room)]
    if not parts:
        how = "No search for wrong labels is in the recipe: add 'issues' to a run."
        parts.append(tag("p", how))
    return section(TITLE, *parts, tag("h3", "Reviews"), *_reviews(source), anchor=ANCHOR)


def _suspects(source: Source, issues: LabelIssues, room: int) -> list[Html]:
    check(issues, "issues")
    document, found = issues.document("issues"), issues.table()
    suspects = found[found["why"] != NONE]
    splits = [split for split in SPLITS if document["samples"][split]]
    counts = [
        [
            split,
            number.count(document["samples"][split]),
            number.count(document["suspects"][split]),
            number.percent(document["suspects"][split] / document["samples"][split]),
        ]
        for split in splits
    ]
    who = "the run's classifier" if document["by"] == "classifier" else "a linear head"
    how = f"Each label judged by {who} in {document['folds']} folds, never fitted to its own image."
    parts = [
        tag("p", how),
        table("Suspected labels by split", ["split", "images", "suspected", "share"], counts),
        tag("p", rule_sentence(found)),
        *_recovery(document["recovery"]),
    ]
    shown = suspects.head(SUSPECTS)
    place = dict(zip(source.samples["sample_id"], np.arange(len(source.samples)), strict=True))
    tiles = [
        (
            int(place[sample_id]),
            f"{label}, suspected to be {suggested}",
            tag(
                "span",
                name(label),
                ", rather ",
                name(suggested),
                f"? Suspicion {suspicion:.2f}, {split}: {WORDS[why]}.",
            ),
        )
        for sample_id, split, label, suggested, suspicion, why in zip(
            *(
                shown[column].tolist()
                for column in ("sample_id", "split", "label", "suggested", "suspicion", "why")
            ),
            strict=True,
        )
        if sample_id in place
    ]
    pictures = Pictures(source.workspace, room)
    what = "suspected labels, the strongest first"
    return [*parts, *gallery(pictures, tiles, len(suspects), what)]


def _recovery(recovery: dict[str, Any] | None) -> list[Html]:
    """How well labels that were flipped on purpose are found, where the truth is known."""
    if recovery is None:
        return []
    rows = recovery_table(recovery)
    caption = f"How well the {recovery['flipped']:,} labels of train flipped on purpose are found"
    return [table(caption, list(rows.columns), rows.to_numpy().tolist())]


def _reviews(source: Source) -> list[Html]:
    how = "Review labels on the page Labels of the dashboard."
    try:
        found = _progress(source)
    except ReviewsError as error:
        return [note("The reviews cannot be read.", str(error))]
    if found is None or not found.reviewed:
        return [tag("p", f"No label was reviewed yet. {how}")]
    rows = [
        [DISPUTED if kind == DISPUTED else VERDICTS[kind], number.count(count)]
        for kind, count in found.verdicts.items()
        if count
    ]
    people = number.plural(len(found.by_reviewer), "reviewer")
    caption = f"{number.plural(found.reviewed, 'image')} reviewed by {people}"
    return [table(caption, ["verdict", "images"], rows)]


def _progress(source: Source) -> Progress | None:
    """What reviewers said of the labels that are there now, or None where no database is there
    yet: a report makes none."""
    if not is_there():
        return None
    with open_reviews() as reviews:
        latest = reviews.latest(source.workspace.name)
    return progress(latest[current(latest, source.samples)])
