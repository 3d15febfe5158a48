"""Makes the artefact of one step: skips what stands, goes on with what broke off."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cache import Artefact, Workspace
from cache.artefact import Manifest, staging
from cache.errors import CacheError
from cache.fingerprint import fingerprint, stage_fingerprint
from cache.store import work_folder
from pipelines.errors import StageError
from pipelines.plan import Step
from pipelines.recipe import Recipe
from pipelines.stages.base import Job

LIBRARIES = (
    "numpy",
    "pandas",
    "pillow",
    "scikit-learn",
    "tensorflow",
    "keras",
    "umap-learn",
    "pynndescent",
    "annoy",
    "cleanlab",
)


@dataclass(frozen=True)
class Task:
    """A step that is to be made.

    Attributes:
        step: The step.
        recipe: Its recipe.
        folder: That of its workspace.
        force: Whether to make it again where it stands.
    """

    step: Step
    recipe: Recipe
    folder: Path
    force: bool = False

    @property
    def workspace(self) -> Workspace:
        """The workspace as it stands now."""
        return Workspace(self.step.workspace, self.folder)

    @property
    def artefact(self) -> Artefact:
        """What it makes."""
        step = self.step
        return self.workspace.artefact(step.stage.name, step.run, step.part)


def standing(task: Task) -> Manifest | None:
    """What made the artefact of a step, if it stands as the recipe asks for it.

    Raises:
        CacheError: An artefact that it reads is not there.
    """
    artefact = task.artefact
    if not artefact.exists or task.force or _fingerprint_of(artefact) != _wanted(task):
        return None
    shutil.rmtree(work_folder(artefact.folder), ignore_errors=True)
    return artefact.manifest


def make(task: Task, progress: Callable[[float, int], None]) -> Manifest:
    """Make the artefact of a step, whose inputs all stand.

    Args:
        task: The step.
        progress: Called with how many rows are done and how many there are.

    Raises:
        StageError: It failed; what stood before it stands still.
        CacheError: An artefact that it reads is not there.
        SourceError: The data cannot be used.
    """
    step, workspace, wanted = task.step, task.workspace, _wanted(task)
    artefact = task.artefact
    work = work_folder(artefact.folder)
    started = time.perf_counter()
    _keep_work_of(work, wanted, task.force)
    with staging(artefact.folder) as place:
        job = Job(task.recipe, workspace, step.run, step.part, place.folder, work, progress)
        try:
            outcome = step.stage.work(job)
        except CacheError as error:
            raise StageError(f"The stage '{step.key}' failed: {error}") from error
        except OSError as error:
            raise StageError(
                f"The stage '{step.key}' failed: {error}. What stood before it stands still. "
                "Once that is mended, run the same command again to go on."
            ) from error
        seconds = time.perf_counter() - started + _seconds_before(work)
        manifest = Manifest(
            stage=step.stage.name,
            fingerprint=wanted,
            digest=outcome.digest or wanted,
            version=step.stage.version,
            settings=step.settings,
            inputs=_digests(task),
            rows=outcome.rows,
            seconds=round(seconds, 3),
            versions=_versions(),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        place.commit(manifest)
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _digests(task: Task) -> dict[str, str]:
    workspace = task.workspace
    return {
        key: Artefact(workspace.folder / key, workspace.command).manifest.digest
        for key in task.step.inputs
    }


def _wanted(task: Task) -> str:
    """The fingerprint of what the recipe asks for."""
    stage, settings = task.step.stage, fingerprint(task.step.settings)
    return stage_fingerprint(stage.name, stage.version, settings, _digests(task))


def _fingerprint_of(artefact: Artefact) -> str | None:
    try:
        return str(artefact.manifest.fingerprint)
    except CacheError:
        return None


def _keep_work_of(work: Path, wanted: str, force: bool) -> None:
    """Throw away what a stage began for other settings or inputs; keep what it can go on with."""
    marker = work / "fingerprint"
    if force or not marker.is_file() or marker.read_text(encoding="ascii") != wanted:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        marker.write_text(wanted, encoding="ascii")


def _seconds_before(work: Path) -> float:
    """Seconds that earlier, interrupted attempts took, if the stage kept count of them."""
    path = work / "seconds"
    return float(path.read_text(encoding="ascii")) if path.is_file() else 0.0


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}
