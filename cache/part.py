"""What the parts of a run have in common: its embeddings, occlusion maps and label issues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from cache.artefact import Artefact, read_json
from cache.errors import CacheError
from cache.store import Run


@dataclass(frozen=True)
class Part:
    """What a run's recipe asks for by name, besides the run itself."""

    FOLDER: ClassVar[str]
    """Its kind: the field of the run's recipe, and the folder of its artefacts."""

    DOCUMENTS: ClassVar[Mapping[str, str]] = {}
    """Files of documents that are not called like their stage."""

    name: str
    run: Run

    @property
    def part(self) -> str:
        """What of its run it is, as the plan names it."""
        return f"{self.FOLDER}/{self.name}"

    def artefact(self, stage: str) -> Artefact:
        """The artefact of one of its stages, whether it is there or not."""
        return self.run.workspace.artefact(stage, self.run.name, self.part)

    @property
    def settings(self) -> dict[str, Any]:
        """Its part of the recipe."""
        recipe = self.run.workspace.document["recipe"]
        settings: dict[str, Any] = recipe["runs"][self.run.name][self.FOLDER][self.name]
        return settings

    def document(self, stage: str) -> dict[str, Any]:
        """What a stage wrote about its result, as plain data.

        Raises:
            MissingArtefactError: The stage has not been run.
        """
        name = self.DOCUMENTS.get(stage, f"{stage}.json")
        document: dict[str, Any] = read_json(self.artefact(stage).path(name))
        return document


P = TypeVar("P", bound=Part)


def named(kind: type[P], run: Run) -> tuple[P, ...]:
    """The parts of one kind that a run's recipe asks for, computed or not."""
    recipe = run.workspace.document["recipe"]["runs"][run.name]
    return tuple(kind(name, run) for name in recipe.get(kind.FOLDER) or ())


def find(kind: type[P], run: Run, name: str, what: str, absent: type[CacheError]) -> P:
    """A part of a run by name.

    Args:
        kind: Which kind of part.
        run: The run.
        name: Its name.
        what: What parts of this kind are called, for the message.
        absent: Raised where the run has none of that name.
    """
    there = {each.name: each for each in named(kind, run)}
    if name not in there:
        raise absent(
            f"The run '{run.name}' of the workspace '{run.workspace.name}' has no {what} "
            f"'{name}'. It has: {', '.join(there) or 'none'}. Add that name under "
            f"runs.{run.name}.{kind.FOLDER} in the recipe."
        )
    return there[name]
