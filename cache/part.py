"""What the parts of a run have in common: its embeddings, and its occlusion maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cache.artefact import Artefact, read_json
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
