"""The stage of data quality on a folder with something of everything wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from cache.issues import LabelIssues, open_label_issues
from tests.pipelines.conftest import Content, MakeFolder, RunStages

STAGES = ("samples", "inputs", "vectors", "neighbours", "index", "retrieval", "issues", "quality")
RUN = {
    "model": "hits_cnn",
    "embeddings": {"pixels": {"dim": 8, "neighbours": 12}},
    "issues": {"head": {"neighbours": 10}},
}


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
