"""Runs the stages of recipes, in order or several at a time."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cache import Workspace, cache_root
from cache.artefact import Manifest, recover, write_json
from cache.errors import CentauroError
from cache.fingerprint import SCHEMA, fingerprint
from cache.lock import writing_lock
from cache.store import DOCUMENT, artefact_key
from pipelines.errors import RecipeError, StageError
from pipelines.making import Task, standing
from pipelines.plan import Step, plan
from pipelines.recipe import Recipe
from pipelines.stages import STAGES
from pipelines.workers import Beside, Here, Workers


class Report(Protocol):
    """What the runner tells while it works."""

    def start(self, step: Step) -> None:
        """A stage begins."""

    def progress(self, step: Step, done: float, total: int) -> None:
        """A stage that runs has done so many of its rows."""

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        """A stage ended: ``made``, or ``skipped`` because its artefact stands."""

    def fail(self, step: Step) -> None:
        """A stage failed, or cannot be made because one that it reads did."""

    def reach(self, stage: str) -> None:
        """All runs have come as far as the stage that was to come first."""


@dataclass(frozen=True)
class Order:
    """A recipe that is to be made.

    Attributes:
        recipe: The recipe.
        command: What a user types to run it, for messages and the dashboard.
        reference: Name or path under which it was found.
    """

    recipe: Recipe
    command: str
    reference: str


def run_recipes(
    orders: Sequence[Order],
    report: Report,
    *,
    only: str | None = None,
    until: str | None = None,
    first: str | None = None,
    force: bool = False,
    jobs: int = 1,
    root: Path | None = None,
) -> list[Workspace]:
    """Make everything that recipes ask for and that does not stand yet.

    Where a stage fails, what does not hang on it is made all the same.

    Args:
        orders: The recipes.
        report: Told what goes on.
        only: Name of the one stage to run.
        until: Name of the last stage to run of each run; what comes after it is left for later.
        first: Name of a stage: what comes after it waits its turn until all runs have come so far,
            or is made where nothing else can be.
        force: Make it again even where it stands.
        jobs: How many stages to make at a time, each in a process with its share of the cores; 1
            makes them in this process, in order.
        root: Folder of the workspaces; the cache's own if absent.

    Returns:
        The workspaces, in the order of the recipes.

    Raises:
        RecipeError: A workspace belongs to another recipe, or ``only``, ``until`` or ``first``
            names no stage.
        SourceError: The data cannot be used.
        StageError: A stage failed; what stood before it stands still.
        LockedError: Another process is writing to a workspace.
    """
    names = [stage.name for stage in STAGES]
    for asked in (only, until, first):
        if asked is not None and asked not in names:
            raise RecipeError(f"There is no stage '{asked}'. The stages are: {', '.join(names)}.")
    wanted = _up_to(until) if until is not None else names
    folders = {order.recipe.name: (root or cache_root()) / order.recipe.name for order in orders}
    if len(folders) < len(orders):
        given = ", ".join(f"'{order.recipe.name}'" for order in orders)
        raise RecipeError(
            "Recipes that are run together must make workspaces of different names. "
            f"Received: {given}. Run them one by one, or give one another 'name'."
        )
    steps = {order.recipe.name: plan(order.recipe) for order in orders}
    with ExitStack() as stack:
        locks = [stack.enter_context(writing_lock(folder)) for folder in folders.values()]
        for order in orders:
            name = order.recipe.name
            recover(folders[name])
            _write_document(folders[name], order, steps[name])
        tasks = [
            Task(step, order.recipe, folders[order.recipe.name], force)
            for order in orders
            for step in steps[order.recipe.name]
            if step.stage.name in wanted and only in (None, step.stage.name)
        ]

        def progress(task: Task, done: float, total: int) -> None:
            report.progress(task.step, done, total)

        # Even where all is broken off, nothing is left that a next run would have to tidy.
        for folder in folders.values():
            stack.callback(recover, folder)
        with closing(Here(progress) if jobs == 1 else Beside(jobs, locks, progress)) as workers:
            _work_through(tasks, workers, report, first=first, alone=only is not None)
    return [Workspace(name, folder) for name, folder in folders.items()]


def run_recipe(
    recipe: Recipe, report: Report, *, command: str, reference: str, **options: Any
) -> Workspace:
    """:func:`run_recipes` for one recipe."""
    return run_recipes([Order(recipe, command, reference)], report, **options)[0]


def _up_to(last: str) -> list[str]:
    """Names of the stages up to one of them."""
    names = [stage.name for stage in STAGES]
    return names[: names.index(last) + 1]


def _work_through(
    tasks: Sequence[Task], workers: Workers, report: Report, *, first: str | None, alone: bool
) -> None:
    """Make steps, each once those that it reads are done.

    Args:
        tasks: The steps, so ordered that each comes after those it reads.
        workers: They make them.
        report: Told what goes on.
        first: Name of the stage up to which steps come before all others.
        alone: Whether a stage's inputs must stand because it is run alone.
    """
    early = _up_to(first) if first is not None else []

    def is_early(task: Task) -> bool:
        return task.step.stage.name in early

    waiting = sorted(tasks, key=is_early, reverse=True)
    undone = {_place(task) for task in tasks}
    failed: set[tuple[Path, str]] = set()
    errors: list[CentauroError] = []
    left = 0

    def end(task: Task, outcome: Manifest | CentauroError, state: str = "made") -> None:
        if isinstance(outcome, CentauroError):
            errors.append(outcome)
            failed.add(_place(task))
            report.fail(task.step)
        else:
            report.finish(task.step, state, outcome.rows, outcome.seconds)
            undone.discard(_place(task))

    running: list[Task] = []
    while waiting or running:
        if early and not any(map(is_early, [*waiting, *running])):
            report.reach(early[-1])
            early = []
        ready = []
        for task in list(waiting):
            reads = {(task.folder, key) for key in task.step.inputs}
            if reads & failed:
                waiting.remove(task)
                failed.add(_place(task))
                report.fail(task.step)
                left += 1
            elif not reads & undone:
                found = _looked_at(task, alone)
                if found is None:
                    ready.append(task)
                else:
                    waiting.remove(task)
                    end(task, found, "skipped")
        while (begun := workers.start(list(filter(is_early, ready)) or ready)) is not None:
            ready.remove(begun)
            waiting.remove(begun)
            report.start(begun.step)
            running.append(begun)
        if running:
            ended, outcome = workers.ended()
            running.remove(ended)
            end(ended, outcome)
    if errors:
        _raise(errors, left)


def _place(task: Task) -> tuple[Path, str]:
    return task.folder, task.step.key


def _looked_at(task: Task, alone: bool) -> Manifest | CentauroError | None:
    """What made the artefact of a step, why it cannot be made, or None if it has to be."""
    try:
        if alone:
            _refuse_old_inputs(task)
        return standing(task)
    except CentauroError as error:
        return error


def _raise(errors: Sequence[CentauroError], left: int) -> None:
    """End with the error, or with all of them, and with how much was not made for it."""
    if len(errors) == 1:
        raise errors[0]
    rest = f"\n{left} more stages read what failed and were not made." if left else ""
    raise StageError("\n".join(str(error) for error in errors) + rest)


def _write_document(folder: Path, order: Order, steps: list[Step]) -> None:
    recipe = order.recipe
    resolved = recipe.model_dump(mode="json")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    created = now
    if (folder / DOCUMENT).exists():
        before = Workspace(recipe.name, folder).document
        created = before["created"]
        _refuse_other_data(before, resolved, order.reference, recipe.name)
    entries = [
        {
            "run": step.run,
            "part": step.part,
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
        "reference": order.reference,
        "command": order.command,
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


def _refuse_old_inputs(task: Task) -> None:
    """A stage run alone must not read what the recipe would make anew."""
    workspace, step = task.workspace, task.step
    states = {
        artefact_key(state.run, state.stage, state.part): state.state
        for state in workspace.states()
    }
    undone = [f"{key} ({states[key]})" for key in step.inputs if states[key] != "done"]
    if undone:
        raise StageError(
            f"The stage '{step.key}' reads what does not stand as the recipe asks for it: "
            f"{', '.join(undone)}. Make all of it, without --only: {workspace.command}"
        )
