"""Exact occlusion maps against tf-explain and xplique themselves, turn by turn in one process.

``make bench-peers`` makes the environment that this needs: what Centauro needs and, on top of it,
tf-explain 0.3.1 and xplique 2.0.2. Both run with TensorFlow 2.21 and Keras 3 as they are. The
engine is asked for the positions that the peer computes:

- tf-explain goes on by a whole patch each time and knows no stride. So it is timed as it is on one
  case, up to its finished map; "stride 1" and "stride 8" are its ``get_sensitivity_map`` with its
  own ``apply_grey_patch``, list and ``model.predict``, but with patches that start at every so many
  pixels. There its patches begin at the image's corner and stick out on the far side, ours are
  centred and stick out on all: as many, and those that lie alike are compared.
- xplique adds up at each pixel what the patches over it take off the probability; the same sum is
  made of our maps to compare. Its batches are as large as it chooses (32). It leaves out patches
  that stick out, and so does the engine there.

All weights and images are random; the hidden pixels show tf-explain's grey, or xplique's black.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.common import Row, Timed, paired, run, scaled
from benchmarks.occlusion import DEEP, FEW, hits_cnn, images_of, row_of
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.occlusion.engine import Engine, open_engine

PEERS = {"tf-explain": "tf_explain", "xplique": "xplique"}
"""Package and module of each."""

GREY = 127.5
"""What tf-explain hides with."""

CLASS = 1
"""The class that is asked for; the peers give one at a time."""


def rows(size: float, rounds: int) -> list[Row]:
    """One row a case and peer.

    Raises:
        SystemExit: A peer is not installed.
    """
    missing = [name for name, module in PEERS.items() if find_spec(module) is None]
    if missing:
        raise SystemExit(
            f"This benchmark runs in an environment with {' and '.join(PEERS)}. "
            f"Received: one without {' and '.join(missing)}. Run it by: make bench-peers"
        )
    load_tensorflow()
    count, side = scaled(512, size, least=8), 224 if size >= 1 else 96
    found = [_many(count, rounds), _as_it_is(count, rounds), _alone(rounds)]
    for name in DEEP:
        found += _deep(name, side, rounds)
    return found


def _many(count: int, rounds: int) -> Row:
    """The study's classifier, many images, a patch at every pixel."""
    model = hits_cnn()
    engine, images = open_engine(model), images_of(model, count)
    some = images[:FEW]
    theirs = partial(_tf_explain, model, some, engine.patches.size, 1)
    timed = _scaled_up(partial(_maps, engine, images, GREY), theirs, rounds, count, len(some))
    case = f"study's classifier, 21x21, patch 3, stride 1, {count} images"
    note = f"{len(some)} images of the peer timed and scaled up"
    return row_of(case, engine, _named("stride 1"), _alike(timed, 1), 500.0, note, some)


def _as_it_is(count: int, rounds: int) -> Row:
    """The study's classifier, many images, a patch beside the other."""
    import cv2
    from tf_explain.core.occlusion_sensitivity import OcclusionSensitivity

    model = hits_cnn()
    engine, images = open_engine(model), images_of(model, count)
    some, size = images[:FEW], engine.patches.size
    centres = np.arange(0, images.shape[1], size) + size // 2
    explainer = OcclusionSensitivity()

    def theirs() -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            maps = [explainer.get_sensitivity_map(model, one, CLASS, size) for one in some]
        return np.stack(maps)

    def ours() -> np.ndarray:
        hidden = np.full(1, GREY, np.float32)
        return engine.at(images, hidden, centres, centres)[..., CLASS]

    timed = _scaled_up(ours, theirs, rounds, count, len(some))
    # It enlarges its map to the size of the image.
    enlarged = [cv2.resize(1.0 - one.astype(np.float64), images.shape[1:3]) for one in timed.result]
    timed = replace(timed, result=np.stack(enlarged))
    case = f"study's classifier, 21x21, patch 3, stride 3, {count} images"
    note = f"{len(some)} images of the peer timed and scaled up"
    return row_of(case, engine, _named("as it is"), timed, None, note, some)


def _alone(rounds: int) -> Row:
    """The study's classifier, one image."""
    model = hits_cnn()
    engine, image = open_engine(model), images_of(model, 1)
    ours = partial(_maps, engine, image, GREY)
    theirs = partial(_tf_explain, model, image, engine.patches.size, 1)
    ours(), theirs()
    timed = _alike(paired(ours, theirs, max(5, rounds)), 1)
    case = "study's classifier, 21x21, patch 3, stride 1, one image"
    return row_of(case, engine, _named("stride 1"), timed, 15.0, "", image)


def _deep(name: str, side: int, rounds: int) -> list[Row]:
    """A deep network of keras.applications, one image, against both."""
    import keras

    model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
    size, stride = 16, 8
    engine, image = open_engine(model, size=size, stride=stride), images_of(model, 1)
    case = f"{name}, {side}x{side}, patch {size}, stride {stride}, random weights, one image"

    ours = partial(_maps, engine, image, GREY)
    theirs = partial(_tf_explain, model, image, size, stride)
    ours(), theirs()
    timed = _alike(paired(ours, theirs, rounds), size // 2 // stride)
    found = [row_of(case, engine, _named("stride 8"), timed, 2.0, "", image, equal=5e-4)]

    centres = np.arange(0, side - size + 1, stride) + size // 2
    black = np.zeros(1, np.float32)
    clean = float(model(image, training=False).numpy()[0, CLASS])
    explain = _xplique(model, image, size, stride)

    def inside() -> np.ndarray:
        return engine.at(image, black, centres, centres)[..., CLASS]

    inside(), explain()
    timed = paired(inside, explain, rounds)
    sums = np.zeros((1, side, side))
    for row, top in enumerate(centres - size // 2):
        for column, left in enumerate(centres - size // 2):
            drop = clean - timed.result[0, row, column]
            sums[0, top : top + size, left : left + size] += drop
    note = f"compared: sums of {(size // stride) ** 2} positions"
    baseline = f"xplique {version('xplique')}"
    summed = replace(timed, result=sums)
    return [*found, row_of(case, engine, baseline, summed, 2.0, note, image, equal=5e-4)]


def _maps(engine: Engine, images: np.ndarray, hidden: float) -> np.ndarray:
    """float32 (b, rows, columns): our maps of the class that is asked for."""
    return engine.maps(images, np.full(1, hidden, np.float32))[..., CLASS]


def _tf_explain(model: Any, images: np.ndarray, size: int, stride: int) -> np.ndarray:
    """tf-explain's ``get_sensitivity_map`` with a stride, as probabilities (b, rows, columns)."""
    from tf_explain.utils.image import apply_grey_patch

    rows, columns = range(0, images.shape[1], stride), range(0, images.shape[2], stride)
    maps = []
    for image in images:
        patches = [apply_grey_patch(image, left, top, size) for top in rows for left in columns]
        with contextlib.redirect_stdout(io.StringIO()):
            predictions = model.predict(np.array(patches), batch_size=None)
        of_class = [prediction[CLASS] for prediction in predictions]
        maps.append(np.reshape(of_class, (len(rows), len(columns))))
    return np.stack(maps)


def _xplique(model: Any, image: np.ndarray, size: int, stride: int) -> Callable[[], np.ndarray]:
    from xplique.attributions import Occlusion

    explainer = Occlusion(model, patch_size=size, patch_stride=stride, occlusion_value=0.0)
    target = np.eye(model.outputs[0].shape[-1], dtype=np.float32)[[CLASS]]
    return lambda: np.asarray(explainer.explain(image, target))[..., 0]


def _alike(timed: Timed, shift: int) -> Timed:
    """Of both results the positions where both have their patch: theirs lie `shift` further up."""
    ours, theirs = timed.result, timed.baseline_result
    kept = ours.shape[1] - shift
    return replace(timed, result=ours[:, shift:, shift:], baseline_result=theirs[:, :kept, :kept])


def _scaled_up(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, count: int, some: int
) -> Timed:
    """Time all images against some, as if the peer had done all."""
    ours(), theirs()
    return paired(ours, theirs, rounds, whole=lambda took, _: took * count / some)


def _named(how: str) -> str:
    return f"tf-explain {version('tf-explain')}, {how}"


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
