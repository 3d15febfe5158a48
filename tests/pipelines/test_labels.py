"""Decided labels: written whole, safe to open, and read back as they were decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from cache import Workspace
from cache.reviews import Reviews, Verdict, open_reviews
from pipelines.cli import app
from pipelines.errors import LabelsError
from pipelines.labels import COLUMNS, decisions, export, read
from tests.pipelines.conftest import MakeFolder, RunStages

CLASSES = ("cat", "dog", "+fox")


@pytest.fixture
def workspace(make_folder: MakeFolder, run_stages: RunStages) -> Workspace:
    """Four images of each of three classes, two of them with names to be careful with."""
    names = ["=1.png", "naïve 猫.png", "3.png", "4.png"]
    root = make_folder({f"{label}/{name}": None for label in CLASSES for name in names})
    return run_stages({"source": "folder", "root": str(root)})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reviews]:
    """An empty database."""
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CENTAURO_REVIEWS", raising=False)
    with open_reviews() as reviews:
        yield reviews


def review(
    reviews: Reviews, workspace: Workspace, path: str, says: str, by: str = "Anna", **more: Any
) -> str:
    """Judge the image at a path."""
    samples = workspace.samples().set_index("path")
    sample_id = str(samples.loc[path, "sample_id"])
    reviews.add(Verdict(workspace.name, sample_id, path.partition("/")[0], says, by, **more))
    return sample_id


def judge_some(reviews: Reviews, workspace: Workspace) -> None:
    review(reviews, workspace, "cat/=1.png", "right", note="=HYPERLINK(0)\nsure")
    review(reviews, workspace, "cat/naïve 猫.png", "wrong", decided="+fox")
    review(reviews, workspace, "dog/3.png", "undecidable")
    review(reviews, workspace, "dog/4.png", "bad", by="ben", note="blurred")
    review(reviews, workspace, "+fox/3.png", "right")
    review(reviews, workspace, "+fox/3.png", "wrong", by="ben", decided="dog")


class TestExport:
    def test_everything_that_is_decided_is_in_both_files(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        judge_some(store, workspace)
        made = export(workspace, store)
        assert made.csv == workspace.folder / "labels" / "tried-labels.csv"
        table = read(made.csv, CLASSES)
        assert table.equals(read(made.parquet, CLASSES))
        assert table.equals(decisions(workspace, store)[0])
        rows = {path: tuple(rest) for path, *rest in table[list(COLUMNS[1:])].to_numpy().tolist()}
        assert rows.pop("cat/=1.png") == ("cat", "cat", "right", "Anna", "=HYPERLINK(0)\nsure")
        assert rows.pop("cat/naïve 猫.png") == ("cat", "+fox", "wrong", "Anna", "")
        assert {path: (row[2], row[3]) for path, row in rows.items()} == {
            "dog/3.png": ("undecidable", "Anna"),
            "dog/4.png": ("bad", "ben"),
            "+fox/3.png": ("disputed", "Anna, ben"),
        }
        assert table["decided"].isna().sum() == 3
        assert "'=HYPERLINK(0)" in made.csv.read_text() and '"\'+fox"' in made.csv.read_text()

    def test_the_summary_names_the_content_and_no_secret(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        judge_some(store, workspace)
        first = export(workspace, store)
        assert first.document == json.loads(first.summary.read_text())
        assert first.document["sha256"] == hashlib.sha256(first.csv.read_bytes()).hexdigest()
        verdicts = {"right": 1, "wrong": 1, "undecidable": 1, "bad": 1, "disputed": 1}
        assert first.document["verdicts"] == verdicts
        told = {"workspace", "sha256", "rows", "verdicts", "left_out", "database", "created"}
        assert set(first.document) == told
        assert first.document["database"] == "sqlite"
        # The same decisions by another way are the same content.
        review(store, workspace, "dog/3.png", "bad")
        assert export(workspace, store).document["sha256"] != first.document["sha256"]
        store.undo("tried", "Anna")
        assert export(workspace, store).document["sha256"] == first.document["sha256"]

    def test_what_is_no_longer_there_is_left_out_and_counted(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        judge_some(store, workspace)
        review(store, workspace, "dog/=1.png", "wrong", decided="wolf")
        store.add(Verdict("tried", "of-old", "cat", "right", "Anna"))
        relabelled = str(workspace.samples().set_index("path").loc["dog/naïve 猫.png", "sample_id"])
        store.add(Verdict("tried", relabelled, "cat", "wrong", "Anna", "dog"))
        made = export(workspace, store)
        assert made.document["rows"] == 5
        assert made.document["left_out"] == {
            "image no longer in the workspace": 1,
            "given label changed since the verdict": 1,
            "decided label no longer a class": 1,
        }
        assert relabelled not in set(read(made.csv, CLASSES)["sample_id"])

    def test_where_no_verdict_applies_it_says_why(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        sample_id = str(workspace.samples()["sample_id"].iloc[0])
        store.add(Verdict("tried", sample_id, "wolf", "bad", "Anna"))
        with pytest.raises(LabelsError, match=r"applies: 1 left out \(given label changed since"):
            export(workspace, store)

    def test_a_broken_export_is_not_taken_for_a_whole_one(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        judge_some(store, workspace)
        made = export(workspace, store)
        made.parquet.unlink()
        made.parquet.mkdir()
        review(store, workspace, "dog/3.png", "bad")
        with pytest.raises(LabelsError, match=r"cannot be written to .*--out"):
            export(workspace, store)
        assert not made.summary.exists()
        read(made.csv, CLASSES)


class TestCommand:
    def command(self, *words: str) -> tuple[int, str, str]:
        ended = CliRunner().invoke(app, ["labels", "export", *words], env={"COLUMNS": "200"})
        return ended.exit_code, ended.stdout, ended.stderr

    def test_it_writes_and_says_what(
        self, workspace: Workspace, store: Reviews, tmp_path: Path
    ) -> None:
        judge_some(store, workspace)
        code, out, _ = self.command("tried", "--out", str(tmp_path / "here"))
        assert code == 0
        csv = tmp_path / "here" / "tried-labels.csv"
        counts = "1 right, 1 wrong, 1 undecidable, 1 bad, 1 disputed"
        assert f"Wrote 5 reviewed images to {csv} and .parquet: {counts}." in out
        assert hashlib.sha256(csv.read_bytes()).hexdigest() in out
        assert not (workspace.folder / "labels").exists()

    def test_without_reviews_it_says_where_it_looked(
        self, workspace: Workspace, store: Reviews
    ) -> None:
        code, _, err = self.command("tried")
        assert code == 1
        assert f"'tried' has a verdict in {store.place}" in err
        assert not (workspace.folder / "labels").exists()

    def test_a_database_that_is_not_there_is_named(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CENTAURO_CACHE", str(workspace.folder.parent))
        monkeypatch.setenv("CENTAURO_REVIEWS", "postgresql://ann:secret@127.0.0.1:1/team")
        code, _, err = self.command("tried")
        assert code == 1
        assert "'team' on 127.0.0.1:1 cannot be opened" in err
        assert "secret" not in err


GOOD = {
    "sample_id": ["s1", "s2", "s3"],
    "path": "",
    "given": "cat",
    "decided": ["cat", "dog", ""],
    "verdict": ["right", "wrong", "disputed"],
    "reviewers": "Anna",
    "note": "",
}


class TestReading:
    @pytest.mark.parametrize("ending", [".csv", ".parquet"])
    def test_a_file_made_by_a_person_is_read_in_order(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"mine{ending}"
        table = pd.DataFrame(GOOD)[["verdict", *(set(COLUMNS) - {"verdict"})]].iloc[::-1]
        if ending == ".csv":
            table.to_csv(path, index=False, encoding="utf-8-sig")
        else:
            table.to_parquet(path)
        found = read(path, CLASSES)
        assert found["sample_id"].tolist() == ["s1", "s2", "s3"]
        assert found["decided"].fillna("-").tolist() == ["cat", "dog", "-"]
        assert list(found.columns) == list(COLUMNS)

    @pytest.mark.parametrize(
        ("changes", "messages"),
        [
            ({"colour": "red"}, ["columns: there is none called colour"]),
            ({"sample_id": ["s1", "s1", "s2"]}, ["sample_id: must not be there twice.*'s1', 's1'"]),
            ({"sample_id": ["", "s1", "s2"]}, ["sample_id: must not be empty"]),
            ({"verdict": ["right", "wrong", "maybe"]}, ["verdict: .* disputed. .*'maybe' of s3"]),
            ({"given": ["cat", "cat", "wolf"]}, [r"given: .*\(cat, dog, \+fox\).*'wolf' of s3"]),
            ({"decided": ["cat", "wolf", ""]}, ["decided: must be among .*'wolf' of s2"]),
            ({"decided": ["cat", "", ""]}, ["decided: must hold a label .*'' of s2"]),
            ({"decided": ["cat", "dog", "dog"]}, ["decided: must be empty .*'dog' of s3"]),
            ({"decided": ["dog", "dog", ""]}, ["decided: must be the given .*'dog' of s1"]),
            ({"decided": ["cat", "cat", ""]}, ["decided: must be another .*'cat' of s2"]),
            (
                {"decided": ["wolf", "cat", ""], "verdict": ["wrong", "wrong", "maybe"]},
                ["3 mistakes", "verdict: must be", "decided: must be among", "must be another"],
            ),
        ],
    )
    def test_every_mistake_is_told(
        self, tmp_path: Path, changes: dict[str, Any], messages: list[str]
    ) -> None:
        path = tmp_path / "mine.csv"
        pd.DataFrame(GOOD | changes).to_csv(path, index=False)
        for message in messages:
            with pytest.raises(LabelsError, match=message):
                read(path, CLASSES)

    def test_missing_columns_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        pd.DataFrame(GOOD).drop(columns=["note", "given"]).to_csv(path, index=False)
        with pytest.raises(LabelsError, match="columns: given, note missing"):
            read(path, CLASSES)

    @pytest.mark.parametrize("name", ["none.csv", "none.parquet", "text.parquet", "bytes.csv"])
    def test_what_cannot_be_read_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "text.parquet").write_text("no parquet")
        (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(LabelsError, match=f"{name} cannot be read"):
            read(tmp_path / name, CLASSES)

    def test_many_mistakes_of_one_kind_are_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        rows = [{**GOOD, "sample_id": f"s{place}"} for place in range(12)]
        table = pd.DataFrame(rows).assign(decided="", verdict="maybe")
        table.to_csv(path, index=False)
        with pytest.raises(LabelsError, match="'maybe' of s4 and 7 more"):
            read(path, CLASSES)
