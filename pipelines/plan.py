"""The plan of a recipe: every stage it asks for, in order, and what each reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cache.store import artefact_key
from pipelines.recipe import Recipe
from pipelines.stages import STAGES
from pipelines.stages.base import PARTS, Of, Reads, Scope, Stage


@dataclass(frozen=True)
class Step:
    """One stage of the workspace, of one run or of a part of one, in a plan."""

    workspace: str
    stage: Stage
    run: str | None
    part: str | None
    settings: Any
    reads: Reads

    @property
    def name(self) -> str | None:
        """Name of the part of the run, without its folder."""
        return self.part and self.part.partition("/")[2]

    @property
    def key(self) -> str:
        """Name of the artefact inside the workspace."""
        return artefact_key(self.run, self.stage.name, self.part)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Keys of the artefacts that it reads."""
        scopes = {stage.name: stage.scope for stage in STAGES}

        def key(read: str | Of) -> str:
            if isinstance(read, Of):
                return artefact_key(read.run, read.stage, read.part)
            run = None if scopes[read] == "workspace" else self.run
            return artefact_key(run, read, self.part if scopes[read] == self.stage.scope else None)

        return tuple(map(key, self.reads))


def plan(recipe: Recipe) -> list[Step]:
    """Every step of a recipe, in order: first the workspace's, then run by run, each followed by
    its parts. What reads of a later run comes after that.

    Raises:
        SourceError: The data that the recipe names is not there.
    """
    steps = _steps(recipe, "workspace")
    for run in recipe.runs:
        steps += _steps(recipe, "run", run)
        for scope, folder in PARTS.items():
            for name in getattr(recipe.runs[run], folder):
                steps += _steps(recipe, scope, run, name)
    return _each_after_what_it_reads(steps)


def _each_after_what_it_reads(steps: list[Step]) -> list[Step]:
    ordered: list[Step] = []
    waiting = list(steps)
    while waiting:
        to_come = {step.key for step in waiting}
        step = next(step for step in waiting if not to_come & set(step.inputs))
        waiting.remove(step)
        ordered.append(step)
    return ordered


def _steps(
    recipe: Recipe, scope: Scope, run: str | None = None, name: str | None = None
) -> list[Step]:
    names = [each for each in (run, name) if each is not None]
    part = f"{PARTS[scope]}/{name}" if name is not None else None
    steps = []
    for stage in STAGES:
        if stage.scope == scope and stage.asked(recipe):
            reads = stage.reads(recipe, *names) if callable(stage.reads) else stage.reads
            settings = stage.settings(recipe, *names)
            steps.append(Step(recipe.name, stage, run, part, settings, reads))
    return steps
