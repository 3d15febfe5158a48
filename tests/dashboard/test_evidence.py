"""Occlusion maps as columns of the samples: what pages filter, sort and colour by."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Run, open_workspace
from cache.artefact import read_json, write_json
from cache.embeddings import open_embedding
from cache.occlusion import Occlusion, open_occlusion
from dashboard import data, embedding_data, evidence, export, looks, map_colours
from dashboard.conditions import Condition, columns, label
from dashboard.points import open_map
from pipelines.methods import number
from tests.dashboard.conftest import Fire, Shown, make_workspace, parameter
from tests.dashboard.occlusion_artefacts import add_maps

Open = Callable[..., AppTest]

GALLERY = "errors_gallery"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    add_maps(make_workspace(folder, "shapes", count=300), "plain")
    return folder


@pytest.fixture
def maps(described: Path, cache_folder: Path) -> Occlusion:
    shutil.copytree(described / "shapes", cache_folder / "shapes")
    return open_occlusion(open_workspace("shapes").run("plain"), "patch3")


@pytest.fixture
def run(maps: Occlusion) -> Run:
    return maps.run


@pytest.fixture
def known(maps: Occlusion) -> pd.DataFrame:
    """The samples with a map and what is known of them, from the files alone."""
    answers = data.answers(maps.run)
    return answers.merge(maps.features(), on="sample_id").merge(maps.mapped()[["sample_id"]])


def tiles(shown: Shown, at: AppTest) -> list[str]:
    return [tile["id"] for tile in shown(at, GALLERY)["tiles"]]


def words(at: AppTest) -> str:
    everything = [*at.markdown, *at.caption, *at.text]
    return " ".join(each.value for each in everything).replace("\\", "")


def remade(run: Run) -> None:
    """Make the predictions anew: the maps belong to the old ones."""
    path = run.artefact("predictions").path("manifest.json")
    write_json(path, {**read_json(path), "digest": "another", "fingerprint": "another"})


def test_each_image_has_what_its_map_says(run: Run, known: pd.DataFrame) -> None:
    table = embedding_data.table(run).set_index("sample_id")
    mine = table.loc[known["sample_id"]]
    for stem in ("border", "spread", "top_tenth", "drop", "across", "down"):
        np.testing.assert_array_equal(mine[f"map_{stem}"], known[stem])
    assert mine["map_look"].tolist() == [evidence.kind_name(look) for look in known["look"]]
    others = table.drop(index=known["sample_id"])
    assert len(others) == 100 and others.filter(like="map_").isna().all(axis=None)
    assert evidence.of(run).even == {"map_border": pytest.approx(1 - 0.8**2)}
    flat_maps = mine["map_look"] == "flat map"
    assert flat_maps.any() and mine.loc[flat_maps, "map_border"].isna().all()


def test_further_maps_bear_their_name(maps: Occlusion) -> None:
    add_maps(maps.run.workspace, "plain", "wide", seed=1)
    found = evidence.of(open_workspace("shapes").run("plain"))
    assert {"map_border", "map_border_wide"} == set(found.even)
    assert label("map_border_wide") == "evidence at the border, wide"
    assert found.origin == "the occlusion maps patch3 and wide of the run plain"
    table = evidence.joined(data.samples(maps.run.workspace), found)
    assert not table["map_drop"].equals(table["map_drop_wide"])
    assert {"map_drop", "map_look_wide"} <= set(columns(table))


def test_maps_of_other_predictions_are_refused(run: Run, open_page: Open) -> None:
    remade(run)
    found = evidence.of(run)
    assert found.columns.empty and not found.even
    (reason,) = found.refused
    assert "occlusion maps 'patch3' was made from another 'runs/plain/predictions'" in reason
    at = open_page("errors", workspace="shapes", sort="most border evidence")
    assert not at.exception
    assert reason in words(at)
    assert at.selectbox(key="sort").value == "highest loss"
    assert not [each for each in at.button if each.key == "errors_border"]


def test_maps_that_nobody_described_are_refused(maps: Occlusion) -> None:
    maps.artefact("exact").path("features.parquet").unlink()
    (reason,) = evidence.of(maps.run).refused
    assert "features.parquet" in reason and "python -m pipelines run shapes" in reason


def test_conditions_leave_out_what_has_no_value() -> None:
    table = pd.DataFrame(
        {"map_drop": [0.1, np.nan, 0.5], "map_look": pd.Categorical(["kind 1", None, "kind 2"])}
    )
    low = Condition("map_drop", low=0.1)
    assert low.holds(table).tolist() == [True, False, True]
    assert low.words == "largest drop from 0.1"
    assert Condition("map_drop", high=0.2).holds(table).tolist() == [True, False, False]
    kind = Condition("map_look", kinds=("kind 2",))
    assert kind.holds(table).tolist() == [False, False, True]
    assert kind.words == "kind of map: kind 2"


def test_a_click_shows_the_mistakes_whose_evidence_lies_at_the_border(
    known: pd.DataFrame, open_page: Open, shown: Shown, fire: Fire
) -> None:
    at = open_page("errors", workspace="shapes", split="train", answer="right", map_drop_from="0.9")
    at.button(key="errors_border").click().run()
    assert not at.exception
    of_train = known[known["split"] == "train"]
    wanted = of_train[~of_train["correct"] & (of_train["border"] >= 0.36)]
    assert 0 < len(wanted) < (~of_train["correct"]).sum()
    assert set(tiles(shown, at)) == set(wanted["sample_id"])
    assert parameter(at, "map_border_from") == "0.36"
    assert at.number_input(key="map_drop_from").value is None
    assert f"{len(wanted)} image" in words(at)
    assert "wrong answers, evidence at the border from 0.36" in words(at)
    assert "120 of 180 train images have an occlusion map" in words(at)
    # A click on the matrix shows exactly its images: the condition goes.
    at = fire(at, "errors_matrix", {"n": 1, "true": 0, "predicted": 0})
    assert at.number_input(key="map_border_from").value is None
    assert len(tiles(shown, at)) == min(30, shown(at, "errors_matrix")["counts"][0])


def test_reset_clears_every_condition(run: Run, open_page: Open) -> None:
    at = open_page("errors", workspace="shapes", map_drop_to="0.2", map_look="kind 1")
    assert "largest drop to 0.2, kind of map: kind 1" in words(at)
    at.button(key="errors_reset").click().run()
    assert "map_drop_to" not in at.query_params and "map_look" not in at.query_params
    assert at.multiselect(key="map_look").value == []


def test_mistakes_in_order_of_their_evidence(
    known: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes", split="train", sort="most border evidence")
    of_train = known[(known["split"] == "train") & ~known["correct"]].dropna(subset=["border"])
    there = tiles(shown, at)
    border = known.set_index("sample_id")["border"].reindex(there).to_numpy()
    count = len(of_train)
    assert set(there[:count]) == set(of_train["sample_id"]) and np.isnan(border[count:]).all()
    assert (np.diff(border[:count]) <= 0).all()
    assert shown(at, GALLERY)["tiles"][0]["lines"][2] == f"border {border[0]:.2f}"
    assert shown(at, GALLERY)["tiles"][count]["lines"][2] == "no map"


def test_the_table_to_download_says_what_the_maps_say(run: Run, known: pd.DataFrame) -> None:
    rows = embedding_data.table(run).query("map_border > 0.36")
    table = pd.read_csv(io.BytesIO(export.predictions_csv(rows, run.workspace.dataset.classes)))
    expected = known[known["border"] > 0.36]
    assert table["sample_id"].tolist() == expected["sample_id"].tolist()
    np.testing.assert_allclose(table["evidence at the border"], expected["border"], rtol=1e-5)


def test_the_map_of_images_is_coloured_by_evidence(run: Run, known: pd.DataFrame) -> None:
    table = embedding_data.table(run)
    embedding = open_embedding(run, "penultimate")
    there = map_colours.choices(table, embedding)
    assert {"evidence at the border", "largest drop", "kind of map"} <= set(there)
    drawn = open_map(embedding, "umap").drawn
    colours = map_colours.colouring("evidence at the border", table, embedding, drawn, {})
    grey = ~table["sample_id"].isin(known.dropna(subset=["border"])["sample_id"]).to_numpy()
    np.testing.assert_array_equal(colours.codes == 255, grey)
    (entry,) = colours.entries
    assert (entry.name, entry.count) == ("no map, or a flat one", grey.sum())
    kinds = map_colours.colouring("kind of map", table, embedding, drawn, {})
    counts = {entry.name: entry.count for entry in kinds.entries}
    assert counts["no map"] == 100
    assert counts["flat map"] == (known["look"] == -1).sum()


def test_the_gallery_of_the_dataset_is_narrowed_by_the_maps_of_the_run(
    known: pd.DataFrame, open_page: Open
) -> None:
    asked = {"workspace": "shapes", "map_drop_from": "0.2"}
    at = open_page("dataset", run="plain", **asked)
    assert not at.exception
    count = (known["drop"] >= 0.2).sum()
    said = "200 images have the occlusion maps patch3 of the run plain"
    assert f"{count} of 300 images chosen: largest drop from 0.2; {said}" in words(at)
    at = open_page("dataset", run="wide", **asked)
    assert not at.exception and "All 300 images chosen" in words(at)
    at = open_page("dataset", run="gone", **asked)
    assert not at.exception and "All 300 images chosen" in words(at)


def test_kinds_of_maps_are_counted_with_their_mistakes(
    maps: Occlusion, known: pd.DataFrame
) -> None:
    table = looks.members(maps.run, maps)
    for name in ("circle", "cross", "square"):
        found = looks.kinds(maps, table, name, "train")
        mine = known[known["predicted"] == name]
        assert [kind.maps for kind in found] == [
            (mine["look"] == look).sum() for look in [*range(len(maps.looks(name))), -1]
        ]
        for look, kind in zip([*range(len(maps.looks(name))), -1], found, strict=True):
            its = mine[(mine["look"] == look) & (mine["split"] == "train")]
            assert (kind.wrong.n, kind.wrong.count) == (len(its), (~its["correct"]).sum())
            assert set(kind.rows["sample_id"]) == set(its["sample_id"])
        assert (found[-1].mean is None) == (found[-1].name == "flat map")


SCRIPT = """
from cache import open_workspace
from dashboard import looks
looks.show(open_workspace("shapes").run("plain"))
"""


def test_a_click_on_a_mean_map_shows_its_images(
    maps: Occlusion, known: pd.DataFrame, fire: Fire, shown: Shown
) -> None:
    at = AppTest.from_string(SCRIPT, default_timeout=30)
    at.query_params["look_class"], at.query_params["split"] = "cross", "train"
    at.run()
    assert not at.exception
    mean = shown(at, looks.MAPS)["tiles"]
    assert [tile["id"] for tile in mean] == [
        f"kind {n + 1}" for n in range(len(maps.looks("cross")))
    ]
    assert all(tile["src"].startswith("data:image/") for tile in mean)
    last = len(mean) - 1
    assert last > 0
    at = fire(at, looks.MAPS, {"n": 1, "opened": f"kind {last + 1}"})
    assert parameter(at, looks.LOOK) == f"kind {last + 1}"
    its = known[(known["predicted"] == "cross") & (known["split"] == "train")]
    its = its[its["look"] == last]
    assert {tile["id"] for tile in shown(at, looks.GALLERY)["tiles"]} == set(its["sample_id"])
    at = fire(at, looks.GALLERY, {"n": 1, "opened": its["sample_id"].iloc[0]})
    assert parameter(at, "image") == its["sample_id"].iloc[0]


def test_a_run_without_maps_says_how_to_have_some(maps: Occlusion) -> None:
    at = AppTest.from_string(SCRIPT.replace("plain", "wide"), default_timeout=30).run()
    assert not at.exception
    assert "No maps are kept" in words(at) and "runs.wide.occlusion" in words(at)


def test_the_worst_kind_is_named_with_its_interval(maps: Occlusion) -> None:
    table = looks.members(maps.run, maps)
    table["correct"] = table[evidence.LOOK] != "kind 1"
    found = looks.kinds(maps, table, "circle", "train")
    n, wrong = sum(kind.wrong.n for kind in found), found[0].wrong.n
    said = looks.finding(found, "circle", "train")
    assert said.startswith(f"Of {n} train images with a map that are predicted as **circle**")
    assert f"{wrong} are wrong" in said
    assert f"**kind 1**: {number.percent(1)} ({wrong} of {wrong};" in said
    table["correct"] = True
    found = looks.kinds(maps, table, "circle", "train")
    assert looks.finding(found, "circle", "train").endswith("0 are wrong.")
