from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import data, disputed
from dashboard.compared import answers as side_by_side
from pipelines.methods.comparison import mcnemar
from tests.dashboard.conftest import make_workspace, parameter

Open = Callable[..., AppTest]
Fire = Callable[[AppTest, str, dict[str, Any]], AppTest]
Shown = Callable[[AppTest, str], dict[str, Any]]

GALLERY = "compare_gallery"
VIEWER = "errors_viewer"
RUNS = {
    "small": {"skill": 1.5, "epochs": 8},
    "wide": {"skill": 3.0, "epochs": 5, "settings": {"batch_size": 64}},
    "deep": {"skill": 3.2, "epochs": 6},
}


@pytest.fixture
def test_answers(workspaces: dict[str, Workspace]) -> pd.DataFrame:
    """What ``plain`` and ``wide`` say of the test images of ``shapes``, side by side."""
    first, second = (
        data.predictions(workspaces["shapes"].run(name)).query("split == 'test'")
        for name in ("plain", "wide")
    )
    return first.merge(second, on=["sample_id", "label"], suffixes=("", "_wide"))


@pytest.fixture
def three(cache_folder: Path) -> Workspace:
    """Three runs on two classes, one of them positive, with a leaked test image."""
    return make_workspace(
        cache_folder, "three", runs=RUNS, classes=("circle", "cross"), positive="cross", count=400
    )


def tiles(shown: Shown, at: AppTest) -> list[str]:
    return [tile["id"] for tile in shown(at, GALLERY)["tiles"]]


def said(at: AppTest, part: str) -> bool:
    everything = [*at.subheader, *at.markdown, *at.text, *at.caption]
    return any(part in each.value for each in everything)


def ids(table: pd.DataFrame, question: str) -> set[str]:
    return set(table.query(question)["sample_id"])


def test_the_page_opens_with_the_difference_of_the_first_two_runs(
    test_answers: pd.DataFrame, open_page: Open
) -> None:
    at = open_page("compare", workspace="shapes")
    assert not at.exception
    assert at.multiselect(key="compared").value == ["plain", "wide"]
    right, right_wide = (test_answers[name].to_numpy() for name in ("correct", "correct_wide"))
    p_value = mcnemar(right, right_wide).p_value
    start = "No difference in accuracy between" if p_value >= 0.05 else "wide is right on"
    assert at.subheader[0].value.startswith(start)
    assert "Without the 1 that leaked from train" in at.subheader[0].value
    table = at.table[0].value
    assert table.loc["accuracy, n = 30", "plain"].startswith(f"{100 * right.mean():.1f}")
    assert any("without leaked, n = 29" in name for name in table.index)
    points = 100 * (right_wide.mean() - right.mean())
    assert at.table[1].value.iloc[0, 0].startswith(f"{points:+.1f} points")


def test_a_cell_shows_exactly_its_images(
    test_answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = open_page("compare", workspace="shapes")
    for cell, question in (
        ("first", "correct & ~correct_wide"),
        ("second", "~correct & correct_wide"),
        ("neither", "~correct & ~correct_wide"),
        ("both", "correct & correct_wide"),
    ):
        button = at.button(key=f"compare_{cell}")
        wanted = ids(test_answers, question)
        assert button.label.startswith(f"**{len(wanted)}** ")
        at = button.click().run()
        assert parameter(at, "which") == cell
        found = tiles(shown, at)
        assert set(found) <= wanted and len(found) == min(len(wanted), disputed.PER_PAGE)
    other = open_page("compare", workspace="shapes", which="first")
    assert set(tiles(shown, other)) == ids(test_answers, "correct & ~correct_wide")


def test_a_click_on_a_matrix_shows_where_the_other_run_says_something_else(
    test_answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("compare", workspace="shapes")
    classes = shown(at, "compare_matrix_second")["classes"]
    differ = test_answers.query("predicted != predicted_wide")
    true, predicted = differ[["label", "predicted_wide"]].iloc[0]
    cell = {"true": classes.index(true), "predicted": classes.index(predicted)}
    at = fire(at, "compare_matrix_second", {"n": 1, **cell})
    wanted = ids(differ, f"label == '{true}' & predicted_wide == '{predicted}'")
    assert set(tiles(shown, at)) == wanted
    assert parameter(at, "which") == f"differ~second~{true}~{predicted}"
    assert shown(at, "compare_matrix_second")["true"] == cell["true"]
    assert shown(at, "compare_matrix_first")["true"] is None
    at = fire(at, "compare_matrix_second", {"n": 2, "true": None, "predicted": None})
    assert "which" not in at.query_params


def test_an_image_opens_with_the_answers_of_both_runs(
    test_answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("compare", workspace="shapes", which="second")
    first = tiles(shown, at)[0]
    at = fire(at, GALLERY, {"n": 1, "opened": first})
    assert not at.exception
    assert parameter(at, "image") == first
    assert shown(at, VIEWER)["index"] == 0
    row = test_answers.set_index("sample_id").loc[first]
    assert said(at, f"plain wrong: true {row['label']}, predicted {row['predicted']}")
    assert said(at, f"wide right: true {row['label']}, predicted {row['predicted_wide']}")
    assert "/compare?" in at.code[0].value and "which=second" in at.code[0].value


def test_the_selected_run_is_the_reference(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("compare", workspace="shapes", run="wide")
    assert list(at.table[1].value.columns) == ["plain minus wide"]
    at.selectbox(key="run").select("plain").run()
    assert list(at.table[1].value.columns) == ["wide minus plain"]


def test_three_runs_are_compared_pair_by_pair(three: Workspace, open_page: Open) -> None:
    at = open_page("compare", workspace="three", compared=["small", "wide", "deep"])
    assert not at.exception
    assert at.subheader[0].value.startswith("Of 3 runs ")
    assert "of 3 pairs" in at.subheader[0].value
    measures, _, pairs, hits, same = (each.value for each in at.table[:5])
    names = [name.partition(",")[0] for name in measures.index]
    assert names[::2] == ["accuracy", "macro F1", "recall of cross", "F2 of cross", "loss"]
    assert pairs["runs"].tolist() == ["small and wide", "small and deep", "wide and deep"]
    assert pairs["adjusted (Holm)"].str.startswith("p ").all()
    assert hits.loc["small", "wide"] == hits.loc["wide", "small"] != "–"
    assert same.shape == (3, 3)
    assert at.selectbox(key="against").value == "wide"
    at.selectbox(key="against").select("deep").run()
    assert at.button(key="compare_second").label.split("  \n")[0].endswith("only deep right")


def test_classes_are_sorted_by_the_difference_of_their_recall(
    test_answers: pd.DataFrame, open_page: Open
) -> None:
    at = open_page("compare", workspace="shapes")
    (table,) = (each.value for each in at.dataframe)
    by_class = test_answers.groupby("label", observed=True)
    expected = 100 * (by_class["correct_wide"].mean() - by_class["correct"].mean())
    found = table.set_index("class")
    assert found["difference"].to_dict() == pytest.approx(expected.to_dict())
    assert table["difference"].abs().is_monotonic_decreasing
    alone = test_answers.query("correct & ~correct_wide")["label"].value_counts()
    assert found["only_second"].to_dict() == alone.to_dict()


def test_leaked_images_can_be_left_out(three: Workspace, open_page: Open) -> None:
    at = open_page("compare", workspace="three", without_leaks="true")
    assert said(at, "Of 79 images")
    assert at.table[0].value.index[0].endswith("n = 80"), "the tables always give both"


def test_val_was_looked_at_and_test_may_have_been(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("compare", workspace="shapes")
    assert not said(at, "chosen on")
    at.segmented_control(key="split").set_value("val").run()
    assert said(at, "plain, wide: chosen on val")
    at.segmented_control(key="split").set_value("train").run()
    assert said(at, "The runs were fitted to these images")
    path = workspaces["shapes"].run("wide").artefact("train").path("run.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "selected_on": "test"}))
    at.segmented_control(key="split").set_value("test").run()
    assert said(at, "wide: chosen on test") and said(at, "no image left to be judged on")


def test_runs_that_were_not_asked_the_same_images(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown
) -> None:
    # Not by the dashboard's own reading, which would keep what is about to change.
    plain, wide = (workspaces["shapes"].run(name) for name in ("plain", "wide"))
    asked = wide.predictions()
    gone = asked.query("split == 'test'")["sample_id"].iloc[:4]
    kept = asked[~asked["sample_id"].isin(gone)]
    kept.to_parquet(wide.artefact("predictions").path("predictions.parquet"), index=False)
    at = open_page("compare", workspace="shapes", which="second")
    assert not at.exception
    assert said(at, "The runs do not share their test images") and said(at, "wide (4 missing)")
    assert said(at, "Of 26 images")
    both = plain.predictions().merge(kept, on=["sample_id", "split"], suffixes=("", "_wide"))
    wanted = ids(both, "split == 'test' & ~correct & correct_wide")
    assert set(tiles(shown, at)) == wanted


def test_predictions_of_other_samples_are_left_out(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    path = workspaces["shapes"].run("wide").artefact("predictions").path("manifest.json")
    manifest = json.loads(path.read_text())
    manifest["inputs"]["samples"] = "another"
    path.write_text(json.dumps(manifest))
    at = open_page("compare", workspace="shapes")
    assert not at.exception
    assert said(at, "wide is left out")
    assert said(at, "Of the 30 test images that it was asked, 30 are there.")
    assert said(at, "Choose two runs or more")


def test_one_run_is_told_how_to_get_another(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("compare", workspace="stamps")
    assert not at.exception
    assert said(at, "Comparing takes two runs") and said(at, "'stamps' has 1 run.")
    assert [each.value for each in at.code] == ["python -m pipelines run stamps"]


def test_runs_without_predictions_are_not_offered(cache_folder: Path, open_page: Open) -> None:
    half = {"epochs": 4, "skill": 3.0}
    make_workspace(cache_folder, "half", runs={"done": half, "begun": {**half, "until": "train"}})
    at = open_page("compare", workspace="half", compared=["done", "begun"])
    assert not at.exception
    assert said(at, "Fewer than two runs have predictions") and said(at, "Not made yet: begun.")


def test_a_link_to_runs_that_are_not_there_says_so(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("compare", workspace="shapes", compared=["plain", "wide", "gone"])
    assert not at.exception
    assert said(at, "No such run to compare") and said(at, ": gone.")
    assert at.multiselect(key="compared").value == ["plain", "wide"]


def test_the_ways_to_the_page_and_from_it(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown
) -> None:
    at = open_page(workspace="stamps")
    assert "open_compare_stamps" not in [each.key for each in at.button]
    at.button(key="open_compare_shapes").click().run()
    assert at.title[0].value == "Compare" and parameter(at, "workspace") == "shapes"
    at.button(key="compare_errors_wide").click().run()
    assert at.title[0].value == "Errors" and parameter(at, "run") == "wide"
    at = open_page("training", workspace="shapes", run="wide")
    at.button(key="training_compare").click().run()
    assert not at.exception
    assert at.title[0].value == "Compare"
    assert at.multiselect(key="compared").value == ["plain", "wide"]
    at = open_page("compare", workspace="shapes", which="second")
    wanted = tiles(shown, at)
    at.button(key="compare_map").click().run()
    assert at.title[0].value == "Embeddings" and parameter(at, "run") == "plain"
    assert said(at, f"**{len(wanted)} of 150 images**, test images, only wide right")


def test_the_table_for_download_has_what_every_run_says(three: Workspace) -> None:
    found = side_by_side(three.runs())
    rows = found.samples.index[found.samples["split"] == "test"].to_numpy()
    written = disputed.answers_csv(found, rows[[5, 0]])
    table = pd.read_csv(io.BytesIO(written), dtype={"sample_id": str})
    assert table["sample_id"].tolist() == found.samples["sample_id"].iloc[rows[[5, 0]]].tolist()
    for name in RUNS:
        said = data.predictions(three.run(name)).set_index("sample_id").loc[table["sample_id"]]
        assert table[f"{name} predicted"].tolist() == said["predicted"].tolist()
        assert table[f"{name} loss"].tolist() == pytest.approx(said["loss"].tolist(), rel=1e-4)
