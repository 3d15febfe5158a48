"""Encoders: from an image to its vector, the same for the samples and for an upload.

An encoder is opened from what the stage ``vectors`` wrote, so whoever embeds a further image takes
the path from file to pixels to vector that the samples took. Nothing here knows a recipe or an
architecture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cache import Run
from cache.artefact import read_json
from cache.embeddings import open_embedding
from pipelines.errors import RecipeError
from pipelines.methods import backbones, pixel_pca, pixels
from pipelines.methods.backend import load_tensorflow, traced
from pipelines.methods.feeding import open_model
from pipelines.methods.reading import taken_channels

FILES = {
    "pixels": "pca.npz",
    "autoencoder": "encoder.keras",
    "siamese": "encoder.keras",
    "backbone": "backbone.weights.h5",
}
"""What the artefact holds of an encoder, by kind; a ``layer`` is of the run's own model."""


@dataclass(frozen=True)
class Encoder:
    """Turns images into vectors.

    Attributes:
        name: Name of the embedding.
        dim: Length of a vector.
        shape: (height, width, channels) of the images it reads.
        forward: float32 (b, height, width, channels) to (b, dim), for any b.
        to_input: From an image of the dataset to one that it reads.
    """

    name: str
    dim: int
    shape: tuple[int, int, int]
    forward: Callable[[np.ndarray], np.ndarray]
    to_input: Callable[[np.ndarray], np.ndarray]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Embed images.

        Args:
            images: float32 (b, height, width, channels) as :meth:`prepare` gives them, b >= 1.

        Returns:
            float32 (b, dim).

        Raises:
            ValueError: The images have another shape.
        """
        if images.shape[1:] != self.shape or not len(images):
            raise ValueError(
                f"The encoder '{self.name}' reads images of shape {self.shape}. Received: an "
                f"array of shape {images.shape}. Bring each image to it with prepare first."
            )
        return self.forward(images)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Bring one image to the size, channels and range that the encoder reads.

        Args:
            image: (height, width, channels) of the dataset's channels and dtype, any size.

        Returns:
            float32 of the encoder's shape, in [0, 1].

        Raises:
            ValueError: The image has other channels than the dataset.
        """
        return self.to_input(image)


def open_encoder(run: Run, embedding: str) -> Encoder:
    """Open the encoder of an embedding that was computed.

    Raises:
        EmbeddingNotFoundError: The run has no such embedding.
        MissingArtefactError: Its vectors, or the model that it taps, are not there.
    """
    there = open_embedding(run, embedding)
    document = there.document("vectors")
    folder = there.artefact("vectors").folder
    return load(run, embedding, document["kind"], document["settings"], folder)


def load(run: Run, name: str, kind: str, settings: dict[str, Any], folder: Path) -> Encoder:
    """Put an encoder together from its files.

    Args:
        run: The run whose embedding it is.
        name: Name of the embedding.
        kind: ``layer``, ``backbone``, ``autoencoder``, ``siamese`` or ``pixels``.
        settings: Its part of the recipe, as plain data.
        folder: Where the files of :data:`FILES` are.

    Raises:
        RecipeError: The run's model has no such layer, or the dataset no such channels.
        MissingArtefactError: The model that it taps has not been trained.
    """
    if kind == "backbone":
        return _of_backbone(run, name, settings, folder)
    shape, prepare = input_path(run)
    if kind == "pixels":
        fitted = pixel_pca.load(folder / FILES[kind])
        return Encoder(name, len(fitted.components), shape, fitted, prepare)
    load_tensorflow()
    import keras

    if kind == "layer":
        model = tapped(open_model(run), settings["layer"])
    else:
        model = keras.models.load_model(folder / FILES[kind], compile=False)
    return Encoder(name, int(model.outputs[0].shape[-1]), shape, compiled(model), prepare)


def input_path(run: Run) -> tuple[tuple[int, int, int], Callable[[np.ndarray], np.ndarray]]:
    """How an image of the dataset becomes what a run's model reads.

    Returns:
        (height, width, channels) of what it reads, and the function that makes it: float32 in
        [0, 1], equal to what ``pipelines.methods.feeding`` gives for a sample.

    Raises:
        MissingArtefactError: The stage ``inputs`` has not been run.
    """
    document = read_json(run.artefact("inputs").path("inputs.json"))
    names = tuple(document["channels"])
    height, width = document["size"]
    channels = taken_channels(run.workspace.dataset, names)

    def prepare(image: np.ndarray) -> np.ndarray:
        return pixels.to_float(pixels.prepare(image, (height, width), channels))

    return (height, width, len(names)), prepare


def tapped(model: Any, layer: str) -> Any:
    """A model that ends in one layer of another; positions, where there are any, are averaged.

    Args:
        model: Keras model with a flat graph.
        layer: Name of one of its layers.

    Returns:
        Keras model with outputs (batch, dim).

    Raises:
        RecipeError: There is no such layer.
    """
    import keras

    names = [known.name for known in model.layers]
    if layer not in names:
        raise RecipeError(
            f"The model has no layer of that name. Received: layer={layer}. "
            f"Choose one of {', '.join(names)}."
        )
    output = model.get_layer(layer).output
    if len(output.shape) > 2:
        output = keras.ops.mean(output, axis=tuple(range(1, len(output.shape) - 1)))
    return keras.Model(model.inputs[0], output)


def compiled(
    model: Any, before: Callable[[Any], Any] = lambda images: images
) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function that runs a model in inference mode, compiled once for any batch size.

    Args:
        model: Keras model with one input and one output (batch, dim).
        before: Applied to the images inside the compiled graph.
    """
    import tensorflow as tf

    call = traced(
        lambda images: model(before(images), training=False),
        tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32),
    )

    def forward(images: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = call(images).numpy()
        return vectors

    return forward


def _of_backbone(run: Run, name: str, settings: dict[str, Any], folder: Path) -> Encoder:
    chosen = settings["backbone"]
    side = backbones.BACKBONES[chosen].side
    channels = backbones.channels_for(run.workspace.dataset, settings["channels"])

    def prepare(image: np.ndarray) -> np.ndarray:
        return backbones.to_rgb(pixels.to_float(pixels.prepare(image, (side, side), channels)))

    model = backbones.rebuild(chosen, settings["pooling"], folder / FILES["backbone"])
    forward = compiled(model, backbones.preprocessing(chosen))
    return Encoder(name, int(model.outputs[0].shape[-1]), (side, side, 3), forward, prepare)
