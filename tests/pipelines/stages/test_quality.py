"""The stage of data quality on a folder with something of everything wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.issues import LabelIssues, open_label_issues
from pipelines.methods import oddities
from tests.pipelines.conftest import Content, MakeFolder, RunStages

STAGES = ("samples", "inputs", "vectors", "neighbours", "index", "retrieval", "issues", "quality")
RUN = {
    "model": "hits_cnn",
    "embeddings": {"pixels": {"dim": 8, "neighbours": 14}},
    "issues": {"head": {"neighbours": 10}},
}


def slices_of(issues: LabelIssues) -> dict[tuple[str, str], dict[str, Any]]:
    found = issues.document("quality")["slices"]
    return {(each["column"], each["value"]): each for each in found}


def far_worse(issues: LabelIssues) -> list[tuple[str, str]]:
    """Slices out of line; others may be so too because one makes all others worse than they are."""
    return [
        key
        for key, each in slices_of(issues).items()
        if each["out_of_line"] and each["errors"]["value"] > each["others"]["value"]
    ]


def files() -> dict[str, Content]:
    """60 images of two classes in two splits: some odd, two pairs alike, one patient in both."""
    rng = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for number in range(60):
        label, split = ("cat", "dog")[number % 2], "test" if number >= 40 else "train"
        image = rng.integers(80, 150, (12, 12)).astype(np.uint8)
        image[:, :4] += 60 * (label == "cat")
        made[f"{split}/{label}/p{number:02d}_1.png"] = image
    made["train/cat/p00_1.png"][:] = 90
    made["train/cat/p02_1.png"] //= 8
    near = made["train/dog/p05_1.png"].copy()
    near[0, 0] += 1
    made["test/dog/p05_2.png"] = near
    made["train/dog/p04_2.png"] = made["train/cat/p04_1.png"].copy()
    return dict(made)


@pytest.fixture
def issues(make_folder: MakeFolder, run_stages: RunStages) -> LabelIssues:
    content: Mapping[str, Content] = files()
    dataset = {"source": "folder", "root": str(make_folder(content)), "group": r"p(\d+)_"}
    workspace = run_stages({**dataset, "splits": {"val": 0}}, *STAGES, runs={"net": RUN})
    return open_label_issues(workspace.run("net"), "head")


def test_everything_that_is_wrong_is_found(issues: LabelIssues) -> None:
    samples = issues.run.workspace.samples().set_index("sample_id")
    table = issues.quality().set_index("sample_id")
    assert table.index.tolist() == samples.index.tolist()

    def flagged(column: str) -> set[str]:
        return {path.rpartition("/")[2] for path in samples["path"][table[column].astype(bool)]}

    assert flagged("constant") == {"p00_1.png"}
    assert flagged("dark") == {"p02_1.png"}
    assert flagged("bright") == set()
    assert flagged("crosses") == {"p05_1.png", "p05_2.png"}
    assert flagged("duplicates") == {"p04_1.png", "p04_2.png", "p05_1.png", "p05_2.png"}
    pairs = issues.duplicates()
    assert pairs["kind"].tolist() == ["exact", "near"], "conflicting labels come first"
    conflict, across = pairs.itertuples(index=False)
    assert {conflict.label, conflict.other_label} == {"cat", "dog"}
    assert {across.split, across.other_split} == {"train", "test"}
    document = issues.document("quality")
    assert document["duplicates"]["exact"] == {"pairs": 1, "conflicting": 1, "across_splits": 0}
    assert document["duplicates"]["near"] == {"pairs": 1, "conflicting": 0, "across_splits": 1}
    assert document["groups"] == {"all": 60, "crossing": 1, "images": 2}
    assert document["odd"]["dark"] == {"train": 1, "val": 0, "test": 0}
    odd = table[[*oddities.ODDITIES]]
    assert document["odd_images"] == odd.any(axis=1).sum() < odd.to_numpy().sum()


def batches(path: Path, bad: str, mjd: bool) -> None:
    """240 images of 120 nights in four months and of two machines; the labels of one month say
    nothing."""
    rng = np.random.default_rng(1)
    labels, day = rng.integers(0, 2, 240), np.repeat(np.arange(120), 2)
    nights = np.datetime64("2018-03-01") + day
    images = rng.integers(80, 150, (240, 12, 12)).astype(np.uint8)
    images[:, :, :4] += (60 * labels[:, None, None]).astype(np.uint8)
    of_bad = nights.astype("datetime64[M]") == np.datetime64(bad)
    labels[of_bad] = rng.integers(0, 2, of_bad.sum())
    since = (nights - np.datetime64("1858-11-17")).astype(float) + 0.7
    np.savez(
        path,
        images=images,
        labels=labels,
        split=np.array(["train", "test"])[np.arange(240) % 2],
        meta_machine=np.arange(240) // 2 % 2,
        meta_file=np.array([f"scan {row}" for row in range(240)]),
        meta_temperature=rng.normal(20, 5, 240),
        **({"meta_mjd": since} if mjd else {"meta_night": nights.astype("datetime64[s]")}),
    )


def test_the_one_bad_batch_is_found_by_its_date_and_nothing_else(
    tmp_path: Path, run_stages: RunStages
) -> None:
    path = tmp_path / "scans.npz"
    batches(path, "2018-05", mjd=False)
    dataset = {"source": "arrays", "path": str(path)}
    workspace = run_stages(dataset, *STAGES, runs={"net": RUN})
    issues = open_label_issues(workspace.run("net"), "head")
    assert far_worse(issues) == [("meta_night", "2018-05")]
    found = slices_of(issues)
    months = [value for column, value in found if column == "meta_night"]
    assert sorted(months) == ["2018-03", "2018-04", "2018-05", "2018-06"]
    assert {value for column, value in found if column == "meta_machine"} == {"0", "1"}
    assert sum(column == "meta_temperature" for column, _ in found) == 10
    assert issues.document("quality")["unsliced"] == ["meta_file"]

    # The samples are what they were, and what is known of them is not.
    batches(path, "2018-05", mjd=True)
    before = workspace.artefact("samples").manifest.digest
    run_stages(dataset, "samples", "quality", runs={"net": RUN})
    assert workspace.artefact("samples").manifest.digest == before
    assert far_worse(issues) == [("meta_mjd", "2018-05")]
