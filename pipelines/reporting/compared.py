"""What the report says of runs beside one another, on the test images that all of them answered."""

from __future__ import annotations

import numpy as np

from pipelines.methods import number
from pipelines.methods.comparison import Pair, pairs
from pipelines.reporting.markup import Html, name, section, table, tag
from pipelines.reporting.reading import Source

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
    hits = np.stack([each.loc[common, "correct"].to_numpy() for each in tables])
    found = pairs([each.run.name for each in answered], hits)
    caption = f"Every two runs on {number.plural(len(common), 'test image')}"
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
    chosen = [each.run.name for each in answered if each.run.selected_on == "test"]
    return section(
        TITLE,
        tag("p", _sentence(found)),
        tag("p", f"Chosen on these images: {', '.join(chosen)}.") if chosen else None,
        table(caption, columns, [_row(pair) for pair in found]),
        tag(
            "p",
            "Paired: Newcombe's interval of the difference, McNemar's exact test, p-values "
            "adjusted by Holm's method.",
            class_="faint",
        ),
        anchor=ANCHOR,
    )


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
