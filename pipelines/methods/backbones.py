"""Networks of keras.applications as encoders: their own input size, their own preprocessing.

A backbone is built without its head and ends in global pooling. Its graph is flat and its own at
every call, so that two embeddings never share weights or pooling by accident.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cache import Dataset
from pipelines.errors import RecipeError, StageError
from pipelines.methods import pixels
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.reading import channel_positions

_NETWORK_SECONDS = 30


@dataclass(frozen=True)
class Backbone:
    """Where a network is found in keras.applications, and what it reads.

    Attributes:
        module: Module of keras.applications that holds the network and its preprocessing.
        side: Height and width of its images in pixels.
    """

    module: str
    side: int


BACKBONES: dict[str, Backbone] = {
    "DenseNet121": Backbone("densenet", 224),
    "DenseNet169": Backbone("densenet", 224),
    "DenseNet201": Backbone("densenet", 224),
    "EfficientNetB0": Backbone("efficientnet", 224),
    "InceptionV3": Backbone("inception_v3", 299),
    "MobileNetV2": Backbone("mobilenet_v2", 224),
    "ResNet50": Backbone("resnet", 224),
    "ResNet50V2": Backbone("resnet_v2", 224),
    "VGG16": Backbone("vgg16", 224),
    "VGG19": Backbone("vgg19", 224),
    "Xception": Backbone("xception", 299),
}
"""Each backbone by the name that a recipe gives it."""


def channels_for(dataset: Dataset, names: tuple[str, ...] | list[str] | None) -> pixels.Channels:
    """What to take of an image of the dataset, so that it can be shown to a backbone as RGB.

    Args:
        dataset: What the images are.
        names: One or three channels, or None for those of a picture.

    Raises:
        RecipeError: The images are no pictures and no channels are named, or they are not one or
            three, or the dataset does not have them.
    """
    there = list(dataset.channels)
    if names is None:
        if len(there) == 1 or dataset.views == ("image",):
            return None
        raise RecipeError(
            "A backbone reads pictures, but the images of this dataset have the channels "
            f"{there}. Name one of them, or three, in 'channels' of the embedding."
        )
    if len(names) not in (1, 3):
        raise RecipeError(
            "A backbone reads one channel (shown as grey) or three (as red, green, blue). "
            f"Received: channels={list(names)}. Name one or three of {there}."
        )
    try:
        return channel_positions(dataset.channels, tuple(names))
    except ValueError as error:
        raise RecipeError(
            f"The dataset does not have these channels. Received: channels={list(names)}. "
            f"Name one or three of {there} in 'channels' of the embedding."
        ) from error


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Repeat the one channel of a grey image (height, width, 1); leave three as they are."""
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def preprocessing(name: str) -> Callable[[Any], Any]:
    """What a backbone wants done to RGB images, from [0, 1]: its own ``preprocess_input``.

    Args:
        name: A key of :data:`BACKBONES`.

    Returns:
        A function on tensors or arrays (b, height, width, 3), which it leaves as they are.
    """
    module = _module(name)

    def preprocess(images: Any) -> Any:
        return module.preprocess_input(images * 255.0)

    return preprocess


def make(name: str, pooling: str, weights: str | Path, where: str) -> Any:
    """Build a backbone with weights.

    Args:
        name: A key of :data:`BACKBONES`.
        pooling: ``avg`` or ``max``, over all positions.
        weights: ``imagenet`` (Keras downloads them once), ``none`` (random, always the same), or
            the path of a file.
        where: Place of the embedding in the recipe, for messages.

    Returns:
        Keras model, outputs (batch, dim).

    Raises:
        StageError: The weights cannot be had: the file is not there or is not of this network, or
            there is no way to the network.
    """
    load_tensorflow()
    import keras

    if weights == "none":
        keras.utils.set_random_seed(0)
        return _build(name, pooling, None)
    if weights == "imagenet":
        return _downloaded(name, pooling, where)
    return _from_file(name, pooling, Path(weights), where)


def rebuild(name: str, pooling: str, weights: Path) -> Any:
    """Build a backbone again from the weights that ``model.save_weights`` kept of it.

    Args:
        name: A key of :data:`BACKBONES`.
        pooling: ``avg`` or ``max``.
        weights: A ``.weights.h5`` file.
    """
    model = _build(name, pooling, None)
    model.load_weights(weights)
    return model


def _module(name: str) -> Any:
    load_tensorflow()
    import keras

    return getattr(keras.applications, BACKBONES[name].module)


def _build(name: str, pooling: str, weights: str | None) -> Any:
    side = BACKBONES[name].side
    build = getattr(_module(name), name)
    return build(include_top=False, weights=weights, input_shape=(side, side, 3), pooling=pooling)


def _downloaded(name: str, pooling: str, where: str) -> Any:
    try:
        with _patient_for(_NETWORK_SECONDS), contextlib.redirect_stdout(io.StringIO()):
            return _build(name, pooling, "imagenet")
    except Exception as error:  # Keras raises a plain Exception where a download fails
        address = re.search(r"https?://\S+\.h5", str(error))
        source = f"download {address[0]}" if address else f"read the ImageNet weights of {name}"
        raise StageError(
            f"Keras could not {source} ({_reason(error)}). Put that file on this machine by other "
            f"means and give its path: {where}.weights=PATH. "
            f"Or take random weights: {where}.weights=none."
        ) from error


def _from_file(name: str, pooling: str, path: Path, where: str) -> Any:
    if not path.is_file():
        raise StageError(
            f"The weights of {name} are not there. Received: {where}.weights={path}. "
            "Give the path of an .h5 or .weights.h5 file of this network, or 'imagenet', or 'none'."
        )
    model = _build(name, pooling, None)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds, and each means the same
        raise StageError(
            f"The weights of {name} cannot be read from {path} ({_reason(error)}). Give "
            f"{where}.weights the .h5 or .weights.h5 file of a {name} without its head (Keras "
            "names it '…_notop.h5')."
        ) from error
    return model


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:200]}…"


@contextlib.contextmanager
def _patient_for(seconds: float) -> Iterator[None]:
    """A network that does not answer must not hold the pipeline for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
