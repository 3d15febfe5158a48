"""The command line: exit codes, messages, and what ``status --json`` promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from cache.artefact import write_json
from cache.lock import writing_lock
from pipelines.cli import app
from pipelines.recipe import shipped_recipes
from pipelines.stages import STAGES

ROOT = Path(__file__).parents[2]

# Runs a command as ``python -m pipelines`` does and says whether it brought in TensorFlow.
PROBE = """
import sys
from pipelines.cli import app
try:
    app(sys.argv[1:], prog_name="python -m pipelines")
finally:
    print("TensorFlow:", "tensorflow" in sys.modules, file=sys.stderr)
"""


def process(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Give a command to a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=ROOT,
        env={**os.environ, "CENTAURO_CACHE": str(cache), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 stamps, one without a number in it, and two short runs."""
    folder = tmp_path_factory.mktemp("recipe")
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.uniform(0, 0.4, (96, 8, 8)).astype(np.float32)
    images[labels == 1, 3:5, 3:5] += 0.5
    images[5] = np.nan
    data = folder / "stamps.npz"
    np.savez(data, images=images, labels=labels, names=np.array(["dark", "bright"]))
    run = {"model": "hits_cnn", "epochs": 1, "early_stopping": None, "embeddings": {}}
    document = {
        "name": "stamps",
        "dataset": {"source": "arrays", "path": str(data)},
        "runs": {"one": run, "two": {**run, "seed": 1}},
    }
    path = folder / "stamps.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def made(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache after one whole run, by a process of its own."""
    cache = tmp_path_factory.mktemp("cache")
    ended = process(cache, "run", str(recipe))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "TensorFlow: True\n", "nothing but what this test says"
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert lines[0][:3] == ["samples", "95", "images"]
    assert lines[3][:4] == ["one:", "train", "1", "epochs"]
    assert "Look at it: streamlit run dashboard/app.py" in ended.stdout
    assert re.search(r"stamps +one +\d+\.\d% of 14 \(\d+\.\d to ", ended.stdout)
    return cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def command(*words: str, **options: Any) -> Result:
    result = CliRunner().invoke(app, list(words), **options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


class TestHelp:
    def test_every_command_and_option_is_explained(self) -> None:
        group: Any = typer.main.get_command(app)
        named = {"run", "check", "list", "status", "clean", "labels", "report"}
        assert set(group.commands) == named
        commands = {(name,): there for name, there in group.commands.items()}
        for name, there in group.commands["labels"].commands.items():
            commands["labels", name] = there
        for words, there in commands.items():
            assert there.help, words
            for parameter in there.params:
                assert parameter.help, f"{words} {parameter.name}"
            shown = command(*words, "--help", env={"COLUMNS": "200"})
            assert shown.exit_code == 0
            assert there.help.splitlines()[0] in shown.stdout

    def test_the_stages_that_it_lists_are_those_there_are(self) -> None:
        shown = command("run", "--help", env={"COLUMNS": "300"}).stdout
        assert f"({', '.join(stage.name for stage in STAGES)})" in shown

    def test_without_a_command_help_is_shown(self) -> None:
        assert "Commands" in command().stdout

    @pytest.mark.parametrize(
        "words", [["fly"], ["run"], ["status", "--xml"], ["clean"], ["labels", "export"]]
    )
    def test_a_mistyped_command_exits_with_2(self, words: list[str]) -> None:
        result = command(*words)
        assert result.exit_code == 2
        assert "Usage:" in result.stderr


class TestList:
    def test_every_shipped_recipe_stands_there_with_its_runs(self) -> None:
        result = command("list", env={"COLUMNS": "250"})
        assert result.exit_code == 0
        rows = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
        assert set(rows) == set(shipped_recipes())
        assert "compact, hits" in rows["digits"]
        assert "1,797 real scanned digits" in rows["digits"]


class TestCheck:
    def test_a_good_recipe_is_in_order_and_nothing_is_made(self, cache: Path) -> None:
        result = command("check", "digits", "--set", "runs.compact.epochs=3")
        assert result.exit_code == 0
        assert result.stdout == (
            "The recipe 'digits' is in order: 2 runs on a dataset of kind 'digits', 36 stages.\n"
        )
        assert not cache.exists()

    def test_all_mistakes_are_told_at_once(self, cache: Path) -> None:
        result = command(
            "check", "digits", "--set", "runs.compact.epochs=0", "--set", "dataset.colour=red"
        )
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "has 2 mistakes:" in result.stderr
        assert "runs.compact.epochs: must be greater than or equal to 1. Received: 0" in (
            result.stderr
        )
        assert "dataset.colour: there is no such field" in result.stderr

    def test_data_that_are_not_there_are_named(self, tmp_path: Path) -> None:
        place = tmp_path / "nowhere"
        for words in (("folder", f"dataset.root={place}"), ("hits", f"dataset.path={place}")):
            result = command("check", words[0], "--set", words[1])
            assert result.exit_code == 1
            assert str(place) in result.stderr
            assert words[1].partition("=")[0] in result.stderr, "the field to correct"

    def test_a_folder_that_is_there_is_in_order(self, tmp_path: Path) -> None:
        result = command("check", "folder", "--set", f"dataset.root={tmp_path}")
        assert result.exit_code == 0

    def test_brackets_are_no_markup(self) -> None:
        result = command("check", "digits", "--set", "dataset.title=[bold]", "--set", "name=[red]")
        assert "Received: ['red']" in result.stderr


class TestRun:
    def test_a_mistake_exits_with_1_and_without_tensorflow(self, tmp_path: Path) -> None:
        ended = process(tmp_path, "run", "digits", "--set", "runs.compact.epochs=0")
        assert ended.returncode == 1
        assert "runs.compact.epochs: must be greater than or equal to 1" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stderr.endswith("TensorFlow: False\n")
        assert list(tmp_path.iterdir()) == []

    def test_a_second_run_finds_everything_without_tensorflow(
        self, made: Path, recipe: Path
    ) -> None:
        started = time.perf_counter()
        ended = process(made, "run", str(recipe))
        seconds = time.perf_counter() - started
        assert ended.returncode == 0
        assert ended.stderr == "TensorFlow: False\n"
        assert seconds < 30
        assert ended.stdout.count("in the cache") == 8
        assert "Look at it" in ended.stdout

    def test_rests_of_a_broken_attempt_go_once_the_artefact_stands(
        self, cache: Path, recipe: Path
    ) -> None:
        words = ("run", str(recipe), "--only", "samples")
        assert command(*words).exit_code == 0
        # What '--force' leaves when it is killed: the old artefact stands beside its rests.
        rests = cache / "stamps" / ".samples.work"
        rests.mkdir()
        result = command(*words)
        assert "in the cache" in result.stdout
        assert not rests.exists()

    def test_an_unknown_stage_is_named(self, cache: Path, recipe: Path) -> None:
        result = command("run", str(recipe), "--only", "trian")
        assert result.exit_code == 1
        assert "no stage 'trian'" in result.stderr
        assert "samples, thumbnails, decisions, inputs, train, predictions" in result.stderr

    def test_a_stage_alone_says_what_it_lacks(self, cache: Path, recipe: Path) -> None:
        result = command("run", str(recipe), "--only", "thumbnails")
        assert result.exit_code == 1
        assert "'thumbnails' reads what does not stand" in result.stderr
        assert "samples (missing)" in result.stderr
        assert f"python -m pipelines run {recipe}" in result.stderr

    def test_several_recipes_are_made_one_after_another(
        self, tmp_path: Path, cache: Path, recipe: Path
    ) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(recipe.read_text().replace("name: stamps", "name: more"))
        assert command("run", str(recipe), str(other), "--only", "samples").exit_code == 0
        assert {path.name for path in cache.iterdir()} == {"stamps", "more"}
        # A mistake in the last is told before the first is begun.
        other.write_text("name: more")
        result = command("run", str(recipe), str(other), "--set", "name=third")
        assert result.exit_code == 1 and not (cache / "third").exists()

    def test_what_is_typed_is_remembered(self, tmp_path: Path, recipe: Path, cache: Path) -> None:
        elsewhere = tmp_path / "other place"
        words = ["--set", "name=my-stamps", "--set", "dataset.title=Two words"]
        result = command("run", str(recipe), *words, "--cache", str(elsewhere), "--only", "samples")
        assert result.exit_code == 0
        assert not cache.exists()
        document = json.loads((elsewhere / "my-stamps" / "workspace.json").read_text())
        assert document["command"] == (
            f"python -m pipelines run {recipe} --set name=my-stamps "
            f"--set 'dataset.title=Two words' --cache '{elsewhere}'"
        )
        assert document["recipe"]["dataset"]["title"] == "Two words"

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path, recipe: Path) -> None:
        (tmp_path / "file").write_text("")
        result = command("run", str(recipe), "--cache", str(tmp_path / "file"))
        assert result.exit_code == 1
        assert f"{tmp_path / 'file'}" in result.stderr
        assert "CENTAURO_CACHE" in result.stderr


# Decisions on labels are in the plan of those recipes alone that train on them.
OF_A_RUN = [
    stage.name
    for stage in STAGES
    if stage.scope in ("workspace", "run") and stage.name != "decisions"
]
WORKSPACE = {"name", "simulated", "samples", "classes", "rejected", "runs"}
PARTS = {"embeddings", "occlusion", "issues"}
RUN = {"name", "params", "seconds", "labels", "metrics", "by_decided_labels", "stages", *PARTS}


def described(*words: str) -> dict[str, Any]:
    result = command("status", "--json", *words)
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    assert set(document) == {"workspaces"}
    for workspace in document["workspaces"]:
        assert set(workspace) == WORKSPACE
        for run in workspace["runs"]:
            assert set(run) == RUN
            for stage in run["stages"].values():
                assert set(stage) == {"state", "seconds", "rows"}
    return document


class TestStatus:
    def test_an_empty_cache_says_how_to_begin(self, cache: Path) -> None:
        result = command("status")
        assert result.exit_code == 0
        assert "python -m pipelines run digits" in result.stdout
        assert described() == {"workspaces": []}

    def test_json_describes_a_finished_workspace(self, made: Path, cache: Path) -> None:
        (workspace,) = described("--cache", str(made))["workspaces"]
        assert workspace["name"] == "stamps"
        assert workspace["simulated"] is False
        assert workspace["samples"] == 95
        assert workspace["classes"] == ["dark", "bright"]
        assert workspace["rejected"] == 1
        assert [run["name"] for run in workspace["runs"]] == ["one", "two"]
        for run in workspace["runs"]:
            assert run["params"] > 1000
            assert run["seconds"] > 0
            assert list(run["stages"]) == OF_A_RUN
            assert run["embeddings"] == run["occlusion"] == run["issues"] == {}
            for stage in run["stages"].values():
                assert stage["state"] == "done"
                assert stage["seconds"] > 0
            assert run["stages"]["train"]["rows"] == 1
            assert run["stages"]["samples"]["rows"] == 95
            assert set(run["metrics"]) == {"train", "val", "test"}
            counts = 0
            for metrics in run["metrics"].values():
                assert set(metrics) == {"accuracy", "loss"}
                rate = metrics["accuracy"]
                assert set(rate) == {"value", "low", "high", "n"}
                assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1
                assert metrics["loss"] > 0
                counts += rate["n"]
            assert counts == 95

    def test_the_table_says_the_same(self, made: Path, cache: Path) -> None:
        result = command("status", "--cache", str(made), env={"COLUMNS": "200"})
        assert result.exit_code == 0
        rows = [line.split() for line in result.stdout.splitlines()[1:]]
        assert [row[:2] for row in rows] == [["stamps", "one"], ["stamps", "two"]]
        assert all(row[-1] == "done" for row in rows)

    def test_what_is_not_made_yet_is_null(self, cache: Path, recipe: Path) -> None:
        result = command("run", str(recipe), "--set", "dataset.path=/nowhere/x.npz")
        assert result.exit_code == 1
        assert described() == {"workspaces": []}
        assert command("run", str(recipe), "--only", "samples").exit_code == 0
        (cache / "stamps" / "samples" / "manifest.json").unlink()
        (workspace,) = described()["workspaces"]
        unknown = {
            name: workspace[name] for name in ("simulated", "samples", "classes", "rejected")
        }
        assert set(unknown.values()) == {None}
        (one, _) = workspace["runs"]
        assert (one["params"], one["seconds"], one["metrics"]) == (None, None, {})
        missing = {"state": "missing", "seconds": None, "rows": None}
        assert one["stages"] == dict.fromkeys(OF_A_RUN, missing)
        shown = command("status", env={"COLUMNS": "200"}).stdout
        assert "samples missing, thumbnails missing" in shown

    def test_a_corrupt_workspace_is_named(self, cache: Path) -> None:
        path = cache / "broken" / "workspace.json"
        write_json(path, {})
        result = command("status", "--json")
        assert result.exit_code == 1
        assert str(path) in result.stderr
        assert json.loads(result.stdout) == {"workspaces": []}

    def test_the_others_are_shown_beside_a_corrupt_one(self, made: Path) -> None:
        path = made / "broken" / "workspace.json"
        write_json(path, {})
        result = command("status", "--json", "--cache", str(made))
        path.unlink()
        assert result.exit_code == 1
        assert [each["name"] for each in json.loads(result.stdout)["workspaces"]] == ["stamps"]


class TestClean:
    @pytest.fixture
    def workspace(self, cache: Path, recipe: Path) -> Path:
        assert command("run", str(recipe), "--only", "samples").exit_code == 0
        return cache / "stamps"

    def test_it_asks_before_it_removes(self, workspace: Path) -> None:
        for answer in ("n\n", ""):
            result = command("clean", "stamps", input=answer)
            assert result.exit_code == 1
            assert f"Remove {workspace} and all its runs?" in result.stdout
            assert workspace.exists()
        result = command("clean", "stamps", input="y\n")
        assert result.exit_code == 0
        assert f"Removed {workspace}" in result.stdout
        assert not workspace.exists()

    def test_it_need_not_ask(self, workspace: Path) -> None:
        result = command("clean", "stamps", "--yes")
        assert (result.exit_code, result.stdout) == (0, f"Removed {workspace}\n")
        assert list(workspace.parent.iterdir()) == []

    def test_an_unknown_name_lists_those_there_are(self, workspace: Path) -> None:
        result = command("clean", "stamp", "--yes")
        assert result.exit_code == 1
        assert "There are: stamps." in result.stderr
        assert workspace.exists()

    def test_nothing_outside_the_cache_can_be_removed(
        self, workspace: Path, tmp_path: Path
    ) -> None:
        precious = tmp_path / "precious"
        write_json(precious / "workspace.json", {})
        for name in ("../precious", str(precious)):
            assert command("clean", name, "--yes").exit_code == 1
        assert (precious / "workspace.json").exists()

    def test_one_that_is_being_written_stays(self, workspace: Path) -> None:
        with writing_lock(workspace):
            result = command("clean", "stamps", "--yes")
        assert result.exit_code == 1
        assert f"process {os.getpid()}" in result.stderr
        assert (workspace / "samples" / "manifest.json").exists()
