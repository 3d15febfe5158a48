"""Figures by decided labels in the dashboard: apart from all others, and only where there are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.artefact import Manifest, staging, write_json
from cache.store import DOCUMENT
from cache.tables import write_table
from dashboard import curves, data, decided
from pipelines.methods import number
from pipelines.methods.comparison import mcnemar

Open = Callable[..., AppTest]


@pytest.fixture
def shapes(cache_folder: Path, written: Path) -> Workspace:
    """Of ``shapes``, one test image has another label and one is bad; so have two of val. The run
    ``wide`` has learnt that."""
    folder = cache_folder / "shapes"
    shutil.copytree(written / "shapes", folder)
    document = json.loads((folder / DOCUMENT).read_text())
    document["recipe"]["dataset"]["labels"] = "reviewed"
    write_json(folder / DOCUMENT, document)
    workspace = Workspace("shapes", folder)
    samples, rows = workspace.samples(), []
    for split in ("val", "test"):
        first, second = samples[samples["split"] == split].head(2).to_dict("records")
        other = next(name for name in workspace.dataset.classes if name != first["label"])
        rows += [
            (first["sample_id"], first["label"], other, "wrong", True),
            (second["sample_id"], second["label"], None, "bad", False),
        ]
    table = pd.DataFrame(rows, columns=["sample_id", "given", "decided", "verdict", "keep"])
    with staging(workspace.artefact("decisions").folder) as place:
        path = place.folder / "decisions.parquet"
        write_table(table, path, "decisions", workspace.dataset.classes)
        inputs = {"samples": workspace.artefact("samples").manifest.digest}
        place.commit(Manifest("decisions", "f", "f", 1, {}, inputs, 4, 0.1, {}, "2026-01-01"))
    of_wide = workspace.run("wide").artefact("train").folder / "run.json"
    told = json.loads(of_wide.read_text()) | {"labels": {"trained_on": "decided"}}
    of_wide.write_text(json.dumps(told))
    return workspace


def test_the_errors_page_says_it_apart_with_its_n(shapes: Workspace, open_page: Open) -> None:
    at = open_page("errors", workspace="shapes", run="plain")
    assert not at.exception
    (told,) = [each.value for each in at.caption if each.value.startswith("By decided labels")]
    found = decided.accuracy(shapes.run("plain"), "test")
    assert found is not None
    assert f"{found.accuracy.count} of 29" in told
    assert "2 of 30 images: 1 judged by another label, 1 undecidable or bad and left out" in told
    assert any("of 30; 95" in each.value for each in at.markdown)


def test_the_overview_has_a_column_of_its_own(
    shapes: Workspace, written: Path, open_page: Open
) -> None:
    shutil.copytree(written / "stamps", shapes.folder.with_name("stamps"))
    table = open_page().dataframe[0].value.set_index("run")
    assert table["test_interval"].str.endswith("of 30").all()
    assert table.loc[["plain", "wide"], "decided_interval"].str.endswith("of 29").all()
    assert pd.isna(table.loc["hits", "decided"])


def test_a_run_is_judged_on_train_and_val_by_the_labels_that_it_learnt(
    shapes: Workspace, open_page: Open
) -> None:
    plain, wide = curves.standings([shapes.run("plain"), shapes.run("wide")], 1.0)
    assert (plain.val.n, wide.val.n) == (30, 29)
    assert wide.train == data.accuracy(shapes.run("wide"), "train")
    at = open_page("training", workspace="shapes")
    assert not at.exception
    told = " ".join(each.value for each in at.caption)
    assert "By the decided labels that it learnt: wide." in told
    assert "plain. By decided labels: accuracy" in told and "wide. By decided labels" in told


@pytest.mark.parametrize("split", ["val", "test"])
def test_runs_are_compared_by_decided_labels_apart(
    shapes: Workspace, open_page: Open, split: str
) -> None:
    at = open_page("compare", workspace="shapes", split=split)
    assert not at.exception
    by_decided = at.table[2].value
    assert by_decided.index.tolist() == ["accuracy by decided labels, n = 29"]
    tables = [shapes.run(name).predictions() for name in ("plain", "wide")]
    right = []
    for table in (each[each["split"] == split] for each in tables):
        # By hand: the first image is judged by the other label, the second is left out.
        other = next(
            each for each in ("circle", "cross", "square") if each != table["label"].iloc[0]
        )
        right.append([table["predicted"].iloc[0] == other, *table["correct"].iloc[2:]])
    for name, hits in zip(("plain", "wide"), right, strict=True):
        assert by_decided[name].iloc[0].startswith(number.percent(sum(hits) / 29))
    found = mcnemar(*np.array(right))
    told = " ".join(each.value for each in at.caption)
    assert f"McNemar {number.p_value(found.p_value)}. Decided on 2 of 30 images: 1 judged" in told
    assert "the same for all runs, by given labels" in told
    assert "Choose between runs by val by decided labels, which wide learnt" in told


def test_decisions_on_other_samples_are_refused(shapes: Workspace, open_page: Open) -> None:
    path = shapes.artefact("decisions").path("manifest.json")
    document = json.loads(path.read_text()) | {"inputs": {"samples": "another"}}
    write_json(path, document)
    for page, run in (("errors", "plain"), ("training", "wide")):
        at = open_page(page, workspace="shapes", run=run)
        assert not at.exception
        assert any("was made from another 'samples'" in each.value for each in at.text)
        assert not any("By decided labels" in each.value for each in at.caption)
    at = open_page()
    assert not at.exception
    assert "decided" not in at.dataframe[0].value and len(at.dataframe[0].value) == 2


def test_where_labels_are_taken_as_given_nothing_is_said(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    assert decided.accuracy(workspaces["shapes"].run("plain"), "test") is None
    assert "decided" not in open_page().dataframe[0].value
    for page in ("errors", "training", "compare"):
        at = open_page(page, workspace="shapes")
        assert not any("decided" in each.value for each in at.caption)
