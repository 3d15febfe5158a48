"""Batches for a model: from the memory-mapped pixels of a run to tf.data, and back to
probabilities.

Training, prediction and every later stage feed their models through :class:`Inputs`; TensorFlow is
imported only when a dataset or a prediction is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cache import Run, Workspace
from cache.artefact import read_json
from cache.store import load_array
from pipelines.methods import pixels
from pipelines.methods.backend import load_tensorflow, traced
from pipelines.methods.reading import taken_channels


@dataclass(frozen=True)
class Inputs:
    """Pixels of all samples of a run, as its model reads them.

    Attributes:
        array: Memory map (n, height, width, channels).
        channels: What :func:`pipelines.methods.pixels.to_channels` takes of an image of it.
        shape: (height, width, channels) of what the model reads.
        model: Name of the architecture.
        names: Names of the channels.
    """

    array: np.ndarray
    channels: pixels.Channels
    shape: tuple[int, int, int]
    model: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, rows: np.ndarray) -> np.ndarray:
        """Images of some samples.

        Args:
            rows: Integer positions (b,) in ``samples.parquet``.

        Returns:
            float32 (b, height, width, channels) in [0, 1].
        """
        images = self.array[rows]
        if isinstance(self.channels, tuple):
            images = images[..., list(self.channels)]
        elif self.channels == "rgb" and images.shape[-1] == 1:
            images = np.repeat(images, 3, axis=-1)
        elif self.channels == "grey" and images.shape[-1] == 3:
            images = np.stack([pixels.to_channels(image, "grey") for image in images])
        return pixels.to_float(images)


def open_model(run: Run) -> Any:
    """The trained model of a run.

    Raises:
        MissingArtefactError: It has not been trained yet.
    """
    load_tensorflow()
    import keras

    path = run.artefact("train").path("model.keras")
    return keras.models.load_model(path, compile=False, safe_mode=True)


def open_inputs(workspace: Workspace, run: str) -> Inputs:
    """Open the pixels that a run feeds to its model.

    Raises:
        MissingArtefactError: The stage ``inputs`` has not been run.
    """
    artefact = workspace.artefact("inputs", run)
    document = read_json(artefact.path("inputs.json"))
    names = tuple(document["channels"])
    channels = taken_channels(workspace.dataset, names)
    if document["native"]:
        array = workspace.images()
        assert array is not None, "native inputs are the samples' own memory map"
    else:
        array = load_array(artefact.path("pixels.npy"))
        # Of what is not native only the repetition of grey is left to do.
        channels = "rgb" if channels == "rgb" else None
    height, width = document["size"]
    return Inputs(array, channels, (height, width, len(names)), document["model"], names)


def with_images(batches: Any, inputs: Inputs) -> Any:
    """Replace positions by pixels in a ``tf.data.Dataset``.

    Args:
        batches: Dataset of positions (b,), alone or as the first part of a tuple.
        inputs: Where the pixels are.

    Returns:
        Dataset of tuples (images float32 (b, height, width, channels), *the other parts).
    """
    import tensorflow as tf

    def load(positions: Any, *others: Any) -> tuple[Any, ...]:
        images = tf.numpy_function(inputs.batch, [positions], tf.float32, stateful=False)
        return (tf.ensure_shape(images, (None, *inputs.shape)), *others)

    return batches.map(load, num_parallel_calls=2, deterministic=True)


def to_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Probabilities of every class from a model's outputs.

    Args:
        outputs: (n, 1) sigmoid outputs (probability of the second class) or (n, k) softmax ones.

    Returns:
        float32 (n, k), rows summing to one.
    """
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    return outputs.astype(np.float32)


def cross_entropy(p_label: np.ndarray) -> np.ndarray:
    """Loss of each sample, in nats, from the probability of its own class.

    Probabilities are taken as at least 1e-7, as Keras does.
    """
    losses: np.ndarray = -np.log(np.maximum(p_label, 1e-7))
    return losses


def predictor(model: Any, inputs: Inputs, batch_size: int = 256) -> Callable[..., np.ndarray]:
    """Make a function that runs a model over all samples in inference mode.

    It is compiled once and follows the model's weights, so it may be called after every epoch.

    Args:
        model: Keras model.
        inputs: Where the pixels are.
        batch_size: Images a batch.

    Returns:
        ``predict(progress=...)``, which gives the probabilities of all classes, float32
        (n, classes), in the order of the samples.
    """
    import tensorflow as tf

    forward = traced(
        lambda images: model(images, training=False),
        tf.TensorSpec((None, *inputs.shape), tf.float32),
    )
    total = len(inputs)
    batches = tf.data.Dataset.from_tensor_slices(np.arange(total)).batch(batch_size)
    images = with_images(batches, inputs).prefetch(2)

    def predict(progress: Callable[[float, int], None] = lambda done, total: None) -> np.ndarray:
        parts: list[np.ndarray] = []
        done = 0
        for (batch,) in images:
            parts.append(forward(batch).numpy())
            done += len(parts[-1])
            progress(done, total)
        return to_probabilities(np.concatenate(parts))

    return predict
