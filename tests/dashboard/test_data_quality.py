"""What is told of the quality of the data, beside what the stage found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cache import open_workspace
from cache.issues import open_label_issues
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
        "odd": {name: {"train": 0, "val": 0, "test": 0} for name in ODDITIES},
        "bound": 3.5,
        "duplicates": {
            "exact": {"pairs": 3, "conflicting": 1, "across_splits": 2},
            "near": {"pairs": 1, "conflicting": 1, "across_splits": 0},
        },
        "groups": {"all": 50, "crossing": 1, "images": 4},
        "slices": [SLICE],
        **changes,
    }


def test_the_finding_counts_everything() -> None:
    told = data_faults.finding(document())
    assert told == (
        "4 pairs of images that are the same, or nearly: 2 with conflicting labels, 2 across "
        "splits; 1 group of 50 in more than one split; 0 images out of the ordinary; 1 slice of 1 "
        "with an error rate out of line."
    )


def test_what_there_is_none_of_is_left_out() -> None:
    none = {"pairs": 0, "conflicting": 0, "across_splits": 0}
    groups = {"all": 0, "crossing": 0, "images": 0}
    content = document(duplicates={"exact": none, "near": none}, groups=groups, slices=[])
    told = data_faults.finding(content)
    assert told == "No two images are the same, or nearly; 0 images out of the ordinary."


def test_a_slice_is_told_with_its_rates_and_the_test() -> None:
    (row,) = data_quality.slice_table([SLICE]).to_dict("records")
    assert row["value"] == "2018\\-03"
    assert row["errors"].startswith("50.0") and "30 of 60" in row["errors"]
    assert row["all others"].startswith("5.0") and "20 of 400" in row["all others"]
    assert (row["adjusted p"], row[""]) == ("p < .001", "out of line")


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
