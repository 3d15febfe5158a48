"""A run of a recipe: which model, how it is trained, and what is made with it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from pipelines.recipe.embedding import AnyEmbedding, EmbeddingName, LayerEmbedding, with_kind
from pipelines.recipe.issues import IssuesRecipe
from pipelines.recipe.occlusion import OcclusionRecipe
from pipelines.recipe.part import Name, Part, Share


class ImageInput(Part):
    """How images reach the model."""

    size: tuple[PositiveInt, PositiveInt] | Literal["auto"] = Field(
        "auto", description="height and width in pixels, or auto: chosen from the data"
    )
    channels: tuple[str, ...] | Literal["auto", "grey", "rgb"] = Field(
        "auto", description="auto, grey, rgb, or a list of the dataset's channel names"
    )


class Optimizer(Part):
    """How weights are updated."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "adadelta"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    momentum: Share = Field(0.0, description="for sgd and rmsprop")


class EarlyStopping(Part):
    """Stop when the validation loss (without penalty terms) has not improved."""

    patience: int = Field(5, ge=0, description="epochs without improvement that are forgiven")
    min_delta: float = Field(0.0, ge=0, description="what counts as an improvement")


class Plateau(Part):
    """Lower the learning rate when the validation loss has not improved."""

    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(3, ge=0)
    min_delta: float = Field(0.0, ge=0)
    min_learning_rate: float = Field(1e-6, ge=0)


class Augmentation(Part):
    """Random changes of training images. Never applied to val or test."""

    shift_x: Share = Field(0.0, description="share of the width, to either side")
    shift_y: Share = Field(0.0, description="share of the height, up or down")
    rotation: float = Field(0.0, ge=0, le=180, description="degrees, to either side")
    zoom: Share = Field(0.0, description="share, in or out")
    brightness: tuple[float, float] | None = Field(
        None, description="range of the factor on pixel values, such as [0.8, 1.2]"
    )
    flip_horizontal: bool = False
    flip_vertical: bool = False

    @field_validator("brightness")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1]:
            raise ValueError(f"must be two factors, the lower first. Received: {list(value)}")
        return value


def _penultimate() -> dict[str, AnyEmbedding]:
    return {"penultimate": LayerEmbedding(kind="layer")}


class RunRecipe(Part):
    """One model to train."""

    model: Literal[
        "auto", "compact_cnn", "hits_cnn", "hits_deep", "simple_cnn", "simple_cnn_224"
    ] = "auto"
    image: ImageInput = Field(default_factory=ImageInput)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    batch_size: int = Field(32, ge=1, le=4096)
    epochs: int = Field(20, ge=1, le=10_000)
    early_stopping: EarlyStopping | None = Field(default_factory=EarlyStopping)
    plateau: Plateau | None = None
    augmentation: Augmentation | None = None
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    labels: Literal["given", "decided"] | None = Field(
        None,
        description="labels to train on: given, or decided as dataset.labels says; decided where "
        "that is not given, if absent",
    )
    seed: int = Field(0, ge=0)
    embeddings: dict[EmbeddingName, AnyEmbedding] = Field(
        default_factory=_penultimate,
        description="vectors to make of the images, by name; penultimate if absent",
    )

    occlusion: dict[Name, OcclusionRecipe] = Field(
        default_factory=dict, description="occlusion maps to make of the images, by name"
    )
    issues: dict[Name, IssuesRecipe] = Field(
        default_factory=dict, description="searches for wrong labels, by name"
    )

    @field_validator("embeddings", mode="before")
    @classmethod
    def _complete(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: with_kind(str(name), settings) for name, settings in value.items()}

    @model_validator(mode="after")
    def _issues_have_an_embedding(self) -> RunRecipe:
        wrong = [
            f"issues.{name}.{mistake}"
            for name, chosen in self.issues.items()
            if (mistake := self._mistake_of(chosen)) is not None
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _mistake_of(self, chosen: IssuesRecipe) -> str | None:
        """What is wrong with the embedding that a search for wrong labels asks."""
        blind = [name for name, each in self.embeddings.items() if not each.SEES_LABELS]
        name = self.embedding_of(chosen)
        if name not in blind:
            return (
                "embedding must be one of the run's that never saw a label (pixels, autoencoder "
                "or a backbone), or a wrong label would vouch for itself. Received: "
                f"{'none' if name is None else repr(name)}. There are: {', '.join(blind) or 'none'}"
            )
        kept = self.embeddings[name].neighbours
        if chosen.neighbours > kept:
            return (
                f"neighbours must be at most those that the embedding '{name}' keeps, {kept}. "
                f"Received: {chosen.neighbours}"
            )
        return None

    def embedding_of(self, chosen: IssuesRecipe) -> str | None:
        """Name of the embedding that a search for wrong labels asks, or None where the run has
        none that never saw a label."""
        if chosen.embedding is not None:
            return chosen.embedding
        blind = (name for name, each in self.embeddings.items() if not each.SEES_LABELS)
        return next(blind, None)
