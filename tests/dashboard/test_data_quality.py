"""What is told of the quality of the data, beside what the stage found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import SPLITS, open_workspace
from cache.issues import open_label_issues
from cache.tables import write_table
from dashboard import data_quality
from pipelines.methods import data_faults
from pipelines.methods.oddities import ODDITIES
from tests.dashboard.conftest import Shown

SLICE = {
    "column": "meta_month",
    "value": "2018-03",
    "errors": {"value": 0.5, "low": 0.377, "high": 0.623, "n": 60, "count": 30},
    "others": {"value": 0.05, "low": 0.033, "high": 0.076, "n": 400, "count": 20},
    "p_value": 1e-9,
    "out_of_line": True,
}


def show() -> None:
    from cache import open_workspace
    from cache.issues import open_label_issues
    from dashboard import data_quality

    data_quality.show(open_label_issues(open_workspace("digits").run("hits"), "head"), "image")


def document(**changes: Any) -> dict[str, Any]:
    return {
        "embedding": "pixels",
        "near": {"neighbours": 10, "correlation": 0.995},
        "odd": {name: {"train": 1, "val": 0, "test": 0} for name in ODDITIES},
        "odd_images": 2,
        "bound": 3.5,
        "duplicates": {
            "exact": {"pairs": 3, "conflicting": 1, "across_splits": 2},
            "near": {"pairs": 1, "conflicting": 1, "across_splits": 0},
        },
        "groups": {"all": 50, "crossing": 1, "images": 4},
        "slices": [SLICE],
        "unsliced": [],
        **changes,
    }


def test_the_finding_counts_everything() -> None:
    told = data_faults.finding(document())
    assert told == (
        "4 pairs of images that are the same, or nearly: 2 with conflicting labels, 2 across "
        "splits; 1 group of 50 in more than one split; 2 images out of the ordinary; 1 slice of 1 "
        "with an error rate out of line, 1 of them worse than the others."
    )


def test_what_there_is_none_of_is_left_out() -> None:
    none = {"pairs": 0, "conflicting": 0, "across_splits": 0}
    groups = {"all": 0, "crossing": 0, "images": 0}
    content = document(duplicates={"exact": none, "near": none}, groups=groups, slices=[])
    told = data_faults.finding(content)
    assert told == (
        "No two images are the same, and none nearly so among the 10 nearest of each; 2 images out "
        "of the ordinary."
    )


def test_what_was_looked_for_is_told() -> None:
    told = data_faults.nearly(document())
    assert "correlation of the pixels of 0.995 or more" in told
    assert "among the 10 nearest of each image in pixels alone" in told
    assert data_faults.unsliced(document()) is None
    columns = data_faults.unsliced(document(unsliced=["meta_scan_file", "source"]))
    assert columns is not None and columns.endswith(": scan file, source.")


def test_groups_in_several_splits_are_listed_with_their_images(
    real_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    copy = shutil.copytree(real_digits, tmp_path / "cache")
    monkeypatch.setenv("CENTAURO_CACHE", str(copy))
    workspace = open_workspace("digits", copy)
    issues = open_label_issues(workspace.run("hits"), "head")
    at = AppTest.from_function(show, default_timeout=60).run()
    assert "Groups in more than one split" not in [each.value for each in at.subheader]

    samples = workspace.samples()
    of = {split: samples.index[samples["split"] == split] for split in SPLITS}
    small = [of["val"][0], of["test"][0]]
    large = [*of["train"][:13], of["test"][1]]
    groups = pd.Series(None, samples.index, dtype=object)
    groups[small], groups[large], groups[of["train"][20:22]] = "p<1>", "p_2", "whole"
    path, classes = workspace.artefact("samples").path("samples.parquet"), workspace.dataset.classes
    write_table(samples.assign(group=groups), path, "samples", classes)
    quality = issues.quality().assign(crosses=groups.isin(["p<1>", "p_2"]))
    write_table(quality, issues.artefact("quality").path("quality.parquet"), "quality", classes)
    st.cache_resource.clear()
    at = AppTest.from_function(show, default_timeout=60).run()
    assert not at.exception
    told = [each.value for each in at.markdown]
    assert r"**p\_2**: 14 images, 13 in train, 1 in test" in told
    assert "**p\\<1\\>**: 2 images, 1 in val, 1 in test" in told
    assert not [each for each in told if "whole" in each]
    assert len(shown(at, "group_0")["tiles"]) == 12
    tiles = shown(at, "group_1")["tiles"]
    assert [tile["id"] for tile in tiles] == samples["sample_id"][small].tolist()
    assert "12 of 14 shown." in [each.value for each in at.caption]


def test_a_slice_is_told_with_its_rates_and_the_test() -> None:
    (row,) = data_quality.slice_table([SLICE]).to_dict("records")
    assert row["value"] == "2018\\-03"
    assert row["errors"].startswith("50.0") and "30 of 60" in row["errors"]
    assert row["all others"].startswith("5.0") and "20 of 400" in row["all others"]
    assert (row["adjusted p"], row["out of line"]) == ("p < .001", "worse")


def test_the_others_of_a_bad_slice_are_not_counted_with_it() -> None:
    other = {**SLICE, "value": "2018-04", "errors": SLICE["others"], "others": SLICE["errors"]}
    usual = {**SLICE, "value": "2018-06", "out_of_line": False}
    slices = [SLICE, other, usual]
    told = data_faults.finding(document(slices=slices))
    assert told.endswith(
        "2 slices of 3 with an error rate out of line, 1 of them worse than the others."
    )
    assert data_quality.slice_table(slices)["out of line"].tolist() == ["worse", "better", ""]


def test_the_oddest_images_of_the_commonest_kind_are_shown(
    real_digits: Path, monkeypatch: pytest.MonkeyPatch, shown: Shown
) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real_digits))
    issues = open_label_issues(open_workspace("digits", real_digits).run("hits"), "head")
    table = issues.quality()
    blurred = table[table["blurred"]].sort_values("sharpness")
    assert len(blurred), "digits have some"
    at = AppTest.from_function(show, default_timeout=60).run()
    assert not at.exception
    tiles = shown(at, "odd_blurred")["tiles"]
    assert [tile["id"] for tile in tiles] == blurred["sample_id"].tolist()[:40]
    assert tiles[0]["lines"][1] == f"{blurred['sharpness'].iloc[0]:.3g}"


def test_what_was_not_looked_at_names_the_command(
    real_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(real_digits, tmp_path / "cache")
    shutil.rmtree(copy / "digits/runs/hits/issues/head/quality")
    monkeypatch.setenv("CENTAURO_CACHE", str(copy))
    at = AppTest.from_function(show, default_timeout=60).run()
    assert "Not looked at yet" in at.markdown[0].value
    assert at.code[0].value == "x"
