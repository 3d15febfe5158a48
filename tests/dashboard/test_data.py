from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache import Workspace
from cache.errors import CorruptArtefactError, MissingArtefactError
from dashboard import data


def test_a_page_may_change_its_copy(workspaces: dict[str, Workspace]) -> None:
    shapes = workspaces["shapes"]
    first = data.samples(shapes)
    first["split"] = "train"
    first.loc[0, "mean"] = -1.0
    again = data.samples(shapes)
    assert set(again["split"]) == {"train", "val", "test"}
    assert again.loc[0, "mean"] >= 0.0


def test_answers_join_samples_and_predictions(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    answers, samples = data.answers(run), data.samples(run.workspace)
    assert answers["sample_id"].tolist() == samples["sample_id"].tolist()
    assert {"width", "predicted", "p_2", "split", "label"} <= set(answers.columns)
    assert answers["label"].dtype == answers["predicted"].dtype
    test = answers[answers["split"] == "test"]
    accuracy = data.accuracy(run, "test")
    assert accuracy is not None
    assert (accuracy.count, accuracy.n) == (test["correct"].sum(), len(test))


def test_figures_without_leaks(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    everything, clean = data.accuracy(run, "test"), data.accuracy(run, "test", without_leaks=True)
    assert everything is not None and clean is not None
    assert clean.n == everything.n - 1
    assert data.accuracy(run, "val", without_leaks=True) is None


def test_counts_of_the_splits(workspaces: dict[str, Workspace]) -> None:
    shapes = workspaces["shapes"]
    assert data.split_counts(shapes) == {"train": 90, "val": 30, "test": 30}
    assert data.splits_of(shapes) == ["train", "val", "test"]


def test_predictions_of_other_samples_are_refused(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    manifest = run.artefact("predictions").folder / "manifest.json"
    document = json.loads(manifest.read_text())
    document["inputs"]["samples"] = "0" * 32
    manifest.write_text(json.dumps(document))
    for read in (data.predictions, data.answers):
        with pytest.raises(CorruptArtefactError, match="python -m pipelines run shapes"):
            read(run)


def test_what_is_made_anew_is_read_anew(
    workspaces: dict[str, Workspace], cache_folder: Path
) -> None:
    run = workspaces["shapes"].run("plain")
    before = data.history(run)
    folder = run.artefact("train").folder
    (folder / "history.csv").write_text("epoch,train_loss\n1,0.5\n")
    assert len(data.history(run)) == len(before)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["fingerprint"] = "1" * 32
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert len(data.history(run)) == 1


def test_missing_artefacts_name_the_command(workspaces: dict[str, Workspace]) -> None:
    run = workspaces["shapes"].run("plain")
    (run.artefact("predictions").folder / "manifest.json").unlink()
    assert data.metrics(run) == {}
    assert data.accuracy(run, "val") is None
    with pytest.raises(MissingArtefactError, match="python -m pipelines run shapes"):
        data.answers(run)
