"""What the report says of embeddings: how often the nearest images share a label."""

from __future__ import annotations

from typing import Any

from cache.embeddings import Embedding, embeddings
from pipelines.methods import number
from pipelines.methods.intervals import Rate
from pipelines.reporting.markup import Html, name, section, table, tag
from pipelines.reporting.reading import Source, check, told

TITLE = "Embeddings"
ANCHOR = "embeddings"

PAIRS = {"test_train": "test asks train", "val_train": "val asks train", "all_all": "all ask all"}

K = 10


def tell(source: Source) -> Html | None:
    """The section; None where the recipe asks for no embeddings."""
    there = [each for run in source.workspace.runs() for each in embeddings(run)]
    if not there:
        return None
    rows: list[list[Html | str]] = []
    missing: list[Html] = []
    for each in there:
        what = f"Class coincidence of {each.run.name} / {each.title}"
        missing += told(what, source.workspace.command, _add, each, rows)
    columns = ["run and embedding", "who asks", "n", f"@{K}, macro (95 %)", "chance"]
    caption = f"Class coincidence@{K}: share of an image's {K} nearest that bear its label"
    said = (
        "Mean over classes, with 95 % bootstrap intervals. An image is never among its own "
        "neighbours; chance is what labels drawn at random would reach. Where there are figures "
        "for fewer neighbours alone, they stand with their number."
    )
    return section(
        TITLE,
        table(caption, columns, rows, texts=(0, 1)) if rows else None,
        tag("p", said, class_="faint") if rows else None,
        *missing,
        anchor=ANCHOR,
    )


def _add(embedding: Embedding, rows: list[list[Html | str]]) -> list[Html]:
    check(embedding, "retrieval")
    document = embedding.document("retrieval")
    for pair, words in PAIRS.items():
        found: dict[str, Any] | None = document["pairs"].get(pair)
        known = [int(k) for k in found["macro"] if int(k) <= K] if found is not None else []
        if found is None or not known:
            continue
        k = max(known)
        figure = Rate(**found["macro"][str(k)])
        chance = found["chance"]["macro"]
        rows.append(
            [
                tag("span", name(embedding.run.name), " / ", name(embedding.title)),
                words,
                number.count(found["queries"]),
                number.short_rate(figure) + (f" (@{k})" if k < K else ""),
                number.percent(chance),
            ]
        )
        break
    return []
