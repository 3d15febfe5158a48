"""Grad-CAM: where in a layer's feature maps the evidence for a class lies.

R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra, "Grad-CAM: visual
explanations from deep networks via gradient-based localization", ICCV 2017. The gradient is that of
the class's score before softmax or sigmoid, as published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.methods.backend import traced
from pipelines.methods.occlusion.fidelity import correlations

if TYPE_CHECKING:
    import keras

TOP = 4
"""Classes that are explained where none are asked for."""


@dataclass(frozen=True)
class Cams:
    """Class activation maps, as they are: never negative, on no common scale.

    Attributes:
        classes: int32 (b, k), the classes that are explained, the most probable first unless they
            were asked for.
        probabilities: float32 (b, k) of those classes.
        maps: float32 (b, k, rows, columns) at the layer's own resolution.
        resized: float32 (b, k, height, width), brought to the image's (bilinear).
    """

    classes: np.ndarray
    probabilities: np.ndarray
    maps: np.ndarray
    resized: np.ndarray


@dataclass(frozen=True)
class GradCam:
    """Grad-CAM of one layer, compiled once; made by :func:`open_cam`.

    Attributes:
        layer: Name of the layer.
        n_classes: Classes of the model.
        shape: (height, width, channels) of the images.
        forward: From images to the probabilities of all classes (b, classes).
        backward: From images and one class each to maps and resized maps.
    """

    layer: str
    n_classes: int
    shape: tuple[int, ...]
    forward: Callable[[Any], Any]
    backward: Callable[[Any, Any], Any]

    def __call__(self, images: np.ndarray, classes: np.ndarray | None = None) -> Cams:
        """Explain some classes of each image.

        Args:
            images: float32 (b, height, width, channels), b >= 1.
            classes: (b, k) of each image; None for the :data:`TOP` most probable ones (all, where
                there are fewer).

        Raises:
            ValueError: The images have another shape, or there is no such class.
        """
        if images.shape[1:] != self.shape or not len(images):
            raise ValueError(
                f"The Grad-CAM of '{self.layer}' reads images of shape {self.shape}. Received: an "
                f"array of shape {images.shape}. Prepare the images as for the model."
            )
        probabilities: np.ndarray = self.forward(images).numpy()
        if classes is None:
            ranked = np.argsort(-probabilities, axis=1, kind="stable")
            classes = ranked[:, : min(TOP, self.n_classes)]
        self._check(classes, len(images))
        k = classes.shape[1]
        asked = classes.astype(np.int32)
        maps, resized = self.backward(np.repeat(images, k, axis=0), asked.reshape(-1))
        return Cams(
            classes=asked,
            probabilities=np.take_along_axis(probabilities, asked.astype(np.int64), axis=1),
            maps=maps.numpy().reshape(len(images), k, *maps.shape[1:]),
            resized=resized.numpy().reshape(len(images), k, *resized.shape[1:]),
        )

    def _check(self, classes: np.ndarray, count: int) -> None:
        shaped = classes.ndim == 2 and len(classes) == count and classes.shape[1] > 0
        if not shaped or classes.min() < 0 or classes.max() >= self.n_classes:
            raise ValueError(
                f"The 'classes' of Grad-CAM must be integers from 0 to {self.n_classes - 1}, of "
                f"shape ({count}, k). Received: shape {classes.shape}, values "
                f"{np.unique(classes)[:10].tolist()}. Give the same number of each image."
            )


def layers(model: keras.Model) -> list[str]:
    """Names of the layers that Grad-CAM can be applied to, from the image to the output.

    They are those with feature maps (batch, rows, columns, channels) of more than one position,
    from the first convolution on. A model inside the model counts as one layer, the last of its
    own; its inner layers cannot be reached.

    Args:
        model: Functional or sequential Keras model.

    Returns:
        Names; none where the model has no such layer, several outputs or several inputs.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 4:
        return []
    found: list[str] = []
    convolved = False
    for layer in model.layers:
        convolved = convolved or _convolves(layer)
        if convolved and _has_places(layer):
            found.append(layer.name)
    return found


def last_convolution(model: keras.Model) -> str | None:
    """Where Grad-CAM is usually applied: the last layer at the last convolution's resolution.

    A normalisation or activation that follows the convolution counts as a part of it, a pooling
    layer does not.

    Args:
        model: Functional or sequential Keras model.

    Returns:
        One of :func:`layers`; None where there is none.
    """
    found = [model.get_layer(name) for name in layers(model)]
    last = max((at for at, layer in enumerate(found) if _convolves(layer)), default=None)
    if last is None:
        return None
    size = found[last].output.shape[1:3]
    for after in found[last + 1 :]:
        if after.output.shape[1:3] != size:
            break
        last += 1
    return str(found[last].name)


def open_cam(model: keras.Model, layer: str | None = None) -> GradCam:
    """Make the Grad-CAM of a layer.

    Args:
        model: Functional or sequential Keras model that ends in the probabilities of the classes,
            or in that of the second of two, (batch, 1).
        layer: One of :func:`layers`; None for the last of them.

    Raises:
        ValueError: It cannot be applied to the model, or not to that layer.
    """
    known = layers(model)
    if not known:
        raise ValueError(
            "Grad-CAM needs a functional model of one image input, one output, and a convolution. "
            f"Received: '{model.name}', inputs {[tuple(t.shape) for t in model.inputs]}, "
            f"{len(model.outputs)} outputs. Choose a convolutional run."
        )
    if layer is None:
        layer = known[-1]
    if layer not in known:
        raise ValueError(
            f"Grad-CAM cannot be applied to the layer '{layer}': it has no feature maps, comes "
            f"before the first convolution, or is inside another model. Received: layer={layer}. "
            f"Choose one of {', '.join(known)}."
        )
    return _compiled(model, layer)


def agreement(cams: np.ndarray, importance: np.ndarray, stride: int = 1) -> np.ndarray:
    """Spearman correlation of class activation maps with occlusion's importance.

    Args:
        cams: (n, height, width), resized to the image, of one class an image.
        importance: (n, rows, columns) of the same class; see
            :func:`pipelines.methods.occlusion.features.importance`.
        stride: Pixels from one position of the importance to the next.

    Returns:
        float64 (n,) in [-1, 1]; nan where one of the two is constant, as they say no place then.

    Raises:
        ValueError: The shapes do not go together.
    """
    from scipy.stats import rankdata

    at_positions = cams[:, ::stride, ::stride]
    if at_positions.ndim != 3 or at_positions.shape != importance.shape:
        raise ValueError(
            "Class activation maps must have a value at each position of the importance. "
            f"Received: {cams.shape} and {importance.shape}, stride={stride}. Give the resized "
            "maps of one class an image, and the stride of the occlusion map."
        )
    positions = importance.shape[1] * importance.shape[2]
    one, other = (values.reshape(-1, positions) for values in (at_positions, importance))
    constant = (np.ptp(one, axis=1) == 0) | (np.ptp(other, axis=1) == 0)
    found = correlations(rankdata(one, axis=1), rankdata(other, axis=1))
    return np.where(constant, np.nan, found)


def _compiled(model: keras.Model, layer: str) -> GradCam:
    import keras
    import tensorflow as tf

    inputs, outputs = model.inputs[0], model.outputs[0]
    last = model.layers[-1]
    score_of = _score_of(last)
    before = outputs if score_of is None else last.input
    tapped = keras.Model(inputs, [model.get_layer(layer).output, before, outputs])
    height, width = inputs.shape[1:3]
    n_classes = max(int(outputs.shape[-1]), 2)
    two_from_one = outputs.shape[-1] == 1

    def backward(images: Any, classes: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            # Without it nothing is recorded where no weight is trainable.
            tape.watch(images)
            features, vector, probabilities = tapped(images, training=False)
            # A custom end has no score before its probabilities; their logarithm is the nearest.
            scores = tf.math.log(probabilities + 1e-7) if score_of is None else score_of(vector)
            if two_from_one:
                scores = tf.concat([-scores, scores], axis=1)
            chosen = tf.gather(scores, classes, batch_dims=1)
        gradients = tape.gradient(chosen, features, unconnected_gradients="zero")
        weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
        resized = tf.image.resize(maps, (height, width), method="bilinear")
        return maps[..., 0], resized[..., 0]

    def forward(images: Any) -> Any:
        probabilities = model(images, training=False)
        if two_from_one:
            probabilities = tf.concat([1 - probabilities, probabilities], axis=1)
        return probabilities

    pictures = tf.TensorSpec((None, *inputs.shape[1:]), tf.float32)
    return GradCam(
        layer=layer,
        n_classes=n_classes,
        shape=tuple(inputs.shape[1:]),
        forward=traced(forward, pictures),
        backward=traced(backward, pictures, tf.TensorSpec((None,), tf.int32)),
    )


def _score_of(last: keras.layers.Layer) -> Callable[[Any], Any] | None:
    """How the scores before softmax or sigmoid follow from the input of the last layer."""
    import keras

    ends = (keras.activations.softmax, keras.activations.sigmoid, keras.activations.linear)
    if isinstance(last, keras.layers.Softmax):
        return lambda vector: vector
    if getattr(last, "activation", None) not in ends:
        return None
    if isinstance(last, keras.layers.Activation):
        return lambda vector: vector
    if isinstance(last, keras.layers.Dense):
        if last.bias is None:
            return lambda vector: keras.ops.matmul(vector, last.kernel)
        return lambda vector: keras.ops.matmul(vector, last.kernel) + last.bias
    return None


def _convolves(layer: Any) -> bool:
    import keras

    if isinstance(layer, keras.Model):
        return any(_convolves(inner) for inner in layer.layers)
    kinds = keras.layers
    return isinstance(
        layer,
        kinds.Conv2D | kinds.DepthwiseConv2D | kinds.SeparableConv2D | kinds.Conv2DTranspose,
    )


def _has_places(layer: Any) -> bool:
    shape = getattr(layer.output, "shape", None)
    return shape is not None and len(shape) == 4 and (shape[1] or 2) * (shape[2] or 2) > 1
