"""Training on decided labels: what is gathered, what it changes, and that it changes no more."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from cache import Workspace, open_workspace
from cache.artefact import write_json
from cache.reviews import Reviews, Verdict, open_reviews
from cache.store import artefact_key
from pipelines import labels
from pipelines.errors import LabelsError
from pipelines.methods import number, siamese, training
from pipelines.methods.decided_labels import accuracy
from pipelines.plan import Step
from pipelines.recipe import Recipe
from pipelines.reporting.report import document as reported
from pipelines.runner import run_recipe
from pipelines.status import describe
from tests.reports import Silent

CLASSES = ("dark", "bright")
RUN = {
    "model": "hits_cnn",
    "epochs": 2,
    "batch_size": 16,
    "early_stopping": None,
    "class_weights": "balanced",
    "embeddings": {},
}
TWINS = {"siamese": {"dim": 4, "epochs": 1, "steps": 2, "batch_size": 8}, "pixels": {"dim": 4}}
STAGES = ("samples", "decisions", "inputs", "train", "predictions", "vectors")
OF_A_RUN = ("inputs", "train", "predictions")


class Log(Silent):
    """Remembers what was made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        if state == "made":
            self.made.append(step.key)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 stamps of 8x8, two thirds of them for training: the second class has a bright middle."""
    rng = np.random.default_rng(0)
    codes = np.arange(96) % 2
    images = rng.uniform(0, 0.4, (96, 8, 8)).astype(np.float32)
    images[codes == 1, 3:5, 3:5] += 0.5
    split = np.array(["train"] * 4 + ["val"] + ["test"])[np.arange(96) // 2 % 6]
    path = tmp_path_factory.mktemp("data") / "stamps.npz"
    np.savez(path, images=images, labels=codes, split=split, names=np.array(CLASSES))
    return path


def recipe(data: Path, runs: dict[str, Any], chosen: str = "reviewed") -> Recipe:
    return Recipe.model_validate(
        {
            "name": "stamps",
            "dataset": {"source": "arrays", "path": str(data), "labels": chosen},
            "runs": {name: {**RUN, **changed} for name, changed in runs.items()},
        }
    )


def make(document: Recipe, root: Path, *stages: str) -> list[str]:
    """Run stages of a recipe: what was made."""
    log = Log()
    for stage in stages or STAGES:
        run_recipe(document, log, command="make it", reference="test", root=root, only=stage)
    return log.made


class Pictures:
    """The images of a workspace by split and place in it, to say verdicts of."""

    def __init__(self, workspace: Workspace) -> None:
        self.samples = workspace.samples()

    def __call__(self, split: str, place: int) -> dict[str, str]:
        row = self.samples[self.samples["split"] == split].iloc[place]
        return {"workspace": "stamps", "sample_id": row["sample_id"], "given": row["label"]}

    def judged(
        self, split: str, place: int, verdict: str, decided: str | None = None, by: str = "Ann"
    ) -> Verdict:
        return Verdict(**self(split, place), verdict=verdict, decided=decided, reviewer=by)

    def wrong(self, split: str, place: int, by: str = "Ann") -> Verdict:
        given = self(split, place)["given"]
        return self.judged(split, place, "wrong", CLASSES[1 - CLASSES.index(given)], by)


@pytest.fixture(scope="module")
def given(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which a run is trained on the labels as they are given. Not to be changed."""
    root = tmp_path_factory.mktemp("given")
    make(recipe(data, {"plain": {}}, "given"), root, "samples", *OF_A_RUN)
    return root


@pytest.fixture
def root(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and an empty database of reviews."""
    shutil.copytree(given, tmp_path / "cache")
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'reviews.sqlite'}")
    return tmp_path / "cache"


@pytest.fixture
def pictures(root: Path) -> Pictures:
    return Pictures(open_workspace("stamps", root))


@pytest.fixture
def reviews(root: Path) -> Iterator[Reviews]:
    with open_reviews() as opened:
        yield opened


def every_kind(pictures: Pictures) -> list[Verdict]:
    """Every verdict there is, on train; a wrong and a bad one on val, and on test."""
    return [
        pictures.wrong("train", 0),
        pictures.wrong("train", 1),
        pictures.wrong("train", 2),
        pictures.judged("train", 3, "right"),
        pictures.judged("train", 4, "undecidable"),
        pictures.judged("train", 5, "bad"),
        pictures.judged("train", 6, "right"),
        pictures.wrong("train", 6, by="Bob"),
        pictures.wrong("val", 0),
        pictures.judged("val", 1, "bad"),
        pictures.wrong("test", 0),
        pictures.judged("test", 1, "bad"),
    ]


@pytest.fixture
def reviewed(pictures: Pictures, reviews: Reviews) -> Reviews:
    reviews.add(*every_kind(pictures))
    return reviews


BOTH: dict[str, Any] = {"plain": {"labels": "given"}, "again": {}}
WITH_TWINS = {**BOTH, "again": {"embeddings": TWINS}}


class Trained(NamedTuple):
    """A workspace with a run on given labels beside one on decided labels.

    Attributes:
        root: Folder of the workspaces, with the database ``reviews.sqlite`` in it.
        made: What was made once there were reviews.
        seen: What the trainings were really given to read: ``again``, and the ``siamese`` twins.
    """

    root: Path
    made: list[str]
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def trained(data: Path, given: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Not to be changed."""
    root = tmp_path_factory.mktemp("trained") / "cache"
    shutil.copytree(given, root)
    seen: dict[str, Any] = {}
    real_train, real_make = training.train, siamese.make

    def train(run: Any, of: training.Data, name: str, **options: Any) -> Any:
        seen[name] = of
        return real_train(run, of, name, **options)

    def twins(inputs: Any, of: siamese.Labelled, *rest: Any, **options: Any) -> Any:
        seen["siamese"] = of
        return real_make(inputs, of, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENTAURO_REVIEWS", f"sqlite:///{root / 'reviews.sqlite'}")
        patch.setattr("pipelines.stages.train.train", train)
        patch.setattr(siamese, "make", twins)
        with open_reviews() as opened:
            opened.add(*every_kind(Pictures(open_workspace("stamps", root))))
        made = make(recipe(data, WITH_TWINS), root)
    yield Trained(root, made, seen)


class TestGathering:
    def test_decisions_stand_beside_the_samples_with_their_counts(
        self, data: Path, root: Path, pictures: Pictures, reviewed: Reviews
    ) -> None:
        gone = Verdict("stamps", "nobody", "dark", "bad", "Ann")
        before = {**pictures("train", 7), "given": "dim"}
        reviewed.add(gone, Verdict(**before, verdict="undecidable", reviewer="Ann"))
        make(recipe(data, BOTH), root, "decisions")
        workspace = open_workspace("stamps", root)
        table = workspace.decisions().set_index("sample_id")
        assert list(table.columns) == ["given", "decided", "verdict", "keep"]
        assert len(table) == 11
        first = table.loc[pictures("train", 0)["sample_id"]]
        assert (first["given"], first["decided"]) == ("dark", "bright")
        assert (first["verdict"], first["keep"]) == ("wrong", True)
        for place, verdict, keep in ((4, "undecidable", False), (6, "disputed", True)):
            row = table.loc[pictures("train", place)["sample_id"]]
            assert (row["verdict"], row["keep"]) == (verdict, keep)
            assert pd.isna(row["decided"])
        folder = workspace.artefact("decisions").folder
        document = json.loads((folder / "decisions.json").read_text())
        assert document["from"] == "reviewed"
        assert document["left_out"] == {
            "image no longer in the workspace": 1,
            "given label changed since the verdict": 1,
        }
        assert document["splits"]["train"] == {
            "images": 64,
            "verdicts": {"wrong": 3, "right": 1, "undecidable": 1, "bad": 1, "disputed": 1},
            "changed": 3,
            "left": 2,
        }
        assert document["splits"]["test"]["verdicts"] == {"wrong": 1, "bad": 1}
        assert (document["splits"]["test"]["changed"], document["splits"]["test"]["left"]) == (0, 0)
        # The hash is that of what an export of the same decisions would write.
        exported = labels.export(workspace, reviewed).document
        assert document["sha256"] == exported["sha256"]

    def test_what_was_said_of_another_label_hides_no_verdict_on_this_one(
        self, data: Path, root: Path, pictures: Pictures, reviews: Reviews
    ) -> None:
        first = pictures("train", 0)
        other = CLASSES[1 - CLASSES.index(first["given"])]
        reviews.add(pictures.judged("train", 0, "right", by="Bob"))
        reviews.add(Verdict(**{**first, "given": other}, verdict="bad", reviewer="Ann"))
        for verdict in ("right", "wrong"):
            assert make(recipe(data, BOTH), root, "decisions") == ["decisions"]
            table = open_workspace("stamps", root).decisions()
            assert table["verdict"].tolist() == [verdict]
            reviews.add(pictures.wrong("train", 0, by="Bob"))

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    def test_a_file_says_the_same_as_the_database_it_was_exported_from(
        self, data: Path, root: Path, tmp_path: Path, reviewed: Reviews, ending: str
    ) -> None:
        make(recipe(data, BOTH), root, "decisions")
        workspace = open_workspace("stamps", root)
        expected, manifest = workspace.decisions(), workspace.artefact("decisions").manifest
        labels.export(workspace, reviewed, tmp_path)
        path = tmp_path / f"stamps-labels.{ending}"
        assert make(recipe(data, BOTH, str(path)), root, "decisions") == ["decisions"]
        pd.testing.assert_frame_equal(workspace.decisions(), expected)
        # From another place, but nothing else to train on: no training is made again for it.
        assert workspace.artefact("decisions").manifest.digest == manifest.digest

    def test_it_is_planned_only_where_labels_are_not_taken_as_given(
        self, data: Path, root: Path
    ) -> None:
        assert make(recipe(data, {"plain": {}}, "given"), root) == []
        document = open_workspace("stamps", root).document
        assert "decisions" not in [entry["stage"] for entry in document["plan"]]


class TestMistakes:
    def test_without_a_decision_that_applies_there_is_nothing_to_train_on(
        self, data: Path, root: Path, pictures: Pictures, reviews: Reviews
    ) -> None:
        with pytest.raises(LabelsError, match=r"no decision in the file .*no decisions at all"):
            make(recipe(data, BOTH), root, "decisions")
        reviews.add(Verdict("stamps", "nobody", "dark", "bad", "Ann"))
        with pytest.raises(LabelsError, match=r"Found: 1 left out \(image no longer"):
            make(recipe(data, BOTH), root, "decisions")

    def test_a_class_must_not_be_emptied(
        self, data: Path, root: Path, pictures: Pictures, reviews: Reviews
    ) -> None:
        dark = [place for place in range(64) if pictures("train", place)["given"] == "dark"]
        reviews.add(*(pictures.judged("train", place, "bad") for place in dark))
        reviews.add(*(pictures.judged("val", place, "undecidable") for place in range(16)))
        with pytest.raises(LabelsError, match=r"nothing of the class 'dark' of train and the spl"):
            make(recipe(data, BOTH), root, "decisions")

    def test_a_file_that_is_not_there_is_named_before_anything_is_made(
        self, data: Path, root: Path
    ) -> None:
        with pytest.raises(LabelsError, match=r"none.csv cannot be read .*labels export"):
            make(recipe(data, BOTH, "none.csv"), root, "samples")


class TestTraining:
    def test_decided_labels_are_trained_on_and_test_stays_whole(self, trained: Trained) -> None:
        # The run on given labels stands as it stood before anything was reviewed.
        assert not [key for key in trained.made if key.startswith("runs/plain")]
        seen, workspace = trained.seen, open_workspace("stamps", trained.root)
        pictures, samples = Pictures(workspace), workspace.samples()
        codes = samples["label"].cat.codes.to_numpy()
        place = pd.Index(samples["sample_id"])

        def rows(split: str, *places: int) -> list[int]:
            ids = [pictures(split, each)["sample_id"] for each in places]
            return place.get_indexer(pd.Index(ids)).tolist()

        expected = codes.copy()
        turned = [*rows("train", 0, 1, 2), *rows("val", 0)]
        expected[turned] = 1 - expected[turned]
        gone = rows("train", 4, 5) + rows("val", 1)
        for of, train, val in (
            (seen["again"].labels, seen["again"].train, seen["again"].val),
            (seen["siamese"].labels, *map(seen["siamese"].rows.get, ("train", "val"))),
        ):
            assert of.tolist() == expected.tolist()
            for split, positions in (("train", train), ("val", val)):
                there = np.flatnonzero((samples["split"] == split).to_numpy())
                assert positions.tolist() == [row for row in there if row not in gone]
        assert len(seen["siamese"].rows["test"]) == 16
        assert list(seen) == ["again", "siamese"]

        plain, again = workspace.run("plain"), workspace.run("again")
        assert plain.document["labels"] == {"trained_on": "given"}
        assert again.document["labels"] == {
            "trained_on": "decided",
            "from": "reviewed",
            "changed": {"train": 3, "val": 1},
            "left": {"train": 2, "val": 1},
        }
        assert again.document["settings"]["labels"] == "decided"
        counts = np.bincount(expected[seen["again"].train], minlength=2)
        assert again.document["class_weights"] == pytest.approx(62 / (2 * counts), abs=1e-6)
        # Predictions keep every image and the given label; the history is by what was learnt.
        answers = again.predictions()
        assert answers["label"].tolist() == samples["label"].tolist()
        best = again.history().set_index("epoch").loc[again.document["best_epoch"]]
        predicted = answers["predicted"].cat.codes.to_numpy()
        for split in ("train", "val"):
            used = getattr(seen["again"], split)
            right = predicted[used] == expected[used]
            assert best[f"{split}_accuracy"] == pytest.approx(right.mean())

    @pytest.mark.parametrize(("run", "learnt"), [("plain", "given"), ("again", "decided")])
    def test_figures_by_decided_labels_stand_apart(
        self, trained: Trained, run: str, learnt: str
    ) -> None:
        workspace = open_workspace("stamps", trained.root)
        (entry,) = [each for each in describe(workspace)["runs"] if each["name"] == run]
        answers = workspace.run(run).predictions()
        answers = answers[answers["split"] == "test"]
        assert entry["labels"] == learnt
        assert entry["metrics"]["test"]["accuracy"]["n"] == 16
        found = entry["by_decided_labels"]
        # By hand: the first image is judged by the other label, the second is left out.
        correct = answers["correct"].to_numpy()
        right = int(not correct[0]) + int(correct[2:].sum())
        assert found["accuracy"]["value"] == pytest.approx(right / 15)
        assert (found["accuracy"]["n"], found["images"]) == (15, 16)
        assert (found["decided"], found["changed"], found["left_out"]) == (2, 1, 1)

    def test_nothing_is_said_by_decided_labels_where_nothing_on_test_is_decided(
        self, data: Path, root: Path, pictures: Pictures, reviews: Reviews
    ) -> None:
        reviews.add(pictures.wrong("train", 0))
        make(recipe(data, {"plain": {"labels": "given"}}), root, "decisions")
        (entry,) = describe(open_workspace("stamps", root))["runs"]
        assert entry["by_decided_labels"] is None


def test_the_report_tells_figures_by_decided_labels_apart(trained: Trained) -> None:
    workspace = open_workspace("stamps", trained.root)
    told = reported(workspace)
    cells = re.sub(r"<[^>]+>", "|", told)
    samples, decisions = workspace.samples(), workspace.decisions()
    given = "Figures by split, by given labels"
    apart = "Apart from these, by decided labels"
    assert told.count(f"<caption>{given}") == told.count(f"<caption>{apart}") == 2
    assert told.count(f"<caption>{apart}, which the run learnt</caption>") == 1
    for name, splits in (("plain", ["test"]), ("again", ["train", "val", "test"])):
        answers = workspace.run(name).predictions()
        for split in splits:
            found = accuracy(answers[answers["split"] == split], decisions)
            assert found is not None
            figure = number.short_rate(found.accuracy)
            n = (samples["split"] == split).sum() - found.left_out
            counts = f"{found.decided}||{found.changed}||{found.left_out}"
            assert f"|{split}||{n}||{figure}||{counts}|" in cells
    assert "Every two runs on 16 test images, by given labels" in told
    assert "Apart from these, every two runs on 15 test images by decided labels" in told
    assert "Decided on 2 of 16 images: 1 judged by another label" in told


def test_decisions_on_other_samples_give_no_figures(trained: Trained, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    shutil.copytree(trained.root, root)
    workspace = open_workspace("stamps", root)
    path = workspace.artefact("decisions").path("manifest.json")
    write_json(path, json.loads(path.read_text()) | {"inputs": {"samples": "another"}})
    for each in describe(workspace)["runs"]:
        assert each["by_decided_labels"] is None
        assert each["metrics"]["test"]["accuracy"]["n"] == 16
    told = reported(workspace)
    assert "was made from another" in told and "Apart from these" not in told


def test_a_verdict_makes_stale_what_hangs_on_it_and_nothing_else(
    data: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, document = tmp_path / "cache", recipe(data, WITH_TWINS)
    shutil.copytree(trained.root, root)
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{root / 'reviews.sqlite'}")
    pictures = Pictures(open_workspace("stamps", root))

    def undone() -> set[str]:
        """What hangs on decisions as they are now, and has to be made again."""
        assert make(document, root, "decisions") == ["decisions"]
        states = open_workspace("stamps", root).states()
        return {
            artefact_key(state.run, state.stage, state.part)
            for state in states
            if state.state == "stale"
        }

    learnt = {
        "runs/again/train",
        "runs/again/predictions",
        "runs/again/embeddings/siamese/vectors",
    }
    assert make(document, root) == []
    with open_reviews() as reviews:
        reviews.add(pictures.wrong("train", 7))
        assert undone() == learnt
        assert len(reviews.undo("stamps", "Ann")) == 1
        assert undone() == set()
        # These change nothing that is trained on.
        reviews.add(pictures.judged("train", 8, "right"), pictures.wrong("test", 3))
        assert undone() == set()
        reviews.add(pictures.judged("val", 2, "bad"))
        assert undone() == learnt
