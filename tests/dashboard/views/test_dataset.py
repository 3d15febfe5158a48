from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.artefact import read_json, write_json
from cache.tables import write_table
from dashboard import album, description, inspector
from dashboard.inspector import region_table
from tests.dashboard.conftest import make_workspace

Open = Callable[..., AppTest]
TABS = ("Summary", "Images", "Distributions", "Duplicates and leaks", "Rejected")


def change(
    workspace: Workspace,
    samples: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    rejected: pd.DataFrame | None = None,
    **dataset: Any,
) -> Workspace:
    """Rewrite parts of a workspace's samples, under another fingerprint."""
    artefact = workspace.artefact("samples")
    if samples is not None:
        changed = samples(workspace.samples())
        path = artefact.path("samples.parquet")
        write_table(changed, path, "samples", workspace.dataset.classes)
    if rejected is not None:
        write_table(rejected, artefact.path("rejected.parquet"), "rejected")
    document = {**dataclasses.asdict(workspace.dataset), **dataset}
    write_json(artefact.path("dataset.json"), document)
    manifest = read_json(artefact.path("manifest.json"))
    manifest["fingerprint"] = manifest["fingerprint"][::-1]
    write_json(artefact.path("manifest.json"), manifest)
    return Workspace(workspace.name, workspace.folder)


def tables(at: AppTest) -> list[pd.DataFrame]:
    return [table.value for table in at.table]


def words(at: AppTest) -> str:
    """Everything the page says in sentences."""
    places = (at.subheader, at.caption, at.markdown, at.text)
    return "\n".join(str(element.value) for place in places for element in place)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("name", ["shapes", "stamps"])
def test_every_section_opens(
    workspaces: dict[str, Workspace], open_page: Open, tab: str, name: str
) -> None:
    at = open_page("dataset", workspace=name, tab=tab)
    assert not at.exception
    assert at.title[0].value == "Dataset"
    assert at.session_state["tab"] == tab


def test_the_finding_is_made_from_the_data(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    counts = workspaces["shapes"].samples()["label"].value_counts()
    finding = open_page("dataset", workspace="shapes").subheader[0].value
    assert finding.startswith("150 images of 3 classes;")
    assert f"{counts.max() / counts.min():.2f} times" in finding
    assert f"({counts.max()} to {counts.min()})" in finding
    assert "1 of 60 images of val and test are known from train" in finding
    assert "4 images are there more than once" in finding
    assert "2 inputs were rejected" in finding


def test_the_numbers_are_those_of_the_pixels(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    images = workspaces["stamps"].images()
    assert images is not None
    at = open_page("dataset", workspace="stamps", units="native")
    table = next(each for each in tables(at) if "variance" in each)
    assert list(table.index) == ["all channels", "template", "science"]
    assert table.loc["all channels", "mean"] == pytest.approx(images.mean(), rel=1e-5)
    assert table.loc["science", "variance"] == pytest.approx(images[..., 1].var(), rel=1e-5)
    assert table.loc["template", "max"] == images[..., 0].max()


def test_everything_follows_the_filters(workspaces: dict[str, Workspace], open_page: Open) -> None:
    samples = workspaces["shapes"].samples()
    at = open_page("dataset", workspace="shapes", in_split="val", in_class="cross")
    chosen = samples[(samples["split"] == "val") & (samples["label"] == "cross")]
    assert f"{len(chosen)} of 150 images chosen: val; cross" in words(at)
    classes = at.dataframe[0].value
    assert classes["label"].tolist() == ["cross"]
    assert classes["images"].tolist() == [len(chosen)]
    assert tables(at)[0].loc["images", "value"] == str(len(chosen))


def test_filters_that_leave_nothing_say_so(cache_folder: Path, open_page: Open) -> None:
    make_workspace(cache_folder, "shapes")
    change(
        Workspace("shapes", cache_folder / "shapes"),
        lambda frame: frame.assign(meta_snr=np.arange(len(frame), dtype="float64")),
    )
    for tab in TABS[:4]:
        at = open_page("dataset", workspace="shapes", meta_snr_from="1e6", tab=tab)
        assert not at.exception
        assert "No image is left" in words(at)
    at = open_page("dataset", workspace="shapes", meta_snr_from="1e6", tab="Rejected")
    assert len(at.dataframe[0].value) == 2


def test_metadata_filters_and_draws(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "shapes")

    def with_metadata(frame: pd.DataFrame) -> pd.DataFrame:
        snr = np.linspace(0, 10, len(frame))
        snr[::3] = np.nan
        kind = np.where(np.arange(len(frame)) % 2, "dipole", "hot pixel")
        return frame.assign(meta_snr=snr, meta_kind=kind, meta_name=frame["sample_id"])

    frame = change(workspace, with_metadata).samples()
    at = open_page(
        "dataset",
        workspace="shapes",
        tab="Distributions",
        meta_snr_from="2",
        meta_snr_to="7.5",
        meta_kind="dipole",
    )
    assert not at.exception
    kept = frame["meta_snr"].between(2, 7.5) & (frame["meta_kind"] == "dipole")
    assert f"{kept.sum()} of 150 images chosen: snr from 2 to 7.5; kind: dipole" in words(
        at
    ).replace("\\", "")
    assert "**Snr**" in words(at)
    # A name for each image is no kind, however few are left.
    assert "**Kind**" in words(at) and "**Name**" not in words(at)


def test_rows_of_each_class_and_all_of_one(
    workspaces: dict[str, Workspace], open_page: Open, shown: Any
) -> None:
    samples = workspaces["shapes"].samples().set_index("sample_id")
    at = open_page("dataset", workspace="shapes", tab="Images")
    for name in ("circle", "cross", "square"):
        tiles = shown(at, f"of_class_{name}")["tiles"]
        assert len(tiles) == album.TILES_A_CLASS
        assert {samples.loc[tile["id"], "label"] for tile in tiles} == {name}
    at.button(key="all_of_cross").click().run()
    assert not at.exception
    total = int((samples["label"] == "cross").sum())
    assert len(shown(at, "dataset_list")["tiles"]) == min(total, album.TILES_A_PAGE)
    assert at.session_state["in_class"] == ["cross"]


@pytest.mark.parametrize("order", album.ORDERS)
def test_orders_keep_every_image(workspaces: dict[str, Workspace], order: str) -> None:
    frame = workspaces["shapes"].samples()
    for by_class in (True, False):
        arranged = album.arranged(frame, order, by_class)
        assert sorted(arranged["sample_id"]) == sorted(frame["sample_id"])
        if by_class:
            assert arranged["label"].cat.codes.is_monotonic_increasing
    if order == "brightest first":
        assert arranged["mean"].is_monotonic_decreasing


def test_channels_stand_side_by_side(
    workspaces: dict[str, Workspace], open_page: Open, shown: Any, fire: Any
) -> None:
    at = open_page(
        "dataset",
        workspace="stamps",
        tab="Images",
        grid="one list",
        panels="true",
        order="as stored",
    )
    tiles = shown(at, "dataset_list")["tiles"]
    assert [tile["title"] for tile in tiles[:4]] == ["template", "science"] * 2
    at = fire(at, "dataset_list", {"n": 1, "opened": tiles[3]["id"]})
    assert at.query_params["image"] == workspaces["stamps"].samples()["sample_id"].iloc[1]


def test_an_image_opens_and_others_follow_in_the_order_shown(
    workspaces: dict[str, Workspace], open_page: Open, shown: Any, fire: Any
) -> None:
    at = open_page("dataset", workspace="shapes", tab="Images", grid="one list", in_split="test")
    ids = [tile["id"] for tile in shown(at, "dataset_list")["tiles"]]
    at = fire(at, "dataset_list", {"n": 1, "opened": ids[1]})
    viewer = shown(at, "dataset_viewer")
    assert (viewer["index"], viewer["total"]) == (1, 30)
    assert ids[1] in viewer["src"]
    at = fire(at, "dataset_viewer", {"n": 1, "action": "next"})
    assert at.query_params["image"] == ids[2]
    assert ids[2] in shown(at, "dataset_viewer")["src"]
    at = fire(at, "dataset_viewer", {"n": 2, "action": "close"})
    assert "image" not in at.query_params
    assert not at.exception


def test_the_inspector_shows_the_numbers_of_the_region(
    workspaces: dict[str, Workspace], open_page: Open, fire: Any
) -> None:
    images = workspaces["stamps"].images()
    sample_id = workspaces["stamps"].samples()["sample_id"].iloc[5]
    assert images is not None
    at = open_page(
        "dataset", workspace="stamps", image=sample_id, units="native", channel="science"
    )
    at = fire(at, "dataset_viewer", {"n": 1, "region": [2, 1, 6, 4]})
    assert at.query_params["region"] == "2,1,6,4"
    science, template = at.dataframe[0].value, at.dataframe[1].value
    np.testing.assert_array_equal(science.to_numpy(), images[5, 1:4, 2:6, 1])
    np.testing.assert_array_equal(template.to_numpy(), images[5, 1:4, 2:6, 0])
    assert list(science.columns) == ["x 2", "x 3", "x 4", "x 5"]
    summary = next(
        each for each in tables(at) if list(each.columns) == ["min", "max", "mean", "std"]
    )
    assert summary.loc["science", "mean"] == pytest.approx(images[5, 1:4, 2:6, 1].mean())


def test_the_inspector_follows_a_link_and_scales(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    images = workspaces["shapes"].images()
    sample_id = workspaces["shapes"].samples()["sample_id"].iloc[3]
    assert images is not None
    at = open_page("dataset", workspace="shapes", image=sample_id, region="0,0,3,2")
    numbers = at.dataframe[0].value.to_numpy()
    np.testing.assert_allclose(numbers, images[3, :2, :3, 0] / 255, atol=6e-4)


@pytest.mark.parametrize("region", ["0,0,99,2", "a,b", "3,3,3,4", "-1,0,2,2"])
def test_a_region_that_is_none_shows_the_whole_small_image(
    workspaces: dict[str, Workspace], open_page: Open, region: str
) -> None:
    sample_id = workspaces["shapes"].samples()["sample_id"].iloc[3]
    at = open_page("dataset", workspace="shapes", image=sample_id, region=region)
    assert not at.exception
    assert at.dataframe[0].value.shape == (8, 8)


def test_a_large_region_is_cut_and_says_so() -> None:
    values = np.arange(40 * 50).reshape(40, 50)
    table, cut = region_table(values, (10, 5, 45, 12), None)
    assert cut
    assert table.shape == (7, inspector.MOST)
    assert table.iloc[0, 0] == values[5, 10]
    assert not region_table(values, (10, 5, 26, 21), None)[1]


def test_an_open_image_says_what_the_run_answers(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    answers = workspaces["shapes"].run("wide").predictions()
    wrong = answers[~answers["correct"]].iloc[0]
    at = open_page("dataset", workspace="shapes", run="wide", image=wrong["sample_id"])
    assert f"The run wide says **{wrong['predicted']}**" in words(at)
    assert "wrong" in words(at)
    at.button(key="dataset_to_errors").click().run()
    assert not at.exception
    assert at.title[0].value != "Dataset"
    assert at.query_params["image"] == wrong["sample_id"]


def test_an_image_that_is_not_there_is_named(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("dataset", workspace="shapes", image="ffffffffffffffff")
    assert "has no image 'ffffffffffffffff'" in words(at)
    at.button(key="dataset_close").click().run()
    assert "image" not in at.query_params


def test_an_image_outside_the_filters_is_shown_alone(
    workspaces: dict[str, Workspace], open_page: Open, shown: Any
) -> None:
    sample_id = workspaces["shapes"].samples()["sample_id"].iloc[0]
    at = open_page("dataset", workspace="shapes", image=sample_id, in_split="test")
    assert shown(at, "dataset_viewer")["total"] == 1
    assert "filters leave this image out" in words(at)


def test_duplicates_stand_in_groups_the_conflicting_first(
    cache_folder: Path, open_page: Open, shown: Any
) -> None:
    workspace = make_workspace(cache_folder, "shapes")

    def with_conflict(frame: pd.DataFrame) -> pd.DataFrame:
        other = "circle" if frame["label"].iloc[0] != "circle" else "cross"
        frame.loc[1, "label"] = other
        return frame

    frame = change(workspace, with_conflict).samples()
    at = open_page("dataset", workspace="shapes", tab="Duplicates and leaks")
    said = words(at)
    assert "4 images in 2 groups of identical pixels: 1 with conflicting labels, 1 across" in said
    assert said.index("labels differ") < said.index("across train and test")
    first = [tile["id"] for tile in shown(at, f"twins_{frame['content_hash'].iloc[0]}")["tiles"]]
    assert first == frame["sample_id"].iloc[:2].tolist()
    leaks = next(each for each in tables(at) if "known from train" in each)
    assert leaks.loc["test", "same pixels"] == 1
    assert leaks.loc["val", "known from train"] == 0


def test_nothing_wrong_is_said_in_words(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "clean", rejected=0)

    def without_twins(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(content_hash=frame["sample_id"], leaked=False)

    change(workspace, without_twins)
    at = open_page("dataset", workspace="clean", tab="Duplicates and leaks")
    assert "Nothing was rejected, no image is there twice" in at.subheader[0].value
    assert "No two of the 150 images have the same pixels" in words(at)
    assert "No image of val or test" in words(at)
    at = open_page("dataset", workspace="clean", tab="Rejected")
    assert "Nothing was rejected" in words(at)
    assert not at.exception


def test_rejected_inputs_are_counted_by_reason(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "shapes")
    refused = pd.DataFrame(
        {
            "path": [f"a_{row}.png" for row in range(5)],
            "label": [None, "cross", "cross", None, "cross"],
            "split": [None] * 5,
            "reason": ["it is *cut* off"] * 3 + ["it is no image"] * 2,
        }
    )
    change(workspace, rejected=refused, left_out={"blob": 12, "line": 1})
    at = open_page("dataset", workspace="shapes", tab="Rejected")
    assert not at.exception
    assert "The recipe leaves out 13 images of 2 other classes" in words(at)
    by_reason = next(each for each in tables(at) if "inputs" in each)
    assert by_reason["inputs"].astype(int).tolist() == [3, 2]
    assert len(at.dataframe[0].value) == 5
    assert at.get("download_button")


def test_where_the_splits_come_from_is_said(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "shapes")
    change(workspace, lambda frame: frame.assign(split_made=frame["split"] == "val"))
    said = words(open_page("dataset", workspace="shapes"))
    assert "Came with the data: train and test." in said
    assert "Taken out of train by Centauro: val (by class, identical images kept together" in said


def test_simulated_data_says_so_in_every_section(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    for tab in TABS[:3]:
        at = open_page("dataset", workspace="stamps", tab=tab)
        assert words(at).count("simulated survey") >= 2


def test_labels_flipped_on_purpose_are_told_of_wherever_the_data_is(
    cache_folder: Path, open_page: Open
) -> None:
    said = "2.5 % of the labels of train (3 of 120) were flipped on purpose."
    change(make_workspace(cache_folder, "noisy"), label_noise=said)
    at = open_page("dataset", workspace="noisy")
    assert words(at).count(said) >= 1
    assert said in [caption.value for caption in at.sidebar.caption]
    assert any("Flipped labels" in each.value for each in at.sidebar.markdown)
    overview = open_page()
    assert any(said in caption.value for caption in overview.caption)


def test_mixed_sizes_are_drawn(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "mixed")

    def with_sizes(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(width=np.arange(len(frame)) + 20, height=30, row=-1)

    change(workspace, with_sizes, shape=None)
    at = open_page("dataset", workspace="mixed", tab="Distributions")
    assert not at.exception
    assert "150 of 150 images drawn" in words(at)
    facts = tables(open_page("dataset", workspace="mixed"))[0]["value"]
    assert facts["shape"].startswith("mixed: height 30 to 30 (median 30), width 20 to 169")
    assert facts["different sizes"] == "150"


def test_two_hundred_classes_stay_readable(cache_folder: Path, open_page: Open, shown: Any) -> None:
    classes = tuple(f"species {place:03d}" for place in range(200))
    make_workspace(cache_folder, "birds", count=600, classes=classes, runs={})
    for tab in TABS:
        assert not open_page("dataset", workspace="birds", tab=tab).exception
    at = open_page("dataset", workspace="birds", tab="Images")
    galleries = [each for each in at.get("bidi_component") if each.key.startswith("of_class_")]
    assert len(galleries) == album.CLASSES_A_PAGE


def test_missing_samples_say_what_to_run(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "shapes")
    workspace.artefact("samples").path("manifest.json").unlink()
    at = open_page("dataset", workspace="shapes")
    assert not at.exception
    assert at.title[0].value == "Dataset"
    assert "python -m pipelines run shapes" in [code.value for code in at.code]


def test_missing_thumbnails_leave_the_rest(cache_folder: Path, open_page: Open) -> None:
    workspace = make_workspace(cache_folder, "shapes")
    workspace.artefact("thumbnails").path("manifest.json").unlink()
    at = open_page("dataset", workspace="shapes", tab="Images")
    assert not at.exception
    assert at.subheader[0].value.startswith("150 images")
    assert "Not made yet" in words(at)


def test_another_workspace_forgets_its_filters(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("dataset", workspace="shapes", in_class="cross", in_split="val")
    at.selectbox(key="workspace").select("stamps").run()
    assert not at.exception
    assert "All 150 images chosen" in words(at)


def test_equal_classes_are_called_so() -> None:
    frame = pd.DataFrame({"label": pd.Categorical(["a", "b"] * 10)})
    assert description._balance(frame) == "all classes are equally large"
