"""The embeddings of a run: what makes the vectors, and what is computed from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from pipelines.recipe.part import Part

EmbeddingName = Annotated[str, Field(pattern=r"^(layer:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

Backbone = Literal[
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "InceptionV3",
    "MobileNetV2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
]

BACKBONES: tuple[str, ...] = Backbone.__args__  # type: ignore[attr-defined]


Pair = Literal[
    "train in train",
    "train in val",
    "train in test",
    "train in all",
    "val in train",
    "val in val",
    "val in test",
    "val in all",
    "test in train",
    "test in val",
    "test in test",
    "test in all",
]


class IndexRecipe(Part):
    """The approximate index (Annoy)."""

    trees: int = Field(20, ge=1, le=1000, description="more: better answers, a larger file")
    search_k: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="nodes looked at a query; auto: the fewest that find .99 of the ten nearest",
    )


class ProjectionRecipe(Part):
    """The map (UMAP)."""

    neighbours: int = Field(15, ge=2, le=200, description="how many each point is drawn to")
    min_dist: float = Field(0.1, ge=0, lt=1, description="how close points may lie")
    epochs: PositiveInt | Literal["auto"] = Field(
        "auto", description="auto: 200, or 100 for more than 10,000 images"
    )
    three_d: bool = Field(False, description="a map of three dimensions as well")
    seed: int = Field(0, ge=0)


class ClusterRecipe(Part):
    """The clusters (HDBSCAN; k-means has as many as there are classes)."""

    min_size: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description="fewest images of a cluster; auto: 1 % of them, at least 5"
    )


class EmbeddingBase(Part):
    """What every kind of embedding can say."""

    SEES_LABELS: ClassVar[bool] = False
    """Whether its vectors were made with the labels of train."""

    neighbours: int = Field(50, ge=1, le=500, description="nearest images kept of each image")
    metric: Literal["euclidean", "cosine"] = "euclidean"
    near_duplicate: float = Field(
        0.995, gt=0, le=1, description="correlation of pixels from which two images are one"
    )
    pairs: tuple[Pair, ...] = Field(
        (),
        description="further pairs of splits whose search is measured, as 'train in train'; always "
        "measured: test in train, val in train, test in test, test in all, all in all",
    )
    index: IndexRecipe = Field(default_factory=IndexRecipe)
    projection: ProjectionRecipe = Field(default_factory=ProjectionRecipe)
    clusters: ClusterRecipe = Field(default_factory=ClusterRecipe)

    @model_validator(mode="after")
    def _neighbours_are_enough_for_the_map(self) -> EmbeddingBase:
        # UMAP counts the image itself among its neighbours; the embedding does not.
        needed = self.projection.neighbours - 1
        if needed > self.neighbours:
            raise ValueError(
                f"projection.neighbours must be at most {self.neighbours + 1}, one more than the "
                "neighbours that the embedding keeps. Received: projection.neighbours: "
                f"{self.projection.neighbours}, neighbours: {self.neighbours}. Lower the first, or "
                f"set neighbours to {needed} or more"
            )
        return self

    def of_the_vectors(self) -> dict[str, Any]:
        """What makes the vectors, as plain data, without what is computed from them later."""
        return self.model_dump(mode="json", exclude=set(EmbeddingBase.model_fields))


class LayerEmbedding(EmbeddingBase):
    """Output of a layer of the run's own classifier."""

    SEES_LABELS = True

    kind: Literal["layer"]
    layer: str = Field("penultimate", description="its name, as the dashboard lists it")


class BackboneEmbedding(EmbeddingBase):
    """A network of keras.applications, without its head."""

    kind: Literal["backbone"]
    backbone: Backbone
    pooling: Literal["avg", "max"] = "avg"
    weights: Literal["imagenet", "none"] | Path = Field(
        "imagenet", description="imagenet (downloaded), the path of a file, or none: random"
    )
    channels: tuple[str, ...] | None = Field(
        None, description="one or three channels, where the images are no pictures"
    )
    batch_size: int = Field(32, ge=1, le=1024)


class Trained(EmbeddingBase):
    """A network that is trained for the embedding; the best epoch on val is kept."""

    dim: int = Field(32, ge=2, le=4096, description="length of the vector")
    epochs: int = Field(10, ge=1, le=1000)
    learning_rate: float = Field(1e-3, gt=0)
    patience: int = Field(3, ge=0, description="epochs without improvement that are forgiven")
    seed: int = Field(0, ge=0)


class AutoencoderEmbedding(Trained):
    """Bottleneck of a convolutional autoencoder, trained without labels."""

    kind: Literal["autoencoder"]
    batch_size: int = Field(128, ge=1, le=4096)


class SiameseEmbedding(Trained):
    """A twin network: images of one class close, others apart."""

    SEES_LABELS = True

    kind: Literal["siamese"]
    loss: Literal["contrastive", "triplet"] = "contrastive"
    margin: float = Field(1.0, gt=0, le=2, description="distance that others are pushed to")
    steps: int = Field(100, ge=1, description="batches an epoch")
    batch_size: int = Field(64, ge=4, le=4096, description="pairs or triplets a batch")
    unseen: tuple[str, ...] = Field((), description="classes kept out of training")


class PixelsEmbedding(EmbeddingBase):
    """Principal components of the standardised pixels: the baseline."""

    kind: Literal["pixels"]
    dim: int = Field(50, ge=2, le=4096, description="components, at most")


AnyEmbedding = Annotated[
    LayerEmbedding | BackboneEmbedding | AutoencoderEmbedding | SiameseEmbedding | PixelsEmbedding,
    Field(discriminator="kind"),
]

EMBEDDINGS: dict[str, type[EmbeddingBase]] = {
    "layer": LayerEmbedding,
    "backbone": BackboneEmbedding,
    "autoencoder": AutoencoderEmbedding,
    "siamese": SiameseEmbedding,
    "pixels": PixelsEmbedding,
}
"""What an embedding may say, by its kind."""


def with_kind(name: str, settings: Any) -> Any:
    """Complete the settings of an embedding with what its name says.

    ``penultimate``, ``layer:conv3``, ``densenet121-max``, ``pixels``, ``autoencoder`` and
    ``siamese`` need no settings at all.

    Args:
        name: Name of the embedding.
        settings: What the recipe says about it; None for nothing.
    """
    settings = {} if settings is None else settings
    if not isinstance(settings, dict) or "kind" in settings:
        return settings
    if name.startswith("layer:"):
        return {"kind": "layer", "layer": name.removeprefix("layer:"), **settings}
    if name == "penultimate":
        return {"kind": "layer", **settings}
    if name in EMBEDDINGS:
        return {"kind": name, **settings}
    backbones = {known.lower(): known for known in BACKBONES}
    found = re.fullmatch(r"(\w+)-(avg|max)", name)
    if found and found[1].lower() in backbones:
        backbone = backbones[found[1].lower()]
        return {"kind": "backbone", "backbone": backbone, "pooling": found[2], **settings}
    return settings
