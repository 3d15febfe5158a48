from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import reviewed_labels
from benchmarks.reviewed_labels import Outcome
from cache import open_workspace
from pipelines.recipe import load_recipe

BRIEF = ("runs.compact.epochs=1", "runs.compact.embeddings.autoencoder.epochs=1")


@pytest.mark.slow
def test_what_is_reviewed_is_trained_on_and_test_stays_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reviewed_labels, "load_recipe", lambda name: load_recipe(name, BRIEF))
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'reviews.sqlite'}")
    told = reviewed_labels.measured(tmp_path, 0.025, 0.05, 0)
    assert (told.train, told.flipped, told.reviewed) == (1078, 27, 54)
    assert [len(right) for right in told.right.values()] == [503] * 3
    workspace = open_workspace("seed-0", tmp_path)
    assert workspace.run("flipped").document["labels"] == {"trained_on": "given"}
    assert workspace.run("reviewed").document["labels"]["changed"]["train"] == told.found > 15
    samples = workspace.samples().set_index("sample_id")
    decisions = workspace.decisions().set_index("sample_id")
    truth = samples.loc[decisions.index, "true_label"]
    assert (decisions["decided"].astype("str") == truth.astype("str")).all()


def test_a_line_a_seed_and_one_of_all() -> None:
    flipped, better = np.array([True] * 90 + [False] * 10), np.array([True] * 98 + [False] * 2)
    right = {"flipped": flipped, "reviewed": better, "true": better}
    outcomes = [Outcome(seed, 1000, 25, 50, 24, right) for seed in (0, 1)]
    lines = reviewed_labels.table(outcomes).splitlines()[2:]
    assert lines[0].startswith("| 0 | 24 of 25 | 90.0 (82.6 to 94.5) | 98.0 (93.0 to 99.4) |")
    assert "| +8.0 (" in lines[0] and lines[0].endswith("| 8, 0 | 0.008 |")
    assert lines[2].startswith("| all | 48 of 50 | 90.0") and "| 16, 0 | 0.000 |" in lines[2]
