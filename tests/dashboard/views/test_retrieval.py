from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.embeddings import Embedding, open_embedding
from cache.tables import write_table
from tests.dashboard.conftest import Fire, Shown, parameter

Open = Callable[..., AppTest]


@pytest.fixture
def embedding(workspaces: dict[str, Workspace]) -> Embedding:
    return open_embedding(workspaces["shapes"].run("plain"), "penultimate")


def matches(embedding: Embedding, pair: str = "test_train") -> tuple[np.ndarray, np.ndarray]:
    """Queries, and which of their neighbours bear their label."""
    codes = embedding.run.workspace.samples()["label"].cat.codes.to_numpy()
    there = (
        embedding.neighbours()
        if pair == "all_all"
        else embedding.neighbours_between(*pair.split("_"))
    )
    return there.queries, codes[there.positions] == codes[there.queries][:, None]


def figure(at: AppTest, key: str) -> dict[str, Any]:
    proto = next(each.proto for each in at.get("plotly_chart") if each.key == key)
    loaded: dict[str, Any] = json.loads(proto.spec)
    return loaded


@pytest.mark.parametrize("pair", ["test in train", "all in all"])
@pytest.mark.parametrize("k", [1, 10])
def test_the_finding_is_the_share_of_matches_with_chance(
    embedding: Embedding, open_page: Open, pair: str, k: int
) -> None:
    at = open_page("retrieval", workspace="shapes", pair=pair, at=str(k), average="over queries")
    pair = pair.replace(" in ", "_")
    assert not at.exception
    _, same = matches(embedding, pair)
    said = at.subheader[0].value
    assert said.startswith(f"{100 * same[:, :k].mean():.1f}\N{NARROW NO-BREAK SPACE}% (")
    document = embedding.document("retrieval")
    chance = document["pairs"][pair]["chance"]["overall"]
    assert f"by chance {100 * chance:.1f}\N{NARROW NO-BREAK SPACE}% would" in said


def test_curves_are_exact_without_duplicates_and_of_annoy(
    embedding: Embedding, open_page: Open
) -> None:
    at = open_page("retrieval", workspace="shapes")
    names = [trace.get("name") for trace in figure(at, "retrieval_curves")["data"]]
    assert names[1:] == ["exact", "without near-duplicates", "Annoy's answer"]
    table = at.table[0].value
    assert table.index.tolist() == [1, 5, 10, 20, 50]


def test_every_class_has_its_own_figure(embedding: Embedding, open_page: Open) -> None:
    at = open_page("retrieval", workspace="shapes", quality="By class")
    queries, same = matches(embedding)
    labels = embedding.run.workspace.samples()["label"].iloc[queries]
    wanted = {name: same[(labels == name).to_numpy(), :10].mean() for name in labels.cat.categories}
    points = figure(at, "retrieval_classes")["data"][0]
    names = [each[0] for each in points["customdata"]]
    assert names == sorted(wanted, key=lambda name: wanted[name])
    assert points["x"] == pytest.approx([wanted[name] for name in names], abs=1e-6)


def test_embeddings_are_compared_on_the_same_queries(embedding: Embedding, open_page: Open) -> None:
    at = open_page("retrieval", workspace="shapes", quality="Embeddings", average="over queries")
    table = at.dataframe[0].value.set_index("Embedding")
    assert table.index.tolist() == ["penultimate", "autoencoder", "pixels"]
    assert table.loc["pixels", "Queries"] == 30
    _, ours = matches(embedding)
    _, theirs = matches(open_embedding(embedding.run, "pixels"))
    gap = ours[:, :10].mean() - theirs[:, :10].mean()
    assert table.loc["pixels", "Difference"].startswith(f"{100 * gap:+.1f} points")
    assert table.loc["pixels", "p"].startswith("p ")


@pytest.mark.parametrize("average", ["over classes", "over queries"])
def test_the_difference_is_that_of_the_figures_beside_it(
    workspaces: dict[str, Workspace], open_page: Open, average: str
) -> None:
    at = open_page("retrieval", workspace="shapes", quality="Embeddings", pair="all in all",
                   average=average)  # fmt: skip
    table = at.dataframe[0].value.set_index("Embedding")
    shown = table["Class coincidence@10"].str.extract(r"^([\d.]+)")[0].astype(float)
    told = table["Difference"].dropna().str.replace("\N{MINUS SIGN}", "-").str.split(" ").str[0]
    for name, gap in told.astype(float).items():
        assert gap == pytest.approx(shown["penultimate"] - shown[name], abs=0.11)


def test_queries_of_a_group_are_resampled_together_and_it_is_said(
    embedding: Embedding, open_page: Open
) -> None:
    def low(at: AppTest) -> float:
        return float(at.subheader[0].value.partition("(")[2].partition(" to")[0])

    alone = open_page("retrieval", workspace="shapes")
    assert not any("groups" in each.value for each in alone.caption)
    workspace = embedding.run.workspace
    samples = workspace.samples()
    samples["group"] = [f"patient {row // 5}" for row in range(len(samples))]
    path = workspace.artefact("samples").path("samples.parquet")
    write_table(samples, path, "samples", workspace.dataset.classes)
    st.cache_resource.clear()
    together = open_page("retrieval", workspace="shapes")
    assert any("resample the 6 groups" in each.value for each in together.caption)
    assert low(together) != low(alone)


def test_the_worst_queries_lead_to_their_neighbours(
    embedding: Embedding, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("retrieval", workspace="shapes", quality="Worst queries")
    queries, same = matches(embedding)
    order = np.argsort(same[:, :10].mean(axis=1), kind="stable")
    samples = embedding.run.workspace.samples()["sample_id"]
    tiles = shown(at, "retrieval_worst")["tiles"]
    assert [tile["id"] for tile in tiles] == samples.iloc[queries[order]].tolist()
    assert tiles[0]["title"] == f"{same[order[0], :10].sum()} of 10"
    fire(at, "retrieval_worst", {"n": 1, "added": [], "removed": [], "opened": tiles[2]["id"]})
    assert at.title[0].value == "Similarity"
    assert parameter(at, "image") == tiles[2]["id"]


def test_the_index_is_shown_with_the_chosen_point(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("retrieval", workspace="shapes", quality="Index")
    for key in ("retrieval_recall", "retrieval_ms"):
        (chosen,) = [each for each in figure(at, key)["data"] if each["name"] == "chosen"]
        assert chosen["x"] == [200]
    assert any("searched exactly" in each.value for each in at.markdown)


def test_the_studies_protocol_is_named_as_what_it_is(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("retrieval", workspace="shapes", quality="As the studies counted")
    assert not at.exception
    assert any("query counted among its own neighbours" in each.value for each in at.markdown)
    assert at.table[0].value.loc["256", ["queries", "batches"]].tolist() == ["1,000", "1"]
