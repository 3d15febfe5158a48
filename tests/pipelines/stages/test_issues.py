"""The stage of label issues on a real run: labels flipped on purpose, looked for in both ways."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cache import Run, open_workspace
from cache.embeddings import open_embedding
from cache.errors import LabelIssuesNotFoundError
from cache.issues import LabelIssues, label_issues, open_label_issues
from pipelines.methods.label_issues import neighbour_shares
from pipelines.plan import Step
from pipelines.recipe import Recipe
from pipelines.reporting.report import document as reported
from pipelines.runner import run_recipe
from pipelines.status import describe
from tests.reports import Silent

COUNT, K, SHARE = 120, 10, 0.1
ISSUES = {
    "head": {"neighbours": K},
    "cnn": {"by": "classifier", "embedding": "pixels", "folds": 3, "epochs": 1, "neighbours": K},
}
OF_THE_CNN = "stamps/runs/cnn/issues/cnn"
STAGES = ("samples", "inputs", "vectors", "neighbours", "issues")

pytestmark = pytest.mark.slow


class Report(Silent):
    """Keeps what was made and how far the classifier came; breaks off where it is told to."""

    def __init__(self, break_at: float = 2.0) -> None:
        self.made: list[str] = []
        self.seen: list[float] = []
        self.break_at = break_at

    def progress(self, step: Step, done: float, total: int) -> None:
        super().progress(step, done, total)
        if step.part == "issues/cnn":
            self.seen.append(done / total)
            if done / total >= self.break_at:
                raise KeyboardInterrupt

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        super().finish(step, state, rows, seconds)
        if state == "made":
            self.made.append(step.key)


def recipe(stamps: Path, issues: dict[str, Any] = ISSUES, **dataset: Any) -> Recipe:
    run = {
        "model": "hits_cnn",
        "epochs": 3,
        "batch_size": 16,
        "embeddings": {"pixels": {"dim": 8, "neighbours": 15}},
        "issues": issues,
    }
    source = {"source": "arrays", "path": str(stamps), "label_noise": SHARE, **dataset}
    return Recipe.model_validate({"name": "stamps", "dataset": source, "runs": {"cnn": run}})


def make(document: Recipe, root: Path, report: Report, *stages: str) -> list[str]:
    for stage in stages:
        run_recipe(document, report, command="make it", reference="test", root=root, only=stage)
    return report.made


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stamps of three classes; the last is a copy of the first."""
    rng = np.random.default_rng(3)
    labels = np.arange(COUNT) % 3
    images = rng.integers(0, 60, (COUNT, 12, 12, 1)).astype(np.uint8)
    for label, (row, column) in enumerate([(2, 2), (2, 8), (8, 5)]):
        images[labels == label, row : row + 3, column : column + 3] += 120
    images[-1], labels[-1] = images[0], labels[0]
    path = tmp_path_factory.mktemp("data") / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(["left", "right", "low"]))
    return path


class Made(NamedTuple):
    """A workspace whose classifier was broken off in its second fold and went on.

    Attributes:
        root: Folder of the workspaces.
        kept: What the first fold had left when it broke off.
        report: Of the run that went on.
    """

    root: Path
    kept: np.ndarray
    report: Report


@pytest.fixture(scope="module")
def whole(stamps: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.raises(KeyboardInterrupt):
        make(recipe(stamps), folder, Report(break_at=0.34), *STAGES)
    work = folder / OF_THE_CNN / ".issues.work"
    kept, report = np.load(work / "fold-0.npy"), Report()
    make(recipe(stamps), folder, report, "issues")
    make(recipe(stamps), folder, Report(), "index", "retrieval", "quality")
    assert not work.exists()
    return Made(folder, kept, report)


@pytest.fixture(scope="module")
def root(whole: Made) -> Path:
    return whole.root


@pytest.fixture
def run(root: Path) -> Run:
    return open_workspace("stamps", root).run("cnn")


@pytest.fixture(params=list(ISSUES))
def issues(run: Run, request: pytest.FixtureRequest) -> LabelIssues:
    return open_label_issues(run, request.param)


def by_sample(issues: LabelIssues) -> pd.DataFrame:
    """Its table in the order of the samples."""
    ids = issues.run.workspace.samples()["sample_id"]
    return issues.table().set_index("sample_id").loc[ids].reset_index()


def test_those_of_a_recipe_are_found_by_name(run: Run) -> None:
    assert [each.name for each in label_issues(run)] == list(ISSUES)
    with pytest.raises(LabelIssuesNotFoundError, match=r"no label issues 'tail'.*head, cnn"):
        open_label_issues(run, "tail")


def test_every_sample_has_a_row_the_most_suspicious_first(issues: LabelIssues) -> None:
    table, samples = issues.table(), issues.run.workspace.samples()
    assert set(table["sample_id"]) == set(samples["sample_id"])
    assert table["rank"].tolist() == list(range(1, COUNT + 1))
    assert table["suspicion"].is_monotonic_decreasing and table["suspicion"].between(0, 1).all()
    assert (table["suggested"].astype("str") != table["label"].astype("str")).all()
    both = (table["self_confidence"].rsub(1) + table["neighbour_disagreement"]) / 2
    np.testing.assert_allclose(table["suspicion"], both, atol=1e-6)


def test_labels_are_the_noisy_ones_everywhere(issues: LabelIssues) -> None:
    samples, table = issues.run.workspace.samples(), by_sample(issues)
    assert (samples["label"] != samples["true_label"]).sum() == round(
        SHARE * (samples["split"] == "train").sum()
    )
    assert table["label"].equals(samples["label"])
    labels = samples["label"].cat.codes.to_numpy()
    positions = open_embedding(issues.run, "pixels").neighbours().positions[:, :K]
    shares = neighbour_shares(labels, positions, 3)
    disagree = 1 - shares[np.arange(COUNT), labels]
    np.testing.assert_allclose(table["neighbour_disagreement"], disagree, atol=1e-6)


def test_probabilities_are_in_the_order_of_the_samples(issues: LabelIssues) -> None:
    probabilities, table = issues.probabilities(), by_sample(issues)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == table["predicted"].cat.codes).all()
    own = probabilities[np.arange(COUNT), table["label"].cat.codes]
    np.testing.assert_allclose(table["self_confidence"], own, atol=1e-6)
    np.testing.assert_allclose(table["confidence"], probabilities.max(axis=1), atol=1e-6)


def test_the_copy_is_in_the_fold_of_the_original(issues: LabelIssues) -> None:
    samples, table = issues.run.workspace.samples(), by_sample(issues)
    twins = samples["content_hash"].duplicated(keep=False).to_numpy()
    assert twins.sum() == 2 and table["fold"][twins].nunique() == 1
    assert set(table["fold"]) == set(range(issues.settings["folds"]))


def test_what_is_told_agrees_with_the_table(issues: LabelIssues) -> None:
    document, table = issues.document("issues"), issues.table()
    suspects = table[table["why"] != "none"]
    for split in ("train", "val", "test"):
        rows = table[table["split"] == split]
        accuracy = document["accuracy"][split]
        assert accuracy["n"] == document["samples"][split] == len(rows)
        right = rows["predicted"].astype("str") == rows["label"].astype("str")
        assert accuracy["count"] == right.sum()
        assert document["suspects"][split] == (suspects["split"] == split).sum()
        assert document["threshold_rule"][split] == rows["threshold_rule"].sum()
    assert sum(document["why"].values()) == len(suspects)
    assert sum(pair["count"] for pair in document["pairs"]) == len(suspects)
    assert document["neighbours"] == {"k": K, "method": "exact", "recall": None}


def test_flipped_labels_are_found_and_it_is_told_how_well(run: Run) -> None:
    issues = open_label_issues(run, "head")
    recovery, table = issues.document("issues")["recovery"], by_sample(issues)
    samples = run.workspace.samples()
    train = samples["split"] == "train"
    wrong = (samples["label"] != samples["true_label"])[train]
    assert (recovery["flipped"], recovery["samples"]) == (wrong.sum(), train.sum())
    assert recovery["methods"]["suspicion"]["average_precision"] > 0.95
    first = table[train].nsmallest(int(wrong.sum()), "rank").index
    assert recovery["methods"]["suspicion"]["found_among_n"] == wrong[first].sum()
    flags = recovery["methods"]["threshold_rule"]["flags"]
    assert flags["flagged"] == table["threshold_rule"][train].sum()
    assert set(recovery["methods"]["confident_learning"]) == {"flags"}
    assert recovery["suggested_right"]["value"] > 0.9


def test_the_report_tells_how_well_each_method_finds_them(root: Path, run: Run) -> None:
    told = reported(open_workspace("stamps", root))
    for name in ISSUES:
        issues = open_label_issues(run, name)
        methods = issues.document("issues")["recovery"]["methods"]
        n = issues.document("issues")["recovery"]["flipped"]
        assert f"({methods['suspicion']['found_among_n']:.0f} of {n})" in told
        assert f"flags {issues.table()['threshold_rule'].sum()} of {COUNT} labels" in told
    assert not re.search(r"\d\.\d\d+ of \d", told) and f".0 of {n}" not in told


def test_status_tells_of_them(root: Path) -> None:
    (described,) = describe(open_workspace("stamps", root))["runs"]
    assert set(described["issues"]) == set(ISSUES)
    for each in described["issues"].values():
        assert set(each) == {"by", "embedding", "accuracy", "suspects", "recovery", "stages"}
        assert {stage["state"] for stage in each["stages"].values()} == {"done"}


def test_a_training_that_was_broken_off_goes_on_with_the_next_fold(
    whole: Made, run: Run, stamps: Path
) -> None:
    assert whole.report.made == ["runs/cnn/issues/cnn/issues"]
    assert min(whole.report.seen) >= 1 / 3
    issues = open_label_issues(run, "cnn")
    first = by_sample(issues)["fold"] == 0
    np.testing.assert_array_equal(issues.probabilities()[first], whole.kept)
    assert issues.artefact("issues").manifest.seconds > 0
    assert make(recipe(stamps), whole.root, Report(), "issues") == []


def test_without_noise_there_is_nothing_to_recover(stamps: Path, tmp_path: Path) -> None:
    document = recipe(stamps, {"head": {"neighbours": K}}, label_noise=0)
    make(document, tmp_path, Report(), *STAGES)
    run = open_workspace("stamps", tmp_path).run("cnn")
    assert "true_label" not in run.workspace.samples()
    assert open_label_issues(run, "head").document("issues")["recovery"] is None
