"""Training networks to draw occlusion maps, and the baselines that they must beat.

A pair is an image, a class that is asked for, and the exact map of that class: the network learns
to answer for any class, so it needs no label of a new image. Exact maps are made beforehand
(:mod:`pipelines.methods.occlusion`), of images of the classifier's own train split.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipelines.methods import epochs
from pipelines.methods.backend import load_tensorflow, traced
from pipelines.methods.fitting import Fitted, Progress, Task, fit

Read = Callable[[np.ndarray], np.ndarray]
"""From positions (b,) to images, float32 (b, height, width, channels)."""

_BATCH = 256
_LEAST = 1e-7
_LEAST_IN_PATTERN = 1e-4
_LEAST_VARIANCE = 1e-2
_LAST_RATE = 0.05


@dataclass(frozen=True)
class Pairs:
    """Images with a class that is asked for, and the exact maps.

    Attributes:
        read: Gives the images of some positions.
        maps: (n, rows, columns, classes) in [0, 1] of all images, a memory map perhaps.
        rows: Position of the image of each pair (m,).
        asked: Class that is asked for of each pair (m,).
    """

    read: Read
    maps: np.ndarray
    rows: np.ndarray
    asked: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, chosen: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images float32 (b, h, w, c), classes int32 (b,), and maps float32 (b, rows, columns)."""
        rows, asked = self.rows[chosen], self.asked[chosen]
        maps = self.maps[rows, :, :, asked]
        return self.read(rows), asked.astype(np.int32), np.asarray(maps, np.float32)


@dataclass(frozen=True)
class Settings:
    """How an estimator is trained.

    Attributes:
        epochs: At most.
        learning_rate: That of the first epoch.
        batch_size: Pairs a batch.
        patience: Epochs without improvement on val after which it ends.
        seed: Of weights and order.
        optimizer: ``adam`` (Kingma and Ba 2015), its rate falling to a twentieth along half a
            cosine; or ``adadelta`` (Zeiler 2012) at a constant rate, the study's.
        pattern: Weight of the pattern of the logits in the loss, see :func:`train`; the study's
            networks learn without.
    """

    epochs: int = 8
    learning_rate: float = 2e-3
    batch_size: int = 32
    patience: int = 3
    seed: int = 0
    optimizer: Literal["adam", "adadelta"] = "adam"
    pattern: float = 0.1


def train(
    build: Callable[[], Any],
    pairs: Pairs,
    val: Pairs,
    settings: Settings,
    where: str,
    *,
    work: Path,
    progress: Progress = lambda done, total: None,
) -> tuple[Any, Fitted]:
    """Train an estimator from where the work folder stands to the end.

    The loss is the binary cross-entropy of the probabilities over the positions of the image, less
    the entropy of the exact map, which no network can undercut (the study's figures have it in
    them), and a part for the pattern: one less the correlation of the logits over the map. For
    where a model is sure, all probabilities are close to 0 or to 1: cross-entropy hardly sees their
    order, which is what a reader sees, and logits keep it. The loss is 0 for the exact map. The
    best epoch is that of the lowest loss on val, the last where there is no val.

    Args:
        build: Makes the network with fresh weights; called after everything is seeded. It loads the
            classifier itself where it needs one.
        pairs: What it learns from, at least one.
        val: What an epoch is judged by.
        settings: Epochs, learning rate and so on.
        where: Name of the estimator, for messages.
        work: Folder that outlives a stop.
        progress: Told how many epochs are done.

    Returns:
        The network with its best weights; history (epoch, loss, val_loss, seconds) and the rest.

    Raises:
        ValueError: There is no pair, or the network draws maps of another shape.
        StageError: The loss is no longer a number.
    """
    load_tensorflow()
    epochs.start_afresh(settings.seed)
    model = build()
    _check(model, pairs)

    def loss(images: Any, asked: Any, maps: Any) -> Any:
        import tensorflow as tf

        return tf.reduce_mean(_losses(_forward(model, images, asked), maps, settings.pattern))

    task = Task(
        model=model,
        steps=-(-len(pairs) // settings.batch_size),
        batch=_Batches(pairs, settings),
        loss=loss,
        val_loss=_measure(model, val, settings.pattern),
        where=where,
    )
    rate = partial(_rate, settings)
    return model, fit(task, settings, work, progress, optimizer=_optimizer(settings), rate=rate)


class _Batches:
    """Batches of pairs, in an order that depends on seed and epoch alone."""

    def __init__(self, pairs: Pairs, settings: Settings) -> None:
        self.pairs, self.settings = pairs, settings
        self.epoch, self.order = 0, np.arange(len(pairs))

    def __call__(self, epoch: int, step: int) -> tuple[np.ndarray, ...]:
        if epoch != self.epoch:
            generator = np.random.default_rng([self.settings.seed, epoch])
            self.epoch, self.order = epoch, generator.permutation(len(self.pairs))
        size = self.settings.batch_size
        return self.pairs.batch(self.order[step * size : (step + 1) * size])


def drawer(model: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Make a function that draws maps, compiled once for any number of images.

    Args:
        model: An estimator of :mod:`pipelines.models.estimators`.

    Returns:
        From images float32 (b, height, width, channels) and the classes asked for (b,) to maps
        float32 (b, rows, columns). A network that is not told the class draws the same for any.
    """
    import tensorflow as tf

    call = traced(
        lambda images, asked: _forward(model, images, asked),
        tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    )

    def draw(images: np.ndarray, asked: np.ndarray) -> np.ndarray:
        maps: np.ndarray = call(images, np.asarray(asked, np.int32)).numpy()
        return maps

    return draw


def predict(
    model: Any, read: Read, rows: np.ndarray, asked: np.ndarray, batch_size: int = _BATCH
) -> np.ndarray:
    """Draw the maps of many images.

    Args:
        model: The estimator.
        read: Gives the images of some positions.
        rows: Positions of the images (m,).
        asked: Class asked for of each (m,), the predicted one usually.
        batch_size: Images a batch.

    Returns:
        float32 (m, rows, columns).
    """
    draw = drawer(model)
    maps = np.empty((len(rows), *model.outputs[0].shape[1:]), np.float32)
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        maps[part] = draw(read(rows[part]), asked[part])
    return maps


def mean_map(exact: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """The first baseline: the mean exact map of each predicted class, whatever the image shows.

    Args:
        exact: (n, rows, columns) of images of train, of their predicted class.
        predicted: Those classes (n,).
        n_classes: How many classes there are.

    Returns:
        float32 (classes, rows, columns): index it with the predicted classes of other images. A
        class that is never predicted has the mean of all maps.

    Raises:
        ValueError: There is no map.
    """
    if not len(exact):
        raise ValueError(
            "The mean map needs at least one exact map. Received: none. Give maps of train."
        )
    means = np.repeat(exact.mean(axis=0, dtype=np.float64)[None], n_classes, axis=0)
    for label in range(n_classes):
        chosen = predicted == label
        if chosen.any():
            means[label] = exact[chosen].mean(axis=0, dtype=np.float64)
    return means.astype(np.float32)


def upsampled(exact: np.ndarray, stride: int = 3) -> np.ndarray:
    """The second baseline: every third row and column computed, the rest interpolated.

    It costs a ninth of an exact map, and no training.

    Args:
        exact: (n, rows, columns).
        stride: Which rows and columns are taken as computed.

    Returns:
        float32 (n, rows, columns), bilinear between the computed positions, and constant from the
        last of them to the border.
    """
    maps = np.asarray(exact[:, ::stride, ::stride], np.float64)
    for axis in (1, 2):
        places = np.arange(exact.shape[axis]) / stride
        low = places.astype(np.int64)
        high = np.minimum(low + 1, maps.shape[axis] - 1)
        weight = (places - low).reshape((-1, 1) if axis == 1 else (-1,))
        maps = maps.take(low, axis) * (1 - weight) + maps.take(high, axis) * weight
    return maps.astype(np.float32)


def _forward(model: Any, images: Any, asked: Any) -> Any:
    # The study's plain networks have no input for the class. Inference mode while learning, too:
    # no estimator has dropout or batch statistics of its own, but the classifier inside one may,
    # and what it says must be what it will say later.
    return model([images, asked] if len(model.inputs) == 2 else images, training=False)


def _losses(drawn: Any, maps: Any, pattern: float) -> Any:
    """Cross-entropy less entropy of each map, in nats a position, and the part for its pattern."""
    import tensorflow as tf

    def entropy(guess: Any) -> Any:
        guess = tf.clip_by_value(guess, _LEAST, 1 - _LEAST)
        each = -maps * tf.math.log(guess) - (1 - maps) * tf.math.log(1 - guess)
        return tf.reduce_mean(each, axis=[1, 2])

    return entropy(drawn) - entropy(maps) + pattern * (1 - _alike(_logits(drawn), _logits(maps)))


def _logits(probabilities: Any) -> Any:
    import tensorflow as tf

    bounded = tf.clip_by_value(probabilities, _LEAST_IN_PATTERN, 1 - _LEAST_IN_PATTERN)
    return tf.math.log(bounded) - tf.math.log(1 - bounded)


def _alike(one: Any, other: Any) -> Any:
    """Correlation of each map with the other; least variances make that of two constants 1."""
    import tensorflow as tf

    one, other = (maps - tf.reduce_mean(maps, axis=[1, 2], keepdims=True) for maps in (one, other))

    def together(one: Any, other: Any) -> Any:
        return tf.reduce_mean(one * other, axis=[1, 2]) + _LEAST_VARIANCE

    return together(one, other) * tf.math.rsqrt(together(one, one) * together(other, other))


def _measure(model: Any, val: Pairs, pattern: float) -> Callable[[], float]:
    """Make a function that measures the loss on val in inference mode; nan of no pairs."""
    if not len(val):
        return lambda: float("nan")
    losses = traced(
        lambda images, asked, maps: _losses(_forward(model, images, asked), maps, pattern),
        *_signature(val),
    )

    def measure() -> float:
        total = 0.0
        for start in range(0, len(val), _BATCH):
            part = losses(*val.batch(slice(start, start + _BATCH)))
            total += float(part.numpy().sum(dtype=np.float64))
        return total / len(val)

    return measure


def _signature(pairs: Pairs) -> list[Any]:
    import tensorflow as tf

    example = pairs.batch(slice(0, 1))
    return [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in example]


def _optimizer(settings: Settings) -> Any:
    import keras

    kinds = {"adam": keras.optimizers.Adam, "adadelta": keras.optimizers.Adadelta}
    return kinds[settings.optimizer](settings.learning_rate)


def _rate(settings: Settings, epoch: int) -> float:
    if settings.optimizer == "adadelta":
        return settings.learning_rate
    along = (1 + math.cos(math.pi * (epoch - 1) / settings.epochs)) / 2
    return settings.learning_rate * max(along, _LAST_RATE)


def _check(model: Any, pairs: Pairs) -> None:
    drawn, wanted = tuple(model.outputs[0].shape[1:]), pairs.maps.shape[1:3]
    if not len(pairs) or drawn != wanted:
        raise ValueError(
            "An estimator needs pairs to learn from, and must draw maps of their shape. "
            f"Received: {len(pairs)} pairs of maps {wanted}, a network that draws {drawn}. "
            "Build it with the stride of the maps."
        )
