"""Architectures: plain functions that return a Keras model, and the table of their names.

Each is called ``name(input_shape, n_classes)`` with ``input_shape`` (height, width, channels) and
takes float32 images in [0, 1]. The graphs are flat (no model inside a model, no ``Lambda``), so
that any layer can be tapped and a saved model loads with ``safe_mode=True``. TensorFlow is
imported by the functions, not by this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.errors import RecipeError
from pipelines.models.compact import compact_cnn
from pipelines.models.hits import hits_cnn, hits_deep
from pipelines.models.simple import simple_cnn, simple_cnn_224

if TYPE_CHECKING:
    import keras

MODELS: dict[str, Callable[[tuple[int, int, int], int], keras.Model]] = {
    "compact_cnn": compact_cnn,
    "hits_cnn": hits_cnn,
    "hits_deep": hits_deep,
    "simple_cnn": simple_cnn,
    "simple_cnn_224": simple_cnn_224,
}
"""Each architecture by the name that a recipe gives it."""

SMALLEST: dict[str, int] = {
    "compact_cnn": 8,
    "hits_cnn": 2,
    "hits_deep": 1,
    "simple_cnn": 78,
    "simple_cnn_224": 128,
}
"""Shortest side, in pixels, of an image that each architecture can take."""


def mistakes(name: str, input_shape: tuple[int, int, int], n_classes: int) -> list[str]:
    """Lists why a model cannot be built, without TensorFlow.

    Args:
        name: Name of an architecture.
        input_shape: Height and width in pixels, channels.
        n_classes: Number of classes.

    Returns:
        One sentence a mistake; empty where :func:`build` would succeed.
    """
    if name not in MODELS:
        known = ", ".join(sorted(MODELS))
        return [f"There is no model of that name. Received: model={name}. Choose one of {known}."]
    found = []
    height, width, channels = input_shape
    smallest = SMALLEST[name]
    if min(height, width) < smallest:
        able = sorted(other for other, side in SMALLEST.items() if side <= min(height, width))
        instead = f", or choose one of {', '.join(able)}" if able else ""
        found.append(
            f"The images are too small for the model '{name}'. Received: {height}x{width} pixels. "
            f"Use at least {smallest}x{smallest}{instead}."
        )
    if channels < 1:
        found.append(
            f"The images of the model '{name}' must have at least 1 channel. "
            f"Received: {channels} channels. Name the channels in the run."
        )
    if n_classes < 2:
        found.append(
            f"The model '{name}' needs at least 2 classes. "
            f"Received: {n_classes}. Keep more classes in the recipe."
        )
    return found


def build(name: str, input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Builds a model by name, with fresh weights.

    Args:
        name: A key of :data:`MODELS`.
        input_shape: Height and width in pixels, channels.
        n_classes: Number of classes, at least 2.

    Returns:
        An uncompiled model. Its output is (batch, n_classes) softmax probabilities, or
        (batch, 1), the sigmoid probability of the second class, for the binary ``simple_*``.

    Raises:
        RecipeError: The name is unknown, the image too small or the classes too few.
    """
    found = mistakes(name, input_shape, n_classes)
    if found:
        raise RecipeError("\n".join(found))
    return MODELS[name](input_shape, n_classes)
