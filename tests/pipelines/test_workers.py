"""Worker processes: several steps at a time, none of which outlives its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cache.artefact import Manifest, write_json
from cache.errors import LockedError
from cache.lock import writing_lock
from cache.store import DOCUMENT
from pipelines.errors import StageError
from pipelines.making import Task, make
from pipelines.plan import Step
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage
from pipelines.workers import Beside, Here

pytestmark = pytest.mark.usefixtures("plain_main")

ROOT = Path(__file__).parents[2]
NAME = "tried"


def no_settings(recipe: Recipe) -> dict[str, str]:
    return {}


def writes_its_process(job: Job) -> Outcome:
    for done in range(3):
        job.progress(done, 3)
        time.sleep(0.15)
    (job.out / "process").write_text(str(os.getpid()))
    (job.out / "cores").write_text(str(len(os.sched_getaffinity(0))))
    return Outcome(rows=3)


def fails(job: Job) -> Outcome:
    raise StageError(f"No luck in {job.workspace.name}.")


def errs(job: Job) -> Outcome:
    raise ZeroDivisionError("a mistake of ours")


def dies(job: Job) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("not reached")


def takes_long(job: Job) -> Outcome:
    (job.workspace.folder / "begun").touch()
    time.sleep(60)
    return Outcome(rows=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_json(tmp_path / NAME / DOCUMENT, {"command": "make it", "recipe": {}, "plan": []})
    return tmp_path / NAME


@pytest.fixture
def lock(folder: Path) -> Iterator[int]:
    with writing_lock(folder) as descriptor:
        yield descriptor


def task(folder: Path, work: Callable[[Job], Outcome], name: str) -> Task:
    stage = Stage(name, 1, "workspace", (), "images", no_settings, work)
    recipe = Recipe.model_validate(
        {"name": NAME, "dataset": {"source": "digits"}, "runs": {"only": {}}}
    )
    return Task(Step(NAME, stage, None, None, {}, ()), recipe, folder)


def ignored(task: Task, done: float, total: int) -> None:
    assert 0 <= done <= total


def test_steps_are_made_at_the_same_time_each_with_its_share_of_the_cores(
    folder: Path, lock: int
) -> None:
    heard: list[str] = []
    tasks = [task(folder, writes_its_process, name) for name in ("one", "two", "three")]

    def progress(task: Task, done: float, total: int) -> None:
        heard.append(task.step.key)

    with closing(Beside(2, [lock], progress)) as workers:
        assert [workers.start(tasks), workers.start(tasks[1:])] == tasks[:2]
        assert workers.start(tasks[2:]) is None, "both are busy"
        first, made = workers.ended()
        assert isinstance(made, Manifest) and made.rows == 3
        assert first.artefact.manifest == made
        assert workers.start(tasks[2:]) is tasks[2]
        ended = {workers.ended()[0].step.key for _ in range(2)} | {first.step.key}
    assert ended == set(heard) == {"one", "two", "three"}
    processes = [(folder / name / "process").read_text() for name in ("one", "two", "three")]
    assert len(set(processes)) == 2 and str(os.getpid()) not in processes
    if (cores := len(os.sched_getaffinity(0))) > 1:
        shares = [int((folder / name / "cores").read_text()) for name in ("one", "two")]
        assert sum(shares) == cores


def test_a_worker_is_given_what_it_has_done_before(folder: Path, lock: int) -> None:
    with closing(Beside(2, [lock], ignored)) as workers:
        for name in ("slow", "quick"):
            assert workers.start([task(folder, writes_its_process, name)])
        for _ in range(2):
            workers.ended()
        before = (folder / "quick" / "process").read_text()
        again = task(folder, writes_its_process, "quick")
        assert workers.start([again])
        workers.ended()
        assert (folder / "quick" / "process").read_text() == before


@pytest.mark.parametrize("beside", [True, False])
def test_a_failure_is_told_and_the_worker_goes_on(folder: Path, lock: int, beside: bool) -> None:
    with closing(Beside(1, [lock], ignored) if beside else Here(ignored)) as workers:
        assert workers.start([task(folder, fails, "one")])
        _, failure = workers.ended()
        assert isinstance(failure, StageError) and "No luck in tried" in str(failure)
        assert workers.start([task(folder, writes_its_process, "two")])
        assert isinstance(workers.ended()[1], Manifest)
    assert not (folder / "one").exists()


def test_an_error_of_ours_comes_with_where_it_happened(folder: Path, lock: int) -> None:
    with closing(Beside(1, [lock], ignored)) as workers:
        workers.start([task(folder, errs, "one")])
        with pytest.raises(RuntimeError, match=r"(?s)'one'.*in errs.*a mistake of ours"):
            workers.ended()


def test_a_process_that_is_killed_costs_its_step_alone(folder: Path, lock: int) -> None:
    with closing(Beside(1, [lock], ignored)) as workers:
        workers.start([task(folder, dies, "one")])
        _, failure = workers.ended()
        assert isinstance(failure, StageError)
        assert "'one'" in str(failure) and "fewer --jobs" in str(failure)
        workers.start([task(folder, writes_its_process, "two")])
        assert isinstance(workers.ended()[1], Manifest)


LONG = """
import sys
from pathlib import Path
from cache.lock import writing_lock
from pipelines.workers import Beside
from tests.pipelines.test_workers import ignored, takes_long, task

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with writing_lock(folder) as lock:
        workers = Beside(1, [lock], ignored)
        workers.start([task(folder, takes_long, "one")])
        workers.ended()
"""


def test_no_worker_outlives_a_killed_run(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(LONG)
    run = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 60
    while not (folder / "begun").exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    while True:
        try:
            with writing_lock(folder):
                break
        except LockedError:
            assert time.monotonic() < deadline, "a worker holds the lock still"
            time.sleep(0.05)
    assert not (folder / "one").exists()
    assert isinstance(make(task(folder, writes_its_process, "one"), lambda *_: None), Manifest)
