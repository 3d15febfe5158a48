from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import (
    Dataset,
    StageState,
    Workspace,
    cache_root,
    list_workspaces,
    open_workspace,
)
from cache.artefact import Manifest, staging, write_json
from cache.errors import (
    CorruptArtefactError,
    MissingArtefactError,
    RunNotFoundError,
    WorkspaceNotFoundError,
)
from cache.fingerprint import stage_fingerprint
from cache.store import artefact_key, load_array, work_folder

DATASET = Dataset(
    title="Tiny",
    source="arrays",
    description="Made up.",
    simulated=None,
    root=None,
    classes=("a", "b"),
    channels=("grey",),
    dtype="uint8",
    shape=(2, 2, 1),
    positive=None,
    human_error=0.1,
    views=("image",),
    left_out={"c": 3},
)

PLAN: list[dict[str, Any]] = [
    {"run": None, "stage": "samples", "version": 1, "settings": "s", "inputs": []},
    {"run": None, "stage": "thumbnails", "version": 1, "settings": "t", "inputs": ["samples"]},
    {"run": "cnn", "stage": "train", "version": 1, "settings": "r", "inputs": ["samples"]},
    {
        "run": "cnn",
        "stage": "predictions",
        "version": 1,
        "settings": "p",
        "inputs": ["samples", "runs/cnn/train"],
    },
]
KEYS = [artefact_key(entry["run"], entry["stage"]) for entry in PLAN]


def make_workspace(root: Path, name: str = "tiny") -> Workspace:
    document = {"command": f"run {name}", "recipe": {"runs": {"cnn": {}, "big": {}}}, "plan": PLAN}
    write_json(root / name / "workspace.json", document)
    return Workspace(name, root / name)


def make(workspace: Workspace, key: str, digest: str | None = None) -> None:
    """Write the artefact that the plan expects, as the runner would."""
    entry = PLAN[KEYS.index(key)]
    digests = {
        read: workspace.artefact(
            read.rpartition("/")[2], "cnn" if "/" in read else None
        ).manifest.digest
        for read in entry["inputs"]
    }
    wanted = stage_fingerprint(entry["stage"], entry["version"], entry["settings"], digests)
    with staging(workspace.folder / key) as place:
        if key == "samples":
            write_json(place.folder / "dataset.json", dataclasses.asdict(DATASET))
            np.save(place.folder / "images.npy", np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1))
        place.commit(
            Manifest(
                stage=entry["stage"],
                fingerprint=wanted,
                digest=digest or wanted,
                version=1,
                settings={},
                inputs=digests,
                rows=2,
                seconds=0.25,
                versions={},
                created="2026-01-02T03:04:05+00:00",
            )
        )


def states(workspace: Workspace) -> dict[str, str]:
    fresh = Workspace(workspace.name, workspace.folder)
    return {artefact_key(s.run, s.stage): s.state for s in fresh.states()}


class TestPlaces:
    def test_the_cache_is_where_the_environment_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "here"))
        assert cache_root() == tmp_path / "here"
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("CENTAURO_CACHE", "~/shared")
        assert cache_root() == tmp_path / "shared"
        monkeypatch.setenv("CENTAURO_CACHE", "")
        assert cache_root().parts[-2:] == ("cache", "workspaces")

    def test_an_absent_cache_has_no_workspaces(self, tmp_path: Path) -> None:
        assert list_workspaces(tmp_path / "nowhere") == []

    def test_only_workspaces_are_listed_by_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("zoo", "ants", ".hidden"):
            make_workspace(tmp_path, name)
        (tmp_path / "empty").mkdir()
        (tmp_path / "a-file").write_text("")
        assert [workspace.name for workspace in list_workspaces(tmp_path)] == ["ants", "zoo"]
        monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path))
        assert list_workspaces() == list_workspaces(tmp_path)
        assert open_workspace("zoo").folder == tmp_path / "zoo"

    def test_an_unknown_workspace_names_those_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(WorkspaceNotFoundError, match=r"none yet.*pipelines run RECIPE"):
            open_workspace("zo", tmp_path)
        make_workspace(tmp_path, "zoo")
        make_workspace(tmp_path, "ants")
        with pytest.raises(WorkspaceNotFoundError, match=r"'zo' in .*There are: ants, zoo\."):
            open_workspace("zo", tmp_path)

    @pytest.mark.parametrize("name", ["../tiny", "/etc", ".", "", "tiny/../tiny"])
    def test_a_name_is_never_a_path(self, tmp_path: Path, name: str) -> None:
        make_workspace(tmp_path / "cache")
        make_workspace(tmp_path)
        with pytest.raises(WorkspaceNotFoundError):
            open_workspace(name, tmp_path / "cache")

    def test_an_unknown_run_names_those_there_are(self, tmp_path: Path) -> None:
        workspace = make_workspace(tmp_path)
        assert [run.name for run in workspace.runs()] == ["cnn", "big"]
        assert workspace.run("big").folder == tmp_path / "tiny" / "runs" / "big"
        with pytest.raises(RunNotFoundError, match=r"'tiny' has no run 'cn'.*cnn, big"):
            workspace.run("cn")


class TestStates:
    @pytest.fixture
    def made(self, tmp_path: Path) -> Workspace:
        workspace = make_workspace(tmp_path)
        for key in KEYS:
            make(workspace, key)
        return workspace

    def test_nothing_is_there_at_first(self, tmp_path: Path) -> None:
        workspace = make_workspace(tmp_path)
        assert states(workspace) == dict.fromkeys(KEYS, "missing")
        assert workspace.states()[0] == StageState(
            None, None, "samples", "missing", None, None, "run tiny"
        )

    def test_what_the_plan_expects_is_done(self, made: Workspace) -> None:
        assert states(made) == dict.fromkeys(KEYS, "done")
        assert made.states()[2] == StageState("cnn", None, "train", "done", 0.25, 2, "run tiny")

    @pytest.mark.parametrize(("field", "value"), [("settings", "other"), ("version", 2)])
    def test_what_hangs_on_a_change_is_stale(self, made: Workspace, field: str, value: Any) -> None:
        document = made.document
        document["plan"] = [{**e, field: value} if e["stage"] == "train" else e for e in PLAN]
        write_json(made.folder / "workspace.json", document)
        assert states(made) == dict(zip(KEYS, ["done", "done", "stale", "stale"], strict=True))

    def test_the_same_result_from_other_inputs_keeps_what_hangs_on_it(
        self, made: Workspace
    ) -> None:
        digest = made.artefact("samples").manifest.digest
        make(made, "samples", digest)
        assert states(made) == dict.fromkeys(KEYS, "done")
        make(made, "samples", "other samples")
        assert states(made) == dict(zip(KEYS, ["done", *["stale"] * 3], strict=True))
        make(made, "thumbnails")
        assert states(made)["thumbnails"] == "done"

    def test_what_hangs_on_something_missing_is_stale(self, made: Workspace) -> None:
        (made.folder / "runs" / "cnn" / "train" / "manifest.json").unlink()
        assert list(states(made).values()) == ["done", "done", "missing", "stale"]

    def test_a_broken_off_stage_is_interrupted(self, made: Workspace) -> None:
        folder = made.artefact("train", "cnn").folder
        (folder / "manifest.json").unlink()
        work_folder(folder).mkdir()
        assert list(states(made).values()) == ["done", "done", "interrupted", "stale"]

    def test_a_corrupt_manifest_is_stale(self, made: Workspace) -> None:
        (made.folder / "thumbnails" / "manifest.json").write_text("{")
        assert list(states(made).values()) == ["done", "stale", "done", "done"]


class TestReading:
    @pytest.fixture
    def made(self, tmp_path: Path) -> Workspace:
        workspace = make_workspace(tmp_path)
        make(workspace, "samples")
        return workspace

    def test_the_dataset_comes_back_as_written(self, made: Workspace) -> None:
        assert made.dataset == DATASET

    def test_images_are_a_read_only_memory_map(self, made: Workspace) -> None:
        images = made.images()
        assert isinstance(images, np.memmap)
        assert images.tolist() == np.arange(8).reshape(2, 2, 2, 1).tolist()
        with pytest.raises(ValueError, match="read-only"):
            images[0, 0, 0, 0] = 1

    def test_images_of_mixed_shape_have_no_memory_map(self, made: Workspace) -> None:
        mixed = {**dataclasses.asdict(DATASET), "shape": None}
        write_json(made.folder / "samples" / "dataset.json", mixed)
        assert made.images() is None

    def test_what_is_missing_is_named_with_the_command(self, tmp_path: Path) -> None:
        workspace = make_workspace(tmp_path)
        run = workspace.run("cnn")
        for ask, name in (
            (lambda: workspace.dataset, "samples"),
            (workspace.samples, "samples"),
            (lambda: run.document, "train"),
            (run.history, "train"),
            (run.metrics, "predictions"),
        ):
            with pytest.raises(MissingArtefactError, match=f"'{name}'.*Make it: run tiny"):
                ask()


class TestCorrupt:
    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"command": "x"}', '"text"'])
    def test_a_document_that_is_none(self, tmp_path: Path, content: str) -> None:
        workspace = make_workspace(tmp_path)
        path = workspace.folder / "workspace.json"
        path.write_text(content)
        with pytest.raises(CorruptArtefactError, match="Delete this file and run") as caught:
            workspace.states()
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("change", [{"classes": None, "extra": 1}, {"shape": 3}])
    def test_a_dataset_of_another_version(self, tmp_path: Path, change: dict[str, Any]) -> None:
        workspace = make_workspace(tmp_path)
        make(workspace, "samples")
        path = workspace.folder / "samples" / "dataset.json"
        path.write_text(json.dumps({**dataclasses.asdict(DATASET), **change}))
        with pytest.raises(CorruptArtefactError, match="Delete the folder") as caught:
            _ = workspace.dataset
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array"])
    def test_an_array_that_is_none(self, tmp_path: Path, content: bytes) -> None:
        workspace = make_workspace(tmp_path)
        make(workspace, "samples")
        path = workspace.folder / "samples" / "images.npy"
        path.write_bytes(content)
        with pytest.raises(CorruptArtefactError, match=r"images\.npy.*Delete the folder"):
            workspace.images()

    def test_an_array_of_objects_is_never_unpickled(self, tmp_path: Path) -> None:
        path = tmp_path / "objects.npy"
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        with pytest.raises(CorruptArtefactError, match=r"objects\.npy"):
            load_array(path)

    def test_an_array_that_is_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "images.npy"
        np.save(path, np.zeros((100, 100)))
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(CorruptArtefactError, match=r"images\.npy"):
            load_array(path)

    def test_a_history_that_is_empty(self, tmp_path: Path) -> None:
        workspace = make_workspace(tmp_path)
        make(workspace, "samples")
        make(workspace, "runs/cnn/train")
        (workspace.folder / "runs" / "cnn" / "train" / "history.csv").write_text("")
        with pytest.raises(CorruptArtefactError, match=r"history\.csv"):
            workspace.run("cnn").history()
