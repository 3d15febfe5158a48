"""The error sheet: everything about one image, and what it says where parts are missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.issues import open_label_issues
from cache.occlusion import open_occlusion
from cache.reviews import Verdict, open_reviews
from dashboard import pages, quality_flags, selection
from pipelines.methods.data_faults import MEANS
from pipelines.methods.oddities import ODDITIES
from tests.dashboard.conftest import Shown, parameter

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def no_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty place for reviews."""
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'reviews.sqlite'}")


def of(workspace: Workspace, correct: bool) -> Any:
    """The first test image that the run has right, or wrong."""
    found = workspace.run("plain").predictions()
    return found[(found["split"] == "test") & (found["correct"] == correct)].iloc[0]


def words(at: AppTest) -> str:
    assert not at.exception, at.exception
    return " ".join(each.value for each in (*at.subheader, *at.markdown, *at.caption, *at.text))


@pytest.mark.parametrize("correct", [False, True])
def test_everything_of_an_image_is_on_its_sheet(
    workspaces: dict[str, Workspace], open_page: Open, shown: Shown, correct: bool
) -> None:
    sample = of(workspaces["shapes"], correct)
    at = open_page("sheet", workspace="shapes", run="plain", image=sample["sample_id"])
    said = words(at)
    expected = "is right, with" if correct else f"is taken for {sample['predicted']}, with"
    assert expected in at.subheader[0].value
    label = sample["label"]
    samples = workspaces["shapes"].samples().set_index("sample_id")
    which = "its class" if correct else "the true class"
    others = "the second most probable class" if correct else "the predicted class"
    third = "the third most probable class"
    tiles = shown(at, f"sheet_{which}")["tiles"]
    assert len(tiles) == 5 and {samples.loc[tile["id"], "label"] for tile in tiles} == {label}
    assert sample["sample_id"] not in {tile["id"] for tile in tiles}
    assert len(shown(at, f"sheet_{others}")["tiles"]) == 5
    (last,) = {samples.loc[tile["id"], "label"] for tile in shown(at, f"sheet_{third}")["tiles"]}
    assert last not in (label, sample["predicted"])
    assert sample["sample_id"] in shown(at, "sheet_Image")["src"]
    assert "The cache has no map of this image" in said
    judged = open_label_issues(workspaces["shapes"].run("plain"), "head").table()
    found = judged.set_index("sample_id").loc[sample["sample_id"]]
    assert f"suspicion {found['suspicion']:.2f}, rank {found['rank']} of 150" in said
    assert "No reviewer has judged this image" in said
    assert at.button(key="sheet_to_errors").disabled is False


def test_its_own_buttons_lead_to_every_page(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    sample = of(workspaces["shapes"], False)
    at = open_page("sheet", workspace="shapes", run="plain", image=sample["sample_id"])
    at.button(key="sheet_to_dataset").click().run()
    assert parameter(at, "image") == sample["sample_id"]
    assert at.title[0].value == "Dataset"
    at.button(key="dataset_to_sheet").click().run()
    assert at.title[0].value == "Error sheet" and not at.exception


def test_the_map_of_the_cache_is_laid_over_the_image(
    open_page: Open, shown: Shown, real_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real_digits))
    run = Workspace("digits", real_digits / "digits").run("hits")
    mapped = open_occlusion(run, "five").mapped().iloc[0]
    at = open_page("sheet", workspace="digits", run="hits", image=mapped["sample_id"])
    assert shown(at, "sheet_Map")["overlay"] is not None
    assert "from the maps five of the cache" in words(at)


def test_without_a_map_in_the_cache_one_is_computed_on_a_click_alone(
    open_page: Open, shown: Shown, real_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real_digits))
    run = Workspace("digits", real_digits / "digits").run("hits")
    found = run.predictions()
    other = ~found["sample_id"].isin(open_occlusion(run, "five").mapped()["sample_id"])
    sample_id = found["sample_id"][other].iloc[0]
    at = open_page("sheet", workspace="digits", run="hits", image=sample_id)
    assert "The cache has no map of this image" in words(at)
    next(each for each in at.button if each.label == "Compute the map").click().run()
    assert shown(at, "sheet_Map")["overlay"] is not None


def test_reviews_of_the_image_are_told(workspaces: dict[str, Workspace], open_page: Open) -> None:
    sample = of(workspaces["shapes"], False)
    with open_reviews() as reviews:
        said = (sample["sample_id"], str(sample["label"]), "wrong", "Anna")
        reviews.add(Verdict("shapes", *said, decided=str(sample["predicted"]), note="*sure*"))
    at = open_page("sheet", workspace="shapes", run="plain", image=sample["sample_id"])
    told = next(each.value for each in at.table if "reviewer" in each.value.columns)
    assert told["reviewer"].tolist() == ["Anna"] and told["note"].tolist() == [r"\*sure\*"]
    assert "No reviewer has judged" not in words(at)


def test_what_was_said_of_another_label_is_told_to_be_out_of_date(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    sample = of(workspaces["shapes"], False)
    with open_reviews() as reviews:
        for reviewer, given in (("Anna", str(sample["label"])), ("Bob", str(sample["predicted"]))):
            reviews.add(Verdict("shapes", sample["sample_id"], given, "right", reviewer))
    at = open_page("sheet", workspace="shapes", run="plain", image=sample["sample_id"])
    told = next(each.value for each in at.table if "reviewer" in each.value.columns)
    says = dict(zip(told["reviewer"], told["says"], strict=True))
    assert "no longer counted" not in says["Anna"]
    assert f"the given label was {sample['predicted']} then: no longer counted" in says["Bob"]


def test_an_unknown_image_and_none_are_said(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("sheet", workspace="shapes", run="plain", image="<b>none")
    assert "No such image" in words(at) and "<b>none" in words(at)
    assert "No image named" in words(open_page("sheet", workspace="shapes", run="plain"))


def test_a_run_without_predictions_or_neighbours_says_so(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    shapes = workspaces["shapes"]
    sample = of(shapes, False)
    at = open_page("sheet", workspace="shapes", run="wide", image=sample["sample_id"])
    assert "has no neighbours yet" in words(at)
    shutil.rmtree(shapes.run("wide").artefact("predictions").folder)
    at = open_page("sheet", workspace="shapes", run="wide", image=sample["sample_id"])
    assert "Not made yet" in words(at)


def test_what_is_odd_about_an_image_is_counted(workspaces: dict[str, Workspace]) -> None:
    samples = workspaces["shapes"].samples()
    last = len(samples) - 1
    told = dict(quality_flags.flags(samples, last, [0]))
    assert told["Identical images"] == "1 in train" and "Leaked" in told
    assert told["Near-duplicates"].startswith("1 in train")
    bright = samples.assign(mean=samples["mean"].where(samples.index != 7, 50.0))
    assert ("Out of the ordinary", MEANS["bright"]) in quality_flags.flags(bright, 7, [])
    judged = pd.Series({kind: kind == "blurred" for kind in ODDITIES})
    assert ("Out of the ordinary", MEANS["blurred"]) in quality_flags.flags(samples, 7, [], judged)
    grouped = samples.assign(group=["a"] * 2 + [None] * (last - 2) + ["a"])
    told = dict(quality_flags.flags(grouped, 0, []))
    assert told["Group in several splits"] == "a: 3 images in train, test"


def test_the_page_is_not_in_the_menu() -> None:
    assert list(pages.FILES)[-1] == "sheet"
    assert selection.url("sheet", image="x") == "/sheet?image=x"
