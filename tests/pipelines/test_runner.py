"""The runner: skips what stands, remakes exactly what hangs on a change, survives SIGKILL."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cache import Workspace, open_workspace
from cache.errors import LockedError
from cache.lock import writing_lock
from pipelines.errors import RecipeError, StageError
from pipelines.plan import Step
from pipelines.recipe import load_recipe
from pipelines.runner import Order, run_recipe, run_recipes

ROOT = Path(__file__).parents[2]
STAGES = ["samples", "thumbnails", "inputs", "train", "predictions"]


class Log:
    """Remembers which stages were made and which were skipped."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.skipped: list[str] = []
        self.failed: list[str] = []

    def start(self, step: Step) -> None:
        pass

    def progress(self, step: Step, done: float, total: int) -> None:
        assert 0 <= done <= total

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        (self.made if state == "made" else self.skipped).append(step.key)

    def fail(self, step: Step) -> None:
        self.failed.append(step.key)

    def reach(self, stage: str) -> None:
        self.made.append(f"all {stage}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 stamps of 8x8: class 1 has a bright middle."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.uniform(0, 0.4, (96, 8, 8)).astype(np.float32)
    images[labels == 1, 3:5, 3:5] += 0.5
    path = tmp_path_factory.mktemp("data") / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(["dark", "bright"]))
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def recipe(data: Path) -> Path:
    run = {
        "model": "hits_cnn",
        "epochs": 2,
        "batch_size": 16,
        "early_stopping": None,
        "embeddings": {},
    }
    document = {
        "name": "stamps",
        "dataset": {"source": "arrays", "path": str(data)},
        "runs": {"a": run, "b": {**run, "seed": 1}},
    }
    path = data.with_name("stamps.yaml")
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with everything of the recipe in it. Not to be changed: copy it."""
    root = tmp_path_factory.mktemp("whole")
    log = Log()
    run_recipe(load_recipe(str(recipe)), log, command="", reference=str(recipe), root=root)
    assert (log.made, log.skipped) == (ALL, [])
    return root


def run(recipe: Path, *sets: str, **options: Any) -> Log:
    log = Log()
    run_recipe(
        load_recipe(str(recipe), sets), log, command="make it", reference=str(recipe), **options
    )
    return log


def run_keys(name: str, *stages: str) -> list[str]:
    return [f"runs/{name}/{stage}" for stage in stages]


ALL = [
    "samples",
    "thumbnails",
    *run_keys("a", "inputs", "train", "predictions"),
    *run_keys("b", "inputs", "train", "predictions"),
]


class TestFingerprints:
    @pytest.fixture(autouse=True)
    def made(self, cache: Path, whole: Path) -> None:
        shutil.copytree(whole, cache)

    def test_the_second_run_skips_everything(self, recipe: Path) -> None:
        log = run(recipe)
        assert (log.made, log.skipped) == ([], ALL)

    @pytest.mark.parametrize(
        ("change", "remade"),
        [
            ("runs.a.epochs=1", run_keys("a", "train", "predictions")),
            ("runs.b.batch_size=8", run_keys("b", "train", "predictions")),
            ("runs.a.image.size=[10, 10]", run_keys("a", "inputs", "train", "predictions")),
            # The same samples under another title: nothing hangs on it.
            ("dataset.title=Other", ["samples"]),
            ("dataset.seed=7", ALL),
        ],
    )
    def test_a_changed_field_remakes_what_hangs_on_it(
        self, recipe: Path, change: str, remade: list[str]
    ) -> None:
        assert run(recipe, change).made == remade

    def test_changed_data_remake_everything(self, recipe: Path, data: Path) -> None:
        before, times = data.read_bytes(), (data.stat().st_atime_ns, data.stat().st_mtime_ns)
        try:
            with np.load(data) as arrays:
                changed = {**arrays, "images": 1 - arrays["images"]}
            np.savez(data, **changed)
            assert run(recipe).made == ALL
        finally:
            data.write_bytes(before)
            os.utime(data, ns=times)

    def test_the_dashboard_sees_what_became_stale(self, recipe: Path) -> None:
        run(recipe, "runs.a.epochs=1", only="inputs")
        states = {(s.run, s.stage): s.state for s in open_workspace("stamps").states()}
        assert states[("a", "train")] == "stale"
        assert states[("a", "predictions")] == "stale"
        assert states[("b", "predictions")] == "done"

    def test_force_makes_again_what_stands(self, recipe: Path) -> None:
        assert run(recipe, only="thumbnails", force=True).made == ["thumbnails"]

    def test_until_leaves_the_rest_for_later(self, recipe: Path, cache: Path) -> None:
        shutil.rmtree(cache)
        first = ["samples", "thumbnails", "runs/a/inputs", "runs/b/inputs"]
        assert run(recipe, until="inputs").made == first
        log = run(recipe, "runs.a.epochs=1", until="train")
        assert log.skipped == first
        assert log.made == ["runs/a/train", "runs/b/train"]

    def test_other_data_do_not_take_over_the_name(self, recipe: Path, tmp_path: Path) -> None:
        before = open_workspace("stamps").samples()
        other = shutil.copy(recipe.with_suffix(".npz"), tmp_path / "other.npz")
        with pytest.raises(RecipeError, match=r"holds other data.*--set name=OTHER"):
            run(recipe, f"dataset.path={other}")
        assert open_workspace("stamps").samples().equals(before)

    def test_same_seed_same_result(self, recipe: Path) -> None:
        first = open_workspace("stamps").run("a").predictions()
        assert run(recipe, force=True).made == ALL
        assert open_workspace("stamps").run("a").predictions().equals(first)


@pytest.mark.usefixtures("plain_main")
def test_several_at_a_time_make_the_same(cache: Path, recipe: Path, whole: Path) -> None:
    log = run(recipe, jobs=2)
    assert sorted(log.made) == sorted(ALL)
    for name in ("a", "b"):
        stages = [key for key in log.made if key.startswith(f"runs/{name}/")]
        assert stages == run_keys(name, "inputs", "train", "predictions")
    both = [open_workspace("stamps", root) for root in (cache, whole)]
    for name in ("a", "b"):
        ours, theirs = (workspace.run(name).predictions() for workspace in both)
        np.testing.assert_allclose(ours["confidence"], theirs["confidence"], atol=1e-5)
    assert run(recipe, jobs=2).skipped == ALL


def test_one_stage_of_all_runs_can_come_first(cache: Path, recipe: Path) -> None:
    early, late = run_keys("a", "inputs"), run_keys("a", "train", "predictions")
    early += run_keys("b", "inputs")
    late += run_keys("b", "train", "predictions")
    expected = ["samples", "thumbnails", *early, "all inputs", *late]
    assert run(recipe, first="inputs").made == expected


def test_what_does_not_hang_on_a_failure_is_made_all_the_same(cache: Path, recipe: Path) -> None:
    log = Log()
    document = load_recipe(str(recipe), ("runs.a.optimizer.learning_rate=1e30",))
    with pytest.raises(StageError, match="training of 'a' diverged"):
        run_recipe(document, log, command="make it", reference=str(recipe))
    assert log.failed == run_keys("a", "train", "predictions")
    assert log.made == [key for key in ALL if key not in log.failed]


def test_recipes_of_one_name_are_not_run_together(cache: Path, recipe: Path) -> None:
    orders = [Order(load_recipe(str(recipe)), "make it", "one")] * 2
    with pytest.raises(RecipeError, match=r"different names.*'stamps', 'stamps'"):
        run_recipes(orders, Log())


def test_an_unknown_stage_is_named(cache: Path, recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"no stage 'trian'.*train"):
        run(recipe, only="trian")


def test_two_writers_do_not_meet(cache: Path, recipe: Path) -> None:
    with writing_lock(cache / "stamps"), pytest.raises(LockedError, match=str(os.getpid())):
        run(recipe)


KILLER = """
import os, signal, sys
from pipelines.runner import run_recipe
from pipelines.recipe import load_recipe

class Killer:
    # Kills the process, as a power cut would, at a moment that the test chooses.
    def __init__(self, key, moment):
        self.key, self.moment = key, float(moment)
    def start(self, step):
        if step.key == self.key and self.moment == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def progress(self, step, done, total):
        if step.key == self.key and done / total >= self.moment:
            os.kill(os.getpid(), signal.SIGKILL)
    def finish(self, step, state, rows, seconds):
        pass
    def fail(self, step):
        pass
    def reach(self, stage):
        pass

path, key, moment = sys.argv[1:]
run_recipe(load_recipe(path), Killer(key, moment), command="make it", reference=path)
"""


def kill_in(recipe: Path, key: str, moment: float) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLER, str(recipe), key, str(moment)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def artefacts(workspace: Workspace) -> Iterator[Path]:
    """Every folder that a reader could take for an artefact."""
    for stage in STAGES:
        yield from workspace.folder.glob(stage)
        yield from workspace.folder.glob(f"runs/*/{stage}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "moment"),
    [
        ("samples", 0.5),
        ("runs/a/inputs", 0),
        ("runs/a/train", 0.3),
        ("runs/a/train", 0.75),
        ("runs/a/predictions", 0.5),
    ],
)
def test_a_killed_run_leaves_nothing_half_and_goes_on(
    cache: Path, recipe: Path, whole: Path, key: str, moment: float
) -> None:
    kill_in(recipe, key, moment)
    workspace = open_workspace("stamps")
    for folder in artefacts(workspace):
        assert (folder / "manifest.json").is_file(), f"{folder} is visible but not whole"
    done = [s.state for s in workspace.states()]
    assert done[ALL.index(key)] == ("interrupted" if moment else "missing")
    assert done[: ALL.index(key)] == ["done"] * ALL.index(key)

    log = run(recipe)
    assert log.skipped == ALL[: ALL.index(key)]
    assert log.made == ALL[ALL.index(key) :]
    hidden = [p for p in workspace.folder.rglob(".*") if p.name != ".lock"]
    assert hidden == [], "nothing of the broken run is left behind"

    resumed, uninterrupted = open_workspace("stamps"), open_workspace("stamps", whole)
    for name in ("a", "b"):
        assert resumed.run(name).predictions().equals(uninterrupted.run(name).predictions())


def test_an_interrupted_training_keeps_its_finished_epochs(cache: Path, recipe: Path) -> None:
    kill_in(recipe, "runs/a/train", 0.75)
    work = cache / "stamps" / "runs" / "a" / ".train.work"
    first = work / "epochs" / "00001" / "row.json"
    written = first.stat().st_mtime_ns
    started = time.time_ns()
    run(recipe)
    history = open_workspace("stamps").run("a").history()
    assert list(history["epoch"]) == [1, 2]
    assert written < started, "the first epoch was not trained again"


def test_a_full_disk_is_told_in_words(
    cache: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing to /dev/full fails as a full disk does, for real."""
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", _save_to_a_full_disk)
        with pytest.raises(StageError, match=r"'samples' failed: .*No space left.*go on"):
            run(recipe)
    assert not open_workspace("stamps").artefact("samples").exists
    assert run(recipe, only="samples").made == ["samples"]


def _save_to_a_full_disk(path: Path, array: np.ndarray) -> None:
    with Path("/dev/full").open("wb") as stream:
        stream.write(array.tobytes())
        stream.flush()
