"""Tables and sentences of the page on retrieval quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cache.embeddings import Embedding
from dashboard import coincidence, embedding_data, embedding_facts
from dashboard.coincidence import ANNOY, ASKED, CLEAN, EXACT, VARIANTS
from dashboard.coincidence_figures import rate_at
from dashboard.embedding_facts import rate_of
from pipelines.methods import number
from pipelines.methods.studies import QUERIES


def finding(embedding: Embedding, pair: str, k: int, macro: bool, chance: float) -> str:
    """The sentence that the page opens with."""
    curve = coincidence.curve(embedding, pair, EXACT, macro)
    rate = rate_at(curve, k)
    without = ""
    document = embedding_data.document(embedding, "retrieval")
    if document["pairs"][pair]["clean"]["affected"]:
        kept = rate_at(coincidence.curve(embedding, pair, CLEAN, macro), k)
        without = f", {number.percent(kept.value)} without near-duplicates"
    where = pair.partition("_")
    nearest = f"{k} nearest" if k > 1 else "nearest"
    verb = "bear" if k > 1 else "bears"
    gallery = "" if where[2] == "all" else f" {where[2]}"
    query = "an image" if where[0] == "all" else f"a {where[0]} image"
    images = "images" if k > 1 else "image"
    return (
        f"{number.short_rate(rate)} of the {nearest}{gallery} {images} of {query} {verb} its label "
        f"in {embedding_facts.title(embedding)}{without}; by "
        f"chance {number.percent(chance)} would."
    )


def variants_table(
    embedding: Embedding, pair: str, macro: bool, ranks: Sequence[int]
) -> pd.DataFrame:
    """Class coincidence of all queries at some k, exact and without near-duplicates, as text."""
    columns = {}
    for variant in (EXACT, CLEAN):
        curve = coincidence.curve(embedding, pair, variant, macro)
        # The interval stands once: that of the same queries' other answers is as wide.
        write = number.short_rate if variant == EXACT else lambda rate: number.percent(rate.value)
        columns[VARIANTS[variant]] = pd.Series({k: write(rate_at(curve, k)) for k in ranks})
    return pd.DataFrame(columns).rename_axis("k")


def index_table(embedding: Embedding, pair: str, macro: bool, ranks: Sequence[int]) -> pd.DataFrame:
    """Class coincidence of the queries that the index was asked, exact and by the index, and what
    the index loses of it, as text."""
    exact, annoy = (
        coincidence.curve(embedding, pair, variant, macro) for variant in (ASKED, ANNOY)
    )
    losses = {k: coincidence.index_loss(embedding, pair, k, macro).difference for k in ranks}
    columns = {
        "exact": {k: number.short_rate(rate_at(exact, k)) for k in ranks},
        "Annoy": {k: number.short_rate(rate_at(annoy, k)) for k in ranks},
        "Annoy less exact": {k: number.points(losses[k], digits=2) for k in ranks},
    }
    return pd.DataFrame(columns).rename_axis("k")


def separation_text(document: Mapping[str, Any]) -> str:
    """Distances within and between labels, silhouette, and near-duplicates, in Markdown.

    What is not defined is left out: a distance of no two images, the silhouette of one label.
    """
    apart, silhouette, twins = (
        document[part] for part in ("distances", "silhouette", "near_duplicates")
    )
    lines = []
    if apart["within"] is not None and apart["between"] is not None:
        times = apart["between"] / apart["within"] if apart["within"] else float("inf")
        lines.append(
            f"Images of one label are **{apart['within']:.3g}** apart on average, those of "
            f"different labels **{apart['between']:.3g}**, {times:.2f} times as far "
            f"(n = {apart['n']:,} images)."
        )
    if silhouette["value"] is not None:
        lines.append(
            f"Silhouette of the labels: **{silhouette['value']:.3f}** "
            f"(from \N{MINUS SIGN}1 to 1; n = {silhouette['n']:,})."
        )
    if twins["pairs"]:
        lines.append(
            f"**{number.plural(twins['pairs'], 'pair')}** of near-duplicates, "
            f"{twins['across_splits']:,} across splits, {twins['other_label']:,} of different "
            "labels."
        )
    else:
        lines.append("No pairs of near-duplicates.")
    return "\n\n".join(lines)


def against_table(
    embedding: Embedding, others: Sequence[Embedding], pair: str, k: int, macro: bool
) -> pd.DataFrame:
    """Every embedding at k, and the selected one less it on the same queries, averaged alike.

    One that keeps fewer neighbours has no figure there, and comes last.
    """
    rows = []
    for each in others:
        rate = rate_at(coincidence.curve(each, pair, EXACT, macro), k)
        row = {
            "Embedding": embedding_facts.title(each).replace("\\", ""),
            f"Class coincidence@{k}": number.short_rate(rate),
            "Queries": rate.n,
            "Difference": None,
            "p": None,
        }
        if each.name != embedding.name and rate.n:
            test = coincidence.compared(embedding, each, pair, k, macro)
            row["Difference"] = number.points(test.difference)
            row["p"] = number.p_value(test.p_value)
        rows.append((rate.value, row))
    rows.sort(key=lambda pair: -pair[0] if pair[1]["Queries"] else math.inf)
    return pd.DataFrame([row for _, row in rows])


def index_text(about: Mapping[str, Any]) -> str:
    """What the index loses, what it saves, and which of the two the dashboard uses."""
    recall = rate_of(about["recall"]["10"])
    ratio = about["exact_ms"] / about["ms"] if about["ms"] else float("nan")
    used = (
        "Exact search is as fast on so few images, so **uploads are searched exactly**."
        if about["use"] == "exact"
        else "**Uploads are searched with the index**; images of the data have exact neighbours."
    )
    return (
        f"Annoy with {number.plural(about['trees'], 'tree')} and search_k {about['search_k']:,} "
        f"finds **{number.short_rate(recall)}** of the 10 true neighbours in "
        f"{number.milliseconds(about['ms'])} a query; an exact query takes "
        f"{number.milliseconds(about['exact_ms'])} ({ratio:.2g} times as long). {used}"
    )


def index_caption(about: Mapping[str, Any]) -> str:
    """How the index was measured."""
    checked, seconds = about["checked"], about["build_seconds"]
    took = number.seconds(seconds) if seconds >= 1 else number.milliseconds(1000 * seconds)
    return (
        f"Recall against the exact neighbours of {number.count(about['queries'])} queries"
        f"; one line a number of trees, one point a search_k. The index takes "
        f"{number.size(about['bytes'])} and was built in {took}; "
        f"asked for {checked['asked']:,} of its own members it found {checked['answered']:,}."
    )


def protocol_table(figures: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The studies' figures as text, one row a batch size and k."""
    return pd.DataFrame(
        {
            "images of a batch, at most": [str(each["batch"]) for each in figures],
            "batches": [number.count(each["queries"] // QUERIES) for each in figures],
            "k, the query included": [str(each["k"]) for each in figures],
            "as the studies counted": [number.percent(each["value"]) for each in figures],
            "without the query itself": [number.percent(each["without_query"]) for each in figures],
            "queries": [number.count(each["queries"]) for each in figures],
        }
    ).set_index("images of a batch, at most")
