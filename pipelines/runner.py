"""Runs the stages of a recipe in order: skips what stands, goes on with what broke off."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cache import Artefact, Workspace, cache_root
from cache.artefact import Manifest, recover, staging, write_json
from cache.errors import CacheError
from cache.fingerprint import SCHEMA, fingerprint, stage_fingerprint
from cache.lock import writing_lock
from cache.store import DOCUMENT, artefact_key, work_folder
from pipelines.errors import RecipeError, StageError
from pipelines.recipe import Recipe
from pipelines.stages import STAGES
from pipelines.stages.base import Job, Scope, Stage

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
)


class Report(Protocol):
    """What the runner tells while it works."""

    def start(self, step: Step) -> None:
        """A stage begins."""

    def progress(self, done: float, total: int) -> None:
        """The stage that runs has done so many of its rows."""

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        """A stage ended: ``made``, or ``skipped`` because its artefact stands."""


@dataclass(frozen=True)
class Step:
    """One stage of the workspace, of one run or of one embedding, in a plan."""

    stage: Stage
    run: str | None
    embedding: str | None
    settings: Any
    reads: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the artefact inside the workspace."""
        return artefact_key(self.run, self.stage.name, self.embedding)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Keys of the artefacts that it reads."""
        scopes = {stage.name: stage.scope for stage in STAGES}
        return tuple(
            artefact_key(
                None if scopes[name] == "workspace" else self.run,
                name,
                self.embedding if scopes[name] == "embedding" else None,
            )
            for name in self.reads
        )


def plan(recipe: Recipe) -> list[Step]:
    """Every step of a recipe, in order: first the workspace's, then run by run, each followed by
    its embeddings.

    Raises:
        SourceError: The data that the recipe names is not there.
    """
    steps = _steps(recipe, "workspace")
    for run in recipe.runs:
        steps += _steps(recipe, "run", run)
        for embedding in recipe.runs[run].embeddings:
            steps += _steps(recipe, "embedding", run, embedding)
    return steps


def _steps(
    recipe: Recipe, scope: Scope, run: str | None = None, embedding: str | None = None
) -> list[Step]:
    names = [name for name in (run, embedding) if name is not None]
    steps = []
    for stage in STAGES:
        if stage.scope == scope:
            reads = stage.reads(recipe, *names) if callable(stage.reads) else stage.reads
            steps.append(Step(stage, run, embedding, stage.settings(recipe, *names), reads))
    return steps


def run_recipe(
    recipe: Recipe,
    report: Report,
    *,
    command: str,
    reference: str,
    only: str | None = None,
    until: str | None = None,
    force: bool = False,
    root: Path | None = None,
) -> Workspace:
    """Make everything that a recipe asks for and that does not stand yet.

    Args:
        recipe: The recipe.
        report: Told what goes on.
        command: What a user types to run this recipe, for messages and the dashboard.
        reference: Name or path under which the recipe was found.
        only: Name of the one stage to run.
        until: Name of the last stage to run of each run; what comes after it is left for later.
        force: Make it again even where it stands.
        root: Folder of the workspaces; the cache's own if absent.

    Raises:
        RecipeError: The workspace belongs to another recipe, or ``only`` or ``until`` names no
            stage.
        SourceError: The data cannot be used.
        StageError: A stage failed; what stood before it stands still.
        LockedError: Another process is writing to the workspace.
    """
    names = [stage.name for stage in STAGES]
    for given in (only, until):
        if given is not None and given not in names:
            raise RecipeError(f"There is no stage '{given}'. The stages are: {', '.join(names)}.")
    wanted = names[: names.index(until) + 1] if until is not None else names
    wanted = [name for name in wanted if only in (None, name)]
    steps = plan(recipe)
    folder = (root or cache_root()) / recipe.name
    with writing_lock(folder):
        recover(folder)
        _write_document(folder, recipe, steps, command, reference)
        for step in steps:
            if step.stage.name in wanted:
                workspace = Workspace(recipe.name, folder)
                if only is not None:
                    _refuse_old_inputs(workspace, step)
                _make(workspace, recipe, step, report, force)
    return Workspace(recipe.name, folder)


def _write_document(
    folder: Path, recipe: Recipe, steps: list[Step], command: str, reference: str
) -> None:
    resolved = recipe.model_dump(mode="json")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    created = now
    if (folder / DOCUMENT).exists():
        before = Workspace(recipe.name, folder).document
        created = before["created"]
        _refuse_other_data(before, resolved, reference, recipe.name)
    entries = [
        {
            "run": step.run,
            "embedding": step.embedding,
            "stage": step.stage.name,
            "version": step.stage.version,
            "settings": fingerprint(step.settings),
            "inputs": list(step.inputs),
        }
        for step in steps
    ]
    document = {
        "schema": SCHEMA,
        "name": recipe.name,
        "reference": reference,
        "command": command,
        "recipe": resolved,
        "plan": entries,
        "created": created,
        "updated": now,
    }
    write_json(folder / DOCUMENT, document)


def _refuse_other_data(
    before: dict[str, Any], resolved: dict[str, Any], reference: str, name: str
) -> None:
    """A workspace's name must not slip from one dataset to another, losing hours of work."""

    def identity(document: dict[str, Any]) -> tuple[Any, ...]:
        dataset = document["dataset"]
        return tuple(dataset.get(key) for key in ("source", "root", "path"))

    if identity(before["recipe"]) != identity(resolved):
        raise RecipeError(
            f"The workspace '{name}' holds other data: it was made by '{before['command']}'. "
            f"Received: recipe '{reference}' with dataset {identity(resolved)}. "
            f"Keep both with --set name=OTHER, or remove the old one first: "
            f"python -m pipelines clean {name}"
        )


def _refuse_old_inputs(workspace: Workspace, step: Step) -> None:
    """A stage run alone must not read what the recipe would make anew."""
    states = {
        artefact_key(state.run, state.stage, state.embedding): state.state
        for state in workspace.states()
    }
    undone = [f"{key} ({states[key]})" for key in step.inputs if states[key] != "done"]
    if undone:
        raise StageError(
            f"The stage '{step.key}' reads what does not stand as the recipe asks for it: "
            f"{', '.join(undone)}. Make all of it, without --only: {workspace.command}"
        )


def _make(workspace: Workspace, recipe: Recipe, step: Step, report: Report, force: bool) -> None:
    artefact = workspace.artefact(step.stage.name, step.run, step.embedding)
    digests = {
        key: Artefact(workspace.folder / key, workspace.command).manifest.digest
        for key in step.inputs
    }
    wanted = stage_fingerprint(
        step.stage.name, step.stage.version, fingerprint(step.settings), digests
    )
    work = work_folder(artefact.folder)
    if artefact.exists and not force and _fingerprint_of(artefact) == wanted:
        manifest = artefact.manifest
        shutil.rmtree(work, ignore_errors=True)
        report.finish(step, "skipped", manifest.rows, manifest.seconds)
        return
    started = time.perf_counter()
    _keep_work_of(work, wanted, force)
    report.start(step)
    with staging(artefact.folder) as place:
        job = Job(recipe, workspace, step.run, step.embedding, place.folder, work, report.progress)
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
        place.commit(
            Manifest(
                stage=step.stage.name,
                fingerprint=wanted,
                digest=outcome.digest or wanted,
                version=step.stage.version,
                settings=step.settings,
                inputs=digests,
                rows=outcome.rows,
                seconds=round(seconds, 3),
                versions=_versions(),
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            )
        )
    shutil.rmtree(work, ignore_errors=True)
    report.finish(step, "made", outcome.rows, seconds)


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
