"""What the report says of the data."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from cache import SPLITS
from pipelines.methods import number, sample_counts
from pipelines.methods.colours import class_colours
from pipelines.reporting.markup import Html, details, facts, name, note, section, table, tag
from pipelines.reporting.reading import Source

TITLE = "Dataset"
ANCHOR = "dataset"

CLASSES = 100
"""Most classes that are counted one by one: the largest."""

REASONS = 20
"""Most reasons for a rejection that are told: the most frequent."""


def tell(source: Source) -> Html:
    """The section.

    Raises:
        MissingArtefactError: The samples have not been read yet.
    """
    dataset, samples = source.workspace.dataset, source.samples
    parts: list[Html | None] = [
        tag("p", dataset.description) if dataset.description else None,
        note("Simulated data.", dataset.simulated) if dataset.simulated else None,
        note("Labels flipped on purpose.", dataset.label_noise) if dataset.label_noise else None,
        facts(
            [
                ("images", number.count(len(samples))),
                ("classes", number.count(len(dataset.classes))),
                ("positive class", name(dataset.positive) if dataset.positive else None),
                ("size, pixels", _size(samples)),
                ("channels", name(", ".join(dataset.channels))),
                ("source", dataset.source),
                ("error of people", _human_error(dataset.human_error)),
            ]
        ),
        _counts(samples),
        tag("p", _origin(samples)),
        tag("p", _shared(samples)),
        tag("p", _twice(samples)),
        tag("p", _left_out(dataset.left_out)) if dataset.left_out else None,
        *_rejected(source.workspace.rejected()),
    ]
    return section(TITLE, *parts, anchor=ANCHOR)


def _counts(samples: pd.DataFrame) -> Html:
    counts = sample_counts.class_counts(samples)
    splits = [split for split in SPLITS if counts[split].sum()]
    colours = class_colours([str(each) for each in counts.index])
    total = counts.sum(axis=1)
    shown = total.index
    if len(shown) > CLASSES:
        shown = total.sort_values(ascending=False, kind="stable").index[:CLASSES]
    caption = "Images by class and split"
    if len(shown) < len(counts):
        caption += f"; the {CLASSES} largest of {len(counts):,} classes"

    def row(heading: Html | str, of: pd.Series) -> list[Html | str]:
        return [heading, *(number.count(int(n)) for n in of), number.count(int(of.sum()))]

    rows = [row(_class(str(each), colours), counts.loc[each, splits]) for each in shown]
    rows.append(row(tag("strong", "all"), counts[splits].sum()))
    return table(caption, ["class", *splits, "all"], rows)


def _class(label: str, colours: dict[str, str]) -> Html:
    swatch = tag("span", class_="swatch", style=f"background: {colours[label]}", aria_hidden="true")
    return tag("span", swatch, name(label))


def _size(samples: pd.DataFrame) -> str:
    sides = [(samples[side].min(), samples[side].max()) for side in ("height", "width")]
    return " × ".join(f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in sides)


def _human_error(error: float | None) -> str | None:
    return None if error is None else number.percent(error)


def _origin(samples: pd.DataFrame) -> str:
    made = samples.groupby("split", observed=True)["split_made"].mean()
    told = {
        "Came with the data": [split for split, share in made.items() if share == 0],
        "Divided by Centauro": [split for split, share in made.items() if share == 1],
        "Divided by Centauro in part": [split for split, share in made.items() if 0 < share < 1],
    }
    return " ".join(f"{how}: {', '.join(map(str, of))}." for how, of in told.items() if of)


def _shared(samples: pd.DataFrame) -> str:
    leaks = sample_counts.leak_table(samples)
    said = [
        f"{known:,} of {number.plural(images, 'image')} of {split} known from train "
        f"({pixels:,} with the same pixels, {group:,} with the same group)"
        for split, images, known, pixels, group in zip(
            leaks.index,
            *(leaks[column].tolist() for column in ("images", "leaked", "pixels", "group")),
            strict=True,
        )
        if known
    ]
    start = f"Leaks: {'; '.join(said)}." if said else "No image of val or test is known from train."
    groups, across = sample_counts.groups_across(samples)
    if not groups:
        return f"{start} The data names no groups (patients, nights …)."
    return f"{start} {across:,} of {number.plural(groups, 'group')} in more than one split."


def _twice(samples: pd.DataFrame) -> str:
    twins = sample_counts.duplicates(samples)
    if twins.empty:
        return "No two images have the same pixels."
    return (
        f"{int(twins['images'].sum()):,} images in {number.plural(len(twins), 'group')} of "
        f"identical pixels: {int(twins['conflicting'].sum()):,} with conflicting labels, "
        f"{int(twins['across'].sum()):,} across splits."
    )


def _left_out(counts: dict[str, int]) -> str:
    return (
        f"Left out by the recipe: {number.plural(sum(counts.values()), 'image')} of "
        f"{number.plural(len(counts), 'class', 'classes')} "
        f"({', '.join(f'{label}: {count:,}' for label, count in counts.items())})."
    )


def _rejected(rejected: pd.DataFrame) -> Iterator[Html]:
    if rejected.empty:
        yield tag("p", "No input was rejected.")
        return
    reasons = rejected["reason"].value_counts()
    shown = reasons.head(REASONS)
    rows = [[name(str(reason)), number.count(int(count))] for reason, count in shown.items()]
    left = len(reasons) - len(shown)
    caption = "Rejected inputs by reason"
    if left:
        others = int(reasons.iloc[REASONS:].sum())
        caption += f"; {number.plural(left, 'further reason')} of {others:,} inputs left out"
    was = "was" if len(rejected) == 1 else "were"
    yield details(
        f"{number.plural(len(rejected), 'input')} {was} rejected",
        table(caption, ["reason", "inputs"], rows),
    )
