"""A twin network as an embedding: images of one class close together, others apart.

Both images of a pair go through one encoder and are compared by the distance of their vectors, so
the answer cannot depend on their order. Pairs for training come from train alone.

Sources: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality reduction by learning an invariant
mapping", CVPR 2006 (contrastive loss). F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: a unified
embedding for face recognition and clustering", CVPR 2015 (triplet loss, semi-hard negatives).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import RecipeError
from pipelines.methods import epochs, one_shot, pairs
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.encoders import FILES, compiled
from pipelines.methods.feeding import Inputs
from pipelines.methods.fitting import Progress, Task, fit
from pipelines.methods.intervals import Rate, rate
from pipelines.methods.memory import give_back

if TYPE_CHECKING:
    from pipelines.recipe import SiameseEmbedding

VALIDATION_PAIRS = 1_024
"""Pairs of val that an epoch is judged by; they are the same in every epoch."""

MEASURED_PAIRS = 5_000
"""Pairs that an accuracy is measured on, at most."""

_SMALLEST = 8
_BATCH = 128


@dataclass(frozen=True)
class Labelled:
    """What a twin network learns from, by sample.

    Attributes:
        labels: Class of every sample, as an integer (n,).
        contents: A number for its pixels (n,); equal pixels, equal number.
        rows: Positions of each split.
        classes: Class names.
    """

    labels: np.ndarray
    contents: np.ndarray
    rows: Mapping[str, np.ndarray]
    classes: tuple[str, ...]

    def pool(self, split: str, without: tuple[int, ...]) -> pairs.Pool:
        """What pairs of a split are drawn from."""
        return pairs.pool(self.rows[split], self.labels, self.contents, without)


def make(
    inputs: Inputs,
    data: Labelled,
    settings: SiameseEmbedding,
    where: str,
    *,
    work: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train a twin network, keep the epoch that is best on pairs of val, write its encoder.

    Writes ``encoder.keras`` and ``history.csv``.

    Args:
        inputs: Pixels of all samples; their architecture is that of the encoder.
        data: Labels and splits.
        settings: Recipe of the embedding.
        where: Its place in the recipe, for messages.
        work: Folder that outlives a stop.
        out: Folder to write to.
        progress: Told how many epochs are done.

    Returns:
        ``training``, and ``model``: the architecture that was taken.

    Raises:
        RecipeError: The images are smaller than 8 pixels, unseen classes are not in the data, or
            train has no two classes left with two different images in one of them.
        StageError: The training diverged.
    """
    if min(inputs.shape[:2]) < _SMALLEST:
        raise RecipeError(
            f"A siamese embedding needs images of at least {_SMALLEST}x{_SMALLEST} pixels. "
            f"Received: {inputs.shape[0]}x{inputs.shape[1]}. Enlarge them with image.size of the "
            f"run, or remove {where}."
        )
    unseen = unseen_classes(settings, data.classes, where)
    train, val = data.pool("train", unseen), data.pool("val", unseen)
    if not train.enough:
        raise RecipeError(
            f"There are no pairs to train {where} on: train needs images of two classes that are "
            f"not in 'unseen', and two different ones in one of them. Received: unseen="
            f"{list(settings.unseen)}, {len(train.members)} other classes with images in train. "
            "Name fewer unseen classes."
        )
    load_tensorflow()
    from pipelines.models.siamese import siamese_encoder

    epochs.start_afresh(settings.seed)
    model = siamese_encoder(inputs.model, inputs.shape, settings.dim)
    contrast = settings.loss == "contrastive"
    task = Task(
        model=model,
        steps=settings.steps,
        batch=_batches(inputs, data.labels, train, settings),
        loss=_contrastive(model, settings.margin) if contrast else _triplet(model, settings.margin),
        val_loss=_validation(model, inputs, val, settings),
        where=where,
    )
    fitted = fit(task, settings, work, progress)
    fitted.history.to_csv(out / "history.csv", index=False)
    model.save(out / FILES["siamese"])
    return {"training": fitted.summary, "model": model.name.removeprefix("siamese_")}


def unseen_classes(
    settings: SiameseEmbedding, classes: tuple[str, ...], where: str
) -> tuple[int, ...]:
    """Positions of the classes that training must not see.

    Raises:
        RecipeError: One of them is not a class of the data.
    """
    strange = sorted(set(settings.unseen) - set(classes))
    if strange:
        raise RecipeError(
            f"{where}.unseen names classes that the data does not have. Received: {strange}. "
            f"The classes are: {list(classes)[:30]}."
        )
    return tuple(classes.index(name) for name in settings.unseen)


def report(
    vectors: np.ndarray, data: Labelled, settings: SiameseEmbedding, where: str
) -> dict[str, Any]:
    """How well the distances of a twin network tell same from different.

    Args:
        vectors: (n, dim) of all samples.
        data: Labels and splits.
        settings: Recipe of the embedding.
        where: Its place in the recipe, for messages.

    Returns:
        ``threshold``: the distance up to which a pair is taken for one class, chosen on val;
        ``pairs``: accuracy with it on disjoint pairs of val, of test, and of test's unseen
        classes, where there are any (chance is one half); ``one_shot``: see
        :func:`pipelines.methods.one_shot.evaluate`.
    """
    unseen = unseen_classes(settings, data.classes, where)
    seen = tuple(set(range(len(data.classes))) - set(unseen))
    measured = {
        "val": _distances(vectors, data.pool("val", unseen)),
        "test": _distances(vectors, data.pool("test", unseen)),
        "unseen": _distances(vectors, data.pool("test", seen)),
    }
    threshold = best_threshold(*measured["val"])
    rates: dict[str, Any] = {}
    for name, (distances, same) in measured.items():
        if threshold is not None and len(same):
            right = int(((distances <= threshold) == same).sum())
            rates[name] = plain(rate(right, len(same)))
    shots = one_shot.evaluate(vectors, data.labels, data.rows["train"], data.rows["test"], unseen)
    return {
        "loss": settings.loss,
        "margin": settings.margin,
        "unseen": list(settings.unseen),
        "threshold": threshold,
        "pairs": rates,
        "one_shot": [
            {**asdict(shot), "accuracy": plain(shot.accuracy), "unseen": plain(shot.unseen)}
            for shot in shots
        ],
        "one_shot_unseen_classes": len(unseen) or None,
    }


def best_threshold(distances: np.ndarray, same: np.ndarray) -> float | None:
    """The distance that best parts same pairs (at or below it) from different ones.

    Args:
        distances: (m,) of the pairs.
        same: Whether each is of one class (m,).

    Returns:
        Half way between two neighbouring distances; the lowest of equally good ones; None where
        there are no pairs.
    """
    if not len(distances):
        return None
    order = np.argsort(distances, kind="stable")
    ranked, hits = distances[order].astype(np.float64), same[order]
    # right[i]: the first i pairs are taken for the same, the others for different.
    right = np.concatenate([[0], np.cumsum(hits)]) + np.concatenate(
        [np.cumsum(~hits[::-1])[::-1], [0]]
    )
    right[1:-1][ranked[1:] == ranked[:-1]] = -1
    best = int(right.argmax())
    if best == 0:
        return float(ranked[0] / 2)
    if best == len(ranked):
        return float(ranked[-1])
    return float((ranked[best - 1] + ranked[best]) / 2)


def plain(measured: Rate | None) -> dict[str, Any] | None:
    """A rate as plain data."""
    if measured is None:
        return None
    return {key: getattr(measured, key) for key in ("value", "low", "high", "n")}


def _distances(vectors: np.ndarray, there: pairs.Pool) -> tuple[np.ndarray, np.ndarray]:
    drawn, same = pairs.disjoint(there, MEASURED_PAIRS, np.random.default_rng(0))
    apart = vectors[drawn[:, 0]].astype(np.float64) - vectors[drawn[:, 1]]
    return np.linalg.norm(apart, axis=1), same


def _batches(
    inputs: Inputs, labels: np.ndarray, there: pairs.Pool, settings: SiameseEmbedding
) -> Any:
    """Batches (images, labels) that depend on seed, epoch and step alone.

    Contrastive: the first half of the images against the second. Triplets: any.
    """

    def batch(epoch: int, step: int) -> tuple[np.ndarray, ...]:
        generator = np.random.default_rng([settings.seed, epoch, step])
        if settings.loss == "contrastive":
            drawn, _ = pairs.draw(there, settings.batch_size, generator)
            rows = drawn.T.reshape(-1)
        else:
            rows = pairs.draw_batch(there, settings.batch_size, generator)
        images = inputs.batch(rows)
        give_back(inputs.array)
        return images, labels[rows].astype(np.int32)

    return batch


def contrastive_losses(distances: Any, same: Any, margin: float) -> Any:
    """Loss of each pair: d² of a same one, max(0, margin - d)² of a different one.

    Args:
        distances: (b,) array or tensor.
        same: (b,) of the same dtype, 1 for a pair of one class, 0 for another.
        margin: Distance from which different images cost nothing.
    """
    import tensorflow as tf

    return same * distances**2 + (1 - same) * tf.maximum(margin - distances, 0.0) ** 2


def semi_hard_losses(distances: Any, labels: Any, margin: float) -> Any:
    """Loss of each anchor with each positive, against the semi-hard negative of the batch.

    The negative is the nearest of those that are farther from the anchor than the positive; where
    there is none, the farthest of all.

    Args:
        distances: Tensor (b, b) of a batch.
        labels: Class of each image (b,).
        margin: How much farther the negative should be than the positive.

    Returns:
        Tensor (p,), one loss a pair of anchor and positive that has a negative.
    """
    import tensorflow as tf

    alike = labels[:, None] == labels[None, :]
    positive = alike & ~tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    pairs_there = tf.where(positive & tf.reduce_any(~alike, axis=1)[:, None])
    anchor = pairs_there[:, 0]
    near = tf.gather_nd(distances, pairs_there)
    candidates = tf.gather(distances, anchor)
    negative = ~tf.gather(alike, anchor)
    farther = negative & (candidates > near[:, None])
    far = tf.constant(np.inf, distances.dtype)
    semi_hard = tf.reduce_min(tf.where(farther, candidates, far), axis=1)
    hardest = tf.reduce_max(tf.where(negative, candidates, -far), axis=1)
    chosen = tf.where(tf.reduce_any(farther, axis=1), semi_hard, hardest)
    return tf.maximum(near - chosen + margin, 0.0)


def _apart(one: Any, other: Any) -> Any:
    """Euclidean distance of vectors; its gradient is finite where they meet."""
    import tensorflow as tf

    return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(one - other), axis=-1), 1e-12))


def _contrastive(model: Any, margin: float) -> Any:
    import tensorflow as tf

    def loss(images: Any, labels: Any) -> Any:
        one, other = tf.split(model(images, training=True), 2)
        first, second = tf.split(labels, 2)
        same = tf.cast(first == second, tf.float32)
        return tf.reduce_mean(contrastive_losses(_apart(one, other), same, margin))

    return loss


def _triplet(model: Any, margin: float) -> Any:
    import tensorflow as tf

    def loss(images: Any, labels: Any) -> Any:
        vectors = model(images, training=True)
        distances = _apart(vectors[:, None], vectors[None])
        return tf.reduce_mean(semi_hard_losses(distances, labels, margin))

    return loss


def _validation(model: Any, inputs: Inputs, there: pairs.Pool, settings: SiameseEmbedding) -> Any:
    """Make a function that measures the loss on the same pairs of val every time."""
    if not there.enough:
        return lambda: float("nan")
    drawn, same = pairs.draw(there, VALIDATION_PAIRS, np.random.default_rng(settings.seed))
    rows, places = np.unique(drawn, return_inverse=True)
    places = places.reshape(drawn.shape)
    forward = compiled(model)

    def measure() -> float:
        parts = []
        for start in range(0, len(rows), _BATCH):
            parts.append(forward(inputs.batch(rows[start : start + _BATCH])))
            give_back(inputs.array)
        vectors = np.concatenate(parts)
        apart = np.linalg.norm(vectors[places[:, 0]] - vectors[places[:, 1]], axis=1)
        if settings.loss == "contrastive":
            return float(
                np.mean(contrastive_losses(apart, same.astype(np.float32), settings.margin))
            )
        # Every same pair against every different one, as triplets that need not share an anchor.
        near, far = apart[same], apart[~same]
        return float(np.maximum(near[:, None] - far[None] + settings.margin, 0).mean())

    return measure
