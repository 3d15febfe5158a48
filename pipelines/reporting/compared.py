"""What the report says of runs beside one another, on the test images that all of them answered."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.methods import number
from pipelines.methods.comparison import Pair, pairs
from pipelines.methods.decided_labels import coverage, judged
from pipelines.reporting.markup import Html, name, section, table, tag
from pipelines.reporting.reading import Source, told

TITLE = "Comparison"
ANCHOR = "comparison"


def tell(source: Source) -> Html | None:
    """The section; None where fewer than two runs have predictions."""
    answered = list(source.answered.values())
    if len(answered) < 2:
        return None
    tables = [each.of("test").set_index("sample_id") for each in answered]
    common = tables[0].index
    for each in tables[1:]:
        common = common.intersection(each.index)
    if common.empty:
        return section(TITLE, tag("p", "There are no test images."), anchor=ANCHOR)
    shared, names = [each.loc[common] for each in tables], [each.run.name for each in answered]
    found = pairs(names, np.stack([each["correct"].to_numpy() for each in shared]))
    command = source.workspace.command
    caption = f"Every two runs on {number.plural(len(common), 'test image')}, by given labels"
    chosen = [each.run.name for each in answered if each.run.selected_on == "test"]
    return section(
        TITLE,
        tag("p", _sentence(found)),
        tag("p", f"Chosen on these images: {', '.join(chosen)}.") if chosen else None,
        _table(caption, found),
        *told("Runs by decided labels", command, _by_decided, source, names, shared),
        tag(
            "p",
            "Paired: Newcombe's interval of the difference, McNemar's exact test, p-values "
            "adjusted by Holm's method.",
            class_="faint",
        ),
        anchor=ANCHOR,
    )


def _by_decided(source: Source, names: list[str], tables: list[pd.DataFrame]) -> list[Html]:
    """The same images by decided labels, where something is decided on any of them."""
    samples = tables[0].reset_index()
    found = None if source.decisions is None else judged(samples, source.decisions)
    if found is None:
        return []
    predicted = np.stack([each["predicted"].cat.codes.to_numpy() for each in tables])
    hits = (predicted == found.labels)[:, found.keep]
    left_out = int((~found.keep).sum())
    n = number.plural(hits.shape[1], "test image")
    return [
        _table(f"Apart from these, every two runs on {n} by decided labels", pairs(names, hits)),
        tag("p", coverage(len(samples), found.decided, found.changed, left_out), class_="faint"),
    ]


def _table(caption: str, found: list[Pair]) -> Html:
    columns = [
        "runs",
        "accuracy, first minus second (95 %)",
        "only first right",
        "only second right",
        "both",
        "neither",
        "McNemar, exact",
        f"adjusted for {number.plural(len(found), 'pair')}",
    ]
    return table(caption, columns, [_row(pair) for pair in found])


def _sentence(found: list[Pair]) -> str:
    apart = sum(pair.adjusted < 0.05 for pair in found)
    if len(found) == 1:
        said = "differ in accuracy" if apart else "cannot be told apart by their accuracy"
        return f"The two runs {said} (.05 level)."
    return f"Of {len(found):,} pairs of runs, {apart:,} differ in accuracy (adjusted p < .05)."


def _row(pair: Pair) -> list[Html | str]:
    paired = pair.paired
    counts = (paired.only_first, paired.only_second, paired.both, paired.neither)
    return [
        tag("span", name(pair.first), " and ", name(pair.second)),
        number.points(pair.difference),
        *map(number.count, counts),
        number.p_value(paired.p_value),
        number.p_value(pair.adjusted),
    ]
