"""Exact occlusion maps against the ways of others; all give the same probabilities.

"tf-explain's way" and "the study's loop" are our rendering of how tf-explain 0.3.1 and the HiTS
study ask their model, run in this process: the first makes a list of one image's copies and gives
it to ``model.predict``, the second asks ``predict`` for ten copies at a time. Both are timed on a
few images and scaled up. "The batched function" is ``way="whole"``: copies made inside one compiled
function. All weights are random.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.common import Row, paired, run, scaled, seconds
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.estimating import drawer
from pipelines.methods.occlusion.engine import Engine, open_engine
from pipelines.methods.occlusion.patches import Patches
from pipelines.methods.occlusion.whole import Whole

Maps = Callable[[np.ndarray], np.ndarray]
"""From images to maps (b, rows, columns, classes), hidden pixels black."""

FEW = 4
"""Images that a loop over ``predict`` is timed on."""

PART = 16
"""Part of the images that the batched function is timed on."""

COPIES = (16, 32, 64)
"""Batch sizes that the batched function is tried with on deep networks."""

ROWS = 7
"""One row in so many of a deep network's map is timed, from border to border."""

DEEP = ("ResNet50", "DenseNet121")

DRAWN_AT_ONCE = 256
"""Images that the estimator draws the maps of in a pass."""

# tf-explain and xplique themselves are measured by benchmarks/peers.py, in the environment that
# `make bench-peers` makes.


def rows(size: float, rounds: int) -> list[Row]:
    """One row a case and baseline."""
    load_tensorflow()
    found: list[Row] = []
    for patch in (3, 7):
        found += _small(scaled(512, size, least=8), patch, rounds)
    found += _estimated(scaled(512, size, least=8), rounds)
    found.append(_alone(rounds))
    found.append(_blocks(scaled(8, size, least=1), rounds, stride=1 if size >= 1 else 4))
    # Below the full size, a smaller image: the network is the same.
    side = 224 if size >= 1 else 96
    found += [_deep(name, side, rounds) for name in DEEP]
    return found


def _small(count: int, patch: int, rounds: int) -> list[Row]:
    """The study's classifier, many images."""
    model = hits_cnn()
    engine = open_engine(model, size=patch)
    images = images_of(model, count)
    few, part = images[:FEW], images[: max(FEW, count // PART)]
    cases = (
        ("tf-explain's way", partial(_list_of_copies, model, engine.patches), few, 500.0),
        ("the batched function", _ready(open_engine(model, size=patch, way="whole")), part, 12.0),
        ("the study's loop", partial(_tens, model, engine.patches), few[:1], None),
    )
    maps = _ready(engine)
    case = f"study's classifier, 21x21, patch {patch}, stride 1, {count} images"
    found = []
    for baseline, theirs, some, target in cases:
        theirs(some[:1]), maps(images)
        timed = paired(
            partial(maps, images),
            partial(theirs, some),
            rounds,
            whole=lambda took, _, share=count / len(some): took * share,  # type: ignore[misc]
        )
        note = f"{len(some)} images of the baseline timed and scaled up"
        found.append(row_of(case, engine, baseline, timed, target, note, some))
    return found


def _estimated(count: int, rounds: int) -> list[Row]:
    """Maps that a network draws of many images, each of the one class that is asked for."""
    from pipelines.models.estimators import map_estimator

    model = hits_cnn()
    engine, images = open_engine(model), images_of(model, count)
    shape, classes = images.shape[1:], model.outputs[0].shape[-1]
    draw = drawer(map_estimator(shape, classes, classifier=model))
    parts = [images[start : start + DRAWN_AT_ONCE] for start in range(0, count, DRAWN_AT_ONCE)]

    def draw_all() -> np.ndarray:
        return np.concatenate([draw(part, np.zeros(len(part), np.int32)) for part in parts])

    cases: tuple[tuple[str, Maps, np.ndarray, float | None], ...] = (
        ("the study's loop", partial(_tens, model, engine.patches), images[:1], 300.0),
        ("the exact engine", _ready(engine), images, None),
    )
    found = []
    for baseline, theirs, some, target in cases:
        draw_all(), theirs(some[:1])
        timed = paired(
            draw_all,
            partial(theirs, some),
            rounds,
            whole=lambda took, _, share=count / len(some): took * share,  # type: ignore[misc]
        )
        notes = [f"{1000 * timed.seconds / count:.3g} ms an image", "drawn, so not equal"]
        if len(some) < count:
            notes.append(f"{len(some)} images of the baseline timed and scaled up")
        found.append(
            Row(
                f"study's classifier, 21x21, patch 3, stride 1, {count} images",
                "the estimator",
                baseline,
                timed.seconds,
                timed.baseline,
                timed.ratio,
                "to be said" if target is None else f">= {target:g}x",
                target is None or timed.ratio >= target,
                "; ".join(notes),
            )
        )
    return found


def _alone(rounds: int) -> Row:
    """The study's classifier, one image."""
    model = hits_cnn()
    engine = open_engine(model)
    image = images_of(model, 1)
    maps, theirs = _ready(engine), partial(_list_of_copies, model, engine.patches)
    maps(image), theirs(image)
    timed = paired(partial(maps, image), partial(theirs, image), max(5, rounds))
    case = "study's classifier, 21x21, patch 3, stride 1, one image"
    return row_of(case, engine, "tf-explain's way", timed, 15.0, "", image)


def _blocks(count: int, rounds: int, stride: int) -> Row:
    """Five blocks of convolution and pooling at 64x64."""
    model = _five_blocks()
    engine = open_engine(model, size=7, stride=stride, way="regions")
    images = images_of(model, count)
    maps = _ready(engine)
    theirs = _ready(open_engine(model, size=7, stride=stride, way="whole"))
    maps(images[:1]), theirs(images[:1])
    timed = paired(partial(maps, images), partial(theirs, images), rounds)
    case = f"five-block CNN, 64x64, patch 7, stride {stride}, {count} images"
    return row_of(case, engine, "the batched function", timed, 2.0, "", images, equal=1e-5)


def _deep(name: str, side: int, rounds: int) -> Row:
    """A deep network of keras.applications, on every seventh row of the map."""
    import keras

    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
    engine = open_engine(model, size=16, stride=8, way="regions")
    patches, image = engine.patches, images_of(model, 1)
    some, nought = patches.rows[::ROWS], np.zeros(1, np.float32)

    def asked(engine: Engine, rows: np.ndarray) -> np.ndarray:
        return engine.at(image, nought, rows, patches.columns)

    tried: list[tuple[float, int, Engine]] = []
    for copies in COPIES:
        whole = Engine("whole", "", patches, 3, Whole(model, patches, copies))
        # The first pass prepares memory.
        asked(whole, some[:1])
        tried.append((seconds(partial(asked, whole, some[:2]))[0], copies, whole))
    _, copies, best = min(tried, key=lambda one: one[0])
    asked(engine, some)
    timed = paired(partial(asked, engine, some), partial(asked, best, some), rounds)
    case = f"{name}, {side}x{side}, patch 16, stride 8, random weights, one image"
    note = f"{len(some)} of {len(patches.rows)} rows timed"
    baseline = f"the batched function, {copies} copies a pass"
    return row_of(case, engine, baseline, timed, 1.8, note, image, equal=5e-4)


def row_of(
    case: str,
    engine: Engine,
    baseline: str,
    timed: Any,
    target: float | None,
    note: str,
    some: np.ndarray,
    equal: float | None = None,
) -> Row:
    """A row of maps that must be equal.

    Args:
        case: What is computed.
        engine: How we do it.
        baseline: How others do.
        timed: Both; the results are maps of the same positions.
        target: Ratio to reach, None for none.
        note: What else there is to say.
        some: Images that the baseline was asked for, the first of all.
        equal: How far apart the results may be, None where it is only told.
    """
    apart = float(np.abs(timed.result[: len(some)] - timed.baseline_result).max())
    reached = target is None or timed.ratio >= target
    wanted = "to be said" if target is None else f">= {target:g}x"
    if equal is not None:
        wanted += f", equal to {equal:g}"
        reached = reached and apart <= equal
    per_image = 1000 * timed.seconds / len(timed.result)
    notes = [f"{per_image:.3g} ms an image", f"largest difference {apart:.2g}", note]
    return Row(
        case,
        f"way '{engine.way}'",
        baseline,
        timed.seconds,
        timed.baseline,
        timed.ratio,
        wanted,
        reached,
        "; ".join(one for one in notes if one),
    )


def _ready(engine: Engine) -> Maps:
    return lambda images: engine.maps(images, np.zeros(1, np.float32))


def _list_of_copies(model: Any, patches: Patches, images: np.ndarray) -> np.ndarray:
    """An image after the other: all its copies in a list, one ``predict`` with batches of 32."""
    found = []
    for image in images:
        copies = []
        for top, left, bottom, right in patches.boxes:
            copy = np.array(image)
            copy[top:bottom, left:right] = 0
            copies.append(copy)
        found.append(model.predict(np.array(copies), batch_size=32, verbose=0))
    return np.stack(found).reshape(len(images), *patches.shape, -1)


def _tens(model: Any, patches: Patches, images: np.ndarray) -> np.ndarray:
    """An image after the other, a ``predict`` for every ten copies."""
    found = []
    for image in images:
        boxes = patches.boxes
        for start in range(0, len(boxes), 10):
            copies = np.repeat(image[None], len(boxes[start : start + 10]), axis=0)
            for copy, (top, left, bottom, right) in zip(
                copies, boxes[start : start + 10], strict=True
            ):
                copy[top:bottom, left:right] = 0
            found.append(model.predict(copies, verbose=0))
    return np.concatenate(found).reshape(len(images), *patches.shape, -1)


def images_of(model: Any, count: int) -> np.ndarray:
    """Images of noise for a model, float32 in [0, 1]."""
    shape = (count, *model.inputs[0].shape[1:])
    return np.random.default_rng(0).random(shape, np.float32)


def hits_cnn() -> Any:
    """The study's classifier, weights at random."""
    from pipelines.models import build

    return build("hits_cnn", (21, 21, 1), 2)


def _five_blocks() -> Any:
    import keras
    from keras import layers

    x = inputs = layers.Input((64, 64, 3))
    for filters in (32, 64, 128, 128, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
