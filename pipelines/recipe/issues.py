"""The label issues of a run: how labels that may be wrong are looked for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from pipelines.recipe.embedding import EmbeddingName
from pipelines.recipe.part import Part


class IssuesRecipe(Part):
    """One search for wrong labels among the samples of all splits."""

    by: Literal["head", "classifier"] = Field(
        "head",
        description="what gives probabilities out of fold; head: a linear one on an embedding; "
        "classifier: the run's own model, trained anew for each fold",
    )
    embedding: EmbeddingName | None = Field(
        None,
        description="of the run, made without labels; gives the neighbours, and the vectors of "
        "the head; the first such one if absent",
    )
    folds: int = Field(5, ge=3, le=50)
    neighbours: int = Field(20, ge=1, description="nearest images whose labels are asked")
    epochs: PositiveInt | None = Field(
        None, description="for classifier: at most so many a fold; as many as the run if absent"
    )
    seed: int = Field(0, ge=0, description="of the folds")

    @model_validator(mode="after")
    def _of_the_classifier(self) -> IssuesRecipe:
        if self.by == "head" and self.epochs is not None:
            raise ValueError(f"epochs are for by: classifier. Received: epochs: {self.epochs}")
        return self
