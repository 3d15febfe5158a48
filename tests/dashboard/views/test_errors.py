from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import data, opened
from tests.dashboard.conftest import make_workspace

Open = Callable[..., AppTest]
Fire = Callable[[AppTest, str, dict[str, Any]], AppTest]
Shown = Callable[[AppTest, str], dict[str, Any]]

MATRIX = "errors_matrix"
GALLERY = "errors_gallery"
VIEWER = "errors_viewer"


@pytest.fixture
def answers(workspaces: dict[str, Workspace]) -> pd.DataFrame:
    """What the run ``plain`` says of the test images of ``shapes``, highest loss first."""
    table = data.answers(workspaces["shapes"].run("plain"))
    return table[table["split"] == "test"].sort_values("loss", ascending=False, kind="stable")


def tiles(shown: Shown, at: AppTest) -> list[str]:
    return [tile["id"] for tile in shown(at, GALLERY)["tiles"]]


def said(at: AppTest, part: str) -> bool:
    everything = [*at.subheader, *at.markdown, *at.text, *at.caption]
    return any(part in each.value for each in everything)


def url(at: AppTest, name: str) -> list[str]:
    """Values of a parameter of the URL."""
    given = at.query_params.get(name, [])
    return [given] if isinstance(given, str) else list(given)


def press(at: AppTest, column: str, row: int) -> AppTest:
    """Press a button of a table, as the browser does: in the column so named."""
    protos = [each.proto for each in at.dataframe]
    trigger = next(
        each.button_click_widgets[column] for each in protos if column in each.button_click_widgets
    )
    states = at._tree.get_widget_states()
    state = WidgetState(id=trigger)
    state.string_trigger_value.data = json.dumps({"row": row, "label": "what it says"})
    states.widgets.append(state)
    return at._run(states)


def test_the_page_opens_on_the_mistakes_of_test(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes")
    assert not at.exception
    wrong = answers[~answers["correct"]]
    assert at.subheader[0].value.startswith(f"{len(wrong)} of 30 test images are wrong (")
    assert "Without the 1 that leaked from train" in at.subheader[0].value
    assert tiles(shown, at) == wrong["sample_id"].tolist()
    first = shown(at, GALLERY)["tiles"][0]
    assert first["mark"] == "wrong"
    assert first["lines"][:2] == [
        f"true {wrong['label'].iloc[0]}",
        f"predicted {wrong['predicted'].iloc[0]}",
    ]
    assert first["title"].startswith(f"{100 * wrong['confidence'].iloc[0]:.1f}")
    assert first["src"].startswith("/thumbnails/shapes/")


def test_a_click_on_a_cell_shows_exactly_its_images(
    answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes", min_confidence="99")
    classes = shown(at, MATRIX)["classes"]
    counts = shown(at, MATRIX)["counts"]
    for n, (true, predicted) in enumerate([(1, 1), (0, 2), (2, 1)], start=1):
        at = fire(at, MATRIX, {"n": n, "true": true, "predicted": predicted})
        wanted = answers.query(f"label == '{classes[true]}' & predicted == '{classes[predicted]}'")
        assert tiles(shown, at) == wanted["sample_id"].tolist()
        assert len(wanted) == counts[3 * true + predicted]
        assert url(at, "true") == [classes[true]]
        assert url(at, "predicted") == [classes[predicted]]
        assert shown(at, MATRIX)["true"] == true
    at = fire(at, MATRIX, {"n": 9, "true": None, "predicted": None})
    assert tiles(shown, at) == answers[~answers["correct"]]["sample_id"].tolist()
    assert not url(at, "true")


def test_a_click_on_a_class_shows_exactly_its_images(
    answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    at = fire(open_page("errors", workspace="shapes"), MATRIX, {"n": 1, "true": 1})
    assert tiles(shown, at) == answers.query("label == 'cross'")["sample_id"].tolist()
    at = fire(at, MATRIX, {"n": 2, "predicted": 2})
    assert tiles(shown, at) == answers.query("predicted == 'square'")["sample_id"].tolist()


def test_a_click_on_the_name_of_a_class_shows_its_images(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = press(open_page("errors", workspace="shapes"), "class", 2)
    assert tiles(shown, at) == answers.query("label == 'square'")["sample_id"].tolist()
    assert url(at, "true") == ["square"]


def test_a_click_on_a_confusion_shows_its_images(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes")
    table = next(each.value for each in at.dataframe if "pair" in each.value.columns)
    true, predicted = table["pair"].iloc[1].split(" → ")
    at = press(at, "pair", 1)
    wanted = answers.query(f"label == '{true}' & predicted == '{predicted}'")
    assert tiles(shown, at) == wanted["sample_id"].tolist()
    assert len(wanted) == table["count"].iloc[1]


def test_filters_come_from_the_url_and_go_there(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    given = {
        "true": "cross",
        "answer": "all",
        "min_confidence": "50",
        "max_confidence": "95",
        "sort": "least confident",
    }
    at = open_page("errors", workspace="shapes", **given)
    assert not at.exception
    wanted = answers.query("label == 'cross' & confidence >= .5 & confidence <= .95")
    order = wanted.sort_index().sort_values("confidence", kind="stable")["sample_id"].tolist()
    assert tiles(shown, at) == order
    assert shown(at, MATRIX)["true"] == 1
    at.multiselect(key="predicted").set_value(["circle", "square"]).run()
    assert url(at, "predicted") == ["circle", "square"]
    assert url(at, "true") == ["cross"]
    assert shown(at, MATRIX)["true"] is None, "several classes are no cell"
    at.button(key="errors_reset").click().run()
    assert tiles(shown, at) == [
        each
        for each in answers.sort_index().sort_values("confidence", kind="stable")["sample_id"]
        if each in set(answers[~answers["correct"]]["sample_id"])
    ]
    assert not url(at, "true") + url(at, "predicted") + url(at, "min_confidence")


def test_the_split_is_chosen(answers: pd.DataFrame, open_page: Open, shown: Shown) -> None:
    at = open_page("errors", workspace="shapes", split="val")
    assert "val images" in at.subheader[0].value
    assert sum(shown(at, MATRIX)["counts"]) == 30
    at.segmented_control(key="split").set_value("train").run()
    assert sum(shown(at, MATRIX)["counts"]) == 90


def test_leaked_images_can_be_left_out(open_page: Open, shown: Shown, answers: Any) -> None:
    at = open_page("errors", workspace="shapes", answer="all")
    leaked = set(answers[answers["leaked"]]["sample_id"])
    assert leaked <= set(tiles(shown, at))
    at.toggle(key="without_leaks").set_value(True).run()
    assert sum(shown(at, MATRIX)["counts"]) == 30 - len(leaked)
    assert not leaked & set(tiles(shown, at))
    at.segmented_control(key="split").set_value("train").run()
    assert not at.exception
    assert sum(shown(at, MATRIX)["counts"]) == 90


def test_the_matrix_is_shown_as_asked(open_page: Open, shown: Shown, answers: Any) -> None:
    at = open_page("errors", workspace="shapes", cells="by row", hide_diagonal="true")
    assert (shown(at, MATRIX)["normalise"], shown(at, MATRIX)["hide_diagonal"]) == ("row", True)


def test_an_image_opens_and_the_arrows_walk_in_order(
    answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    wrong = answers[~answers["correct"]]["sample_id"].tolist()
    at = open_page("errors", workspace="shapes")
    at = fire(at, GALLERY, {"n": 1, "opened": wrong[1]})
    assert url(at, "image") == [wrong[1]]
    assert (shown(at, VIEWER)["index"], shown(at, VIEWER)["total"]) == (1, len(wrong))
    at = fire(at, VIEWER, {"n": 1, "action": "next"})
    assert url(at, "image") == [wrong[2]]
    assert shown(at, VIEWER)["index"] == 2
    assert wrong[2] in shown(at, VIEWER)["src"]
    at = fire(at, VIEWER, {"n": 2, "action": "close"})
    assert not url(at, "image")
    assert VIEWER not in [each.key for each in at.get("bidi_component")]


def test_an_open_image_says_what_is_known(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    sample = answers[~answers["correct"]].iloc[0]
    at = open_page("errors", workspace="shapes", image=sample["sample_id"])
    assert not at.exception
    assert said(at, f"wrong: true {sample['label']}, predicted {sample['predicted']}")
    facts = at.table[0].value.iloc[:, -1]
    assert sample["sample_id"] in facts.tolist()
    assert facts["Loss"] == f"{sample['loss']:.3f} nats".replace(".", r"\.")
    link = at.code[0].value
    assert link.startswith("/errors?") or "/errors?" in link
    assert f"image={sample['sample_id']}" in link and "workspace=shapes" in link


def test_an_image_opens_by_its_link_whatever_the_filters_let_through(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    right = answers[answers["correct"]]["sample_id"].iloc[0]
    at = open_page("errors", workspace="shapes", image=right)
    assert not at.exception
    assert (shown(at, VIEWER)["index"], shown(at, VIEWER)["total"]) == (0, 1)


def test_an_image_leads_to_the_dataset_page(answers: pd.DataFrame, open_page: Open) -> None:
    sample_id = answers["sample_id"].iloc[0]
    at = open_page("errors", workspace="shapes", image=sample_id)
    next(each for each in at.button if each.label == "Show on the dataset page").click().run()
    assert not at.exception
    assert at.title[0].value == "Dataset"
    assert url(at, "image") == [sample_id]


def test_a_link_to_what_is_not_there_says_so(answers: pd.DataFrame, open_page: Open) -> None:
    at = open_page("errors", workspace="shapes", image="nowhere", true="hexagon")
    assert not at.exception
    assert said(at, "No such image") and said(at, "'nowhere'")
    at.button(key="errors_unknown").click().run()
    assert not said(at, "No such image")
    assert not url(at, "image")


def test_an_unknown_class_is_left_out_and_named(workspaces: Any, open_page: Open) -> None:
    at = open_page("errors", workspace="shapes", true=["hexagon", "cross"])
    assert not at.exception
    assert said(at, "No such class") and said(at, "hexagon")
    assert at.multiselect(key="true").value == ["cross"]


def test_filters_that_match_nothing_say_so(
    answers: pd.DataFrame, open_page: Open, shown: Shown
) -> None:
    at = open_page("errors", workspace="shapes", max_confidence="1")
    assert tiles(shown, at) == []
    assert shown(at, GALLERY)["empty"].startswith("No image passes these filters.")
    assert all(each.disabled for each in at.get("download_button"))
    at.button(key="errors_reset").click().run()
    assert tiles(shown, at)


def test_a_run_without_mistakes(cache_folder: Path, open_page: Open, shown: Shown) -> None:
    make_workspace(cache_folder, "easy", runs={"cnn": {"skill": 60.0, "epochs": 3}})
    at = open_page("errors", workspace="easy")
    assert not at.exception
    assert at.subheader[0].value.startswith("None of 30 test images is wrong (0.0")
    assert said(at, "No confusions")
    assert "Choose right or all" in shown(at, GALLERY)["empty"]


@pytest.mark.parametrize("until", [None, "train"])
def test_a_run_without_predictions_names_the_command(
    cache_folder: Path, open_page: Open, until: str | None
) -> None:
    runs = {"cnn": {"skill": 1.0, "epochs": 3, "until": until}}
    make_workspace(cache_folder, "half", runs=runs)
    at = open_page("errors", workspace="half")
    assert not at.exception
    assert at.title[0].value == "Errors"
    assert said(at, "Not made yet")
    assert [each.value for each in at.code] == ["python -m pipelines run half"]


def test_the_channel_is_chosen(workspaces: Any, open_page: Open, shown: Shown) -> None:
    at = open_page("errors", workspace="stamps", channel="science", answer="all")
    assert "/science/" in shown(at, GALLERY)["tiles"][0]["src"]
    at.segmented_control(key="channel").set_value("template").run()
    assert "/template/" in shown(at, GALLERY)["tiles"][0]["src"]
    assert shown(at, GALLERY)["pixelated"] is True


def test_the_channel_that_the_model_reads_is_shown_at_first(
    workspaces: Any, open_page: Open, shown: Shown
) -> None:
    document = workspaces["stamps"].runs()[0].artefact("train").path("run.json")
    before = document.read_text(encoding="utf-8")
    try:
        content = json.loads(before)
        document.write_text(json.dumps({**content, "channels": ["science"]}), encoding="utf-8")
        at = open_page("errors", workspace="stamps", answer="all")
        assert "/science/" in shown(at, GALLERY)["tiles"][0]["src"]
    finally:
        document.write_text(before, encoding="utf-8")


def test_a_long_list_has_pages_which_the_url_names(
    cache_folder: Path, open_page: Open, fire: Fire, shown: Shown
) -> None:
    make_workspace(cache_folder, "long", count=600)
    at = open_page("errors", workspace="long", answer="all", mistakes_page="2")
    assert len(tiles(shown, at)) == 30
    assert said(at, "31 to 60 of 120")
    at = fire(at, MATRIX, {"n": 1, "true": 0})
    assert said(at, "Shown: 1 to 30 of") or said(at, "Shown: all")


def test_ticked_images_stay_over_pages_filters_and_links(
    answers: pd.DataFrame, open_page: Open, fire: Fire, shown: Shown
) -> None:
    ids = answers["sample_id"].tolist()
    at = open_page("errors", workspace="shapes", answer="all")
    assert "Table of 30 found (CSV)" in [each.label for each in at.get("download_button")]
    at = fire(at, GALLERY, {"n": 1, "added": ids[:2], "removed": []})
    assert "Table of 2 selected (CSV)" in [each.label for each in at.get("download_button")]
    assert url(at, "selected") == [".".join(ids[:2])]
    copied = open_page("errors", workspace="shapes", answer="all", selected=".".join(ids[:2]))
    assert shown(copied, GALLERY)["selected"] == ids[:2]
    at.segmented_control(key="answer").set_value("right").run()
    assert "Images of 2 selected (ZIP)" in [each.label for each in at.get("download_button")]
    at.selectbox(key="workspace").select("stamps").run()
    assert not at.exception
    assert not url(at, "selected")


def test_two_hundred_classes(cache_folder: Path, open_page: Open, shown: Shown) -> None:
    names = tuple(f"species of plant {place}" for place in range(200))
    runs = {"cnn": {"skill": 4.0, "epochs": 3}}
    workspace = make_workspace(cache_folder, "species", count=3000, classes=names, runs=runs)
    at = open_page("errors", workspace="species")
    assert not at.exception
    assert len(shown(at, MATRIX)["counts"]) == 200 * 200
    assert len(tiles(shown, at)) == 30
    run = workspace.run("cnn")
    table = data.answers(run)
    lost = table[table["split"] == "test"].sort_values("loss").iloc[-1]
    at = open_page("errors", workspace="species", image=lost["sample_id"])
    assert not at.exception
    assert said(at, "The true class stands at place")


def test_what_is_not_known_of_an_image_is_left_out() -> None:
    known = {"loss": 0.5, "margin": 0.2, "split": "test", "split_made": True, "leaked": False}
    place = {"width": 8, "height": 8, "path": None, "group": None, "sample_id": "a1"}
    more = {"meta_snr": np.nan, "meta_magnitude": 21.25, "meta_kind": "cosmic ray"}
    facts = opened.facts_table(pd.Series({**known, **place, **more}, dtype="object"))["value"]
    assert facts[["Magnitude", "Kind"]].tolist() == ["21\\.25", "cosmic ray"]
    assert not {"Snr", "Path", "Group", "Leaked"} & set(facts.index)
