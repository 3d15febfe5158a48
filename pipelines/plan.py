"""The plan of a recipe: every stage it asks for, in order, and what each reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cache.store import artefact_key
from pipelines.recipe import Recipe
from pipelines.stages import STAGES
from pipelines.stages.base import PARTS, Scope, Stage


@dataclass(frozen=True)
class Step:
    """One stage of the workspace, of one run or of a part of one, in a plan."""

    workspace: str
    stage: Stage
    run: str | None
    part: str | None
    settings: Any
    reads: tuple[str, ...]

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
        return tuple(
            artefact_key(
                None if scopes[name] == "workspace" else self.run,
                name,
                self.part if scopes[name] == self.stage.scope else None,
            )
            for name in self.reads
        )


def plan(recipe: Recipe) -> list[Step]:
    """Every step of a recipe, in order: first the workspace's, then run by run, each followed by
    its parts.

    Raises:
        SourceError: The data that the recipe names is not there.
    """
    steps = _steps(recipe, "workspace")
    for run in recipe.runs:
        steps += _steps(recipe, "run", run)
        for scope, folder in PARTS.items():
            for name in getattr(recipe.runs[run], folder):
                steps += _steps(recipe, scope, run, name)
    return steps


def _steps(
    recipe: Recipe, scope: Scope, run: str | None = None, name: str | None = None
) -> list[Step]:
    names = [each for each in (run, name) if each is not None]
    part = f"{PARTS[scope]}/{name}" if name is not None else None
    steps = []
    for stage in STAGES:
        if stage.scope == scope:
            reads = stage.reads(recipe, *names) if callable(stage.reads) else stage.reads
            settings = stage.settings(recipe, *names)
            steps.append(Step(recipe.name, stage, run, part, settings, reads))
    return steps
