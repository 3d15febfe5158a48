from __future__ import annotations

import base64
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
from dashboard import coincidence
from dashboard.retrieval_tables import separation_text
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


def test_the_index_is_set_beside_the_exact_answer_on_the_queries_it_was_asked(
    embedding: Embedding, open_page: Open
) -> None:
    at = open_page("retrieval", workspace="shapes", pair="all in all", average="over queries")
    names = [trace.get("name") for trace in figure(at, "retrieval_curves")["data"]]
    assert names[-1] == "exact, of the queries that Annoy was asked"
    _, same = matches(embedding, "all_all")
    exact, annoy = same[::2, :10].mean(), same[::2, 1:11].mean()
    assert exact != pytest.approx(same[:, :10].mean(), abs=0.001)
    row = at.table[1].value.loc[10]
    assert row["exact"].startswith(f"{100 * exact:.1f}\N{NARROW NO-BREAK SPACE}% (")
    assert row["Annoy"].startswith(f"{100 * annoy:.1f}\N{NARROW NO-BREAK SPACE}% (")
    told = row["Annoy less exact"].replace("\N{MINUS SIGN}", "-")
    assert told.startswith(f"{100 * (annoy - exact):+.2f} points (")
    assert any("Asked: 75, drawn at random, of the 150 queries." in c.value for c in at.caption)
    all_asked = open_page("retrieval", workspace="shapes")
    assert any("Asked: all 30 queries." in each.value for each in all_asked.caption)


@pytest.fixture
def few(embedding: Embedding) -> Embedding:
    """The embedding with no more than twelve neighbours."""
    folder = embedding.artefact("neighbours").folder
    for name in ("neighbours", "distances", "test_train.neighbours", "test_train.distances"):
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:, :12])
    st.cache_resource.clear()
    return embedding


def test_no_more_neighbours_are_told_of_than_there_are(few: Embedding, open_page: Open) -> None:
    asked = {"workspace": "shapes", "at": "50"}
    at = open_page("retrieval", **asked, average="over queries")
    assert not at.exception
    assert at.segmented_control(key="at").options == ["1", "5", "10"]
    _, same = matches(few)
    said = at.subheader[0].value
    assert "of the 10 nearest" in said and said.startswith(f"{100 * same[:, :10].mean():.1f}")
    assert at.table[0].value.index.tolist() == [1, 5, 10]
    # Another embedding keeps fifty: this one has no figure there, and no difference.
    at = open_page("retrieval", **asked, embedding="pixels", quality="Embeddings")
    table = at.dataframe[0].value.set_index("Embedding")
    assert table.index[-1] == "penultimate"
    assert table.loc["penultimate", "Class coincidence@50"] == "\N{EN DASH}"
    assert table["Difference"].notna().to_dict() == {
        "autoencoder": True, "pixels": False, "penultimate": False
    }  # fmt: skip


def test_every_class_has_its_own_curve_and_chance(embedding: Embedding, open_page: Open) -> None:
    at = open_page("retrieval", workspace="shapes", quality="By class")
    queries, same = matches(embedding)
    labels = embedding.run.workspace.samples()["label"].iloc[queries]
    drawn = figure(at, "retrieval_class_curves")
    lines = {trace["name"]: trace for trace in drawn["data"] if "name" in trace}
    assert set(lines) == set(labels.cat.categories)
    for name, line in lines.items():
        own = same[(labels == name).to_numpy()]
        shares = np.cumsum(own, axis=1) / np.arange(1, own.shape[1] + 1)
        y = np.frombuffer(base64.b64decode(line["y"]["bdata"]), line["y"]["dtype"])
        assert y == pytest.approx(shares.mean(axis=0), abs=1e-6)
    level = embedding.document("retrieval")["pairs"]["test_train"]["chance"]["classes"]
    ends = {shape["y0"] for shape in drawn["layout"]["shapes"] if shape["y0"] == shape["y1"]}
    assert ends == set(level)
    one = open_page("retrieval", workspace="shapes", quality="By class", curves_of="cross")
    drawn = figure(one, "retrieval_class_curves")["data"]
    assert [trace["name"] for trace in drawn if "name" in trace] == ["cross"]


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
    assert any(each.value.startswith("30 queries in ") for each in at.caption)
    fire(at, "retrieval_worst", {"n": 1, "added": [], "removed": [], "opened": tiles[2]["id"]})
    assert at.title[0].value == "Similarity"
    assert parameter(at, "image") == tiles[2]["id"]


def test_worst_queries_of_a_random_part_say_so(
    workspaces: dict[str, Workspace], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coincidence, "MOST_QUERIES", 12)
    st.cache_resource.clear()
    at = open_page("retrieval", workspace="shapes", quality="Worst queries")
    assert any("of which 12 at random are counted" in each.value for each in at.caption)
    st.cache_resource.clear()


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


def test_what_one_label_does_not_define_is_left_out() -> None:
    one = {"distances": {"within": 1.5, "between": None, "n": 9}, "silhouette": {"value": None}}
    text = separation_text({**one, "near_duplicates": {"pairs": 0}})
    assert text == "No pairs of near-duplicates."
    two = {"within": 1.5, "between": 3.0, "n": 9}
    silhouette = {"value": 0.25, "n": 9}
    twins = {"pairs": 1, "across_splits": 1, "other_label": 0}
    told = separation_text({"distances": two, "silhouette": silhouette, "near_duplicates": twins})
    assert "**1.5** apart" in told and "2.00 times as far" in told and "**0.250**" in told
    assert "**1 pair** of near-duplicates" in told
