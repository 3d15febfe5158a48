"""The one door to a model: vectors, probabilities and occlusion maps made while one waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Condition
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from cache import Run
from cache.embeddings import Embedding
from cache.occlusion import Occlusion
from dashboard import data, embedding_data

if TYPE_CHECKING:
    from pipelines.methods.grad_cam import Cams, GradCam
    from pipelines.methods.occlusion.curves import Curves
    from pipelines.methods.occlusion.engine import Engine
    from pipelines.methods.occlusion.refine import Grid


class Turns:
    """A lock that is given in the order in which it was asked for.

    Who takes it again and again, part by part, would else leave nobody in.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._asked = self._served = 0

    def __enter__(self) -> None:
        with self._changed:
            mine = self._asked
            self._asked += 1
            self._changed.wait_for(lambda: self._served == mine)

    def __exit__(self, *raised: object) -> None:
        with self._changed:
            self._served += 1
            self._changed.notify_all()


_calling = Turns()


def embed(embedding: Embedding, images: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors of images, by the path from pixels to vectors that the pipeline took.

    The first call of a session of the server loads TensorFlow and the encoder.

    Args:
        embedding: Whose encoder.
        images: Each (height, width, channels) with the channels and the dtype of the dataset.

    Returns:
        float32 (images, dim).

    Raises:
        MissingArtefactError: The embedding has not been computed yet.
    """
    artefact = embedding_data.checked(embedding, "vectors")
    # One at a time: uploads are few, and models are not made for several threads.
    with _calling:
        encoder = _encoder(str(artefact.folder), artefact.manifest.fingerprint, embedding)
        prepared = np.stack([encoder.prepare(image) for image in images])
        return np.asarray(encoder(prepared), np.float32)


@st.cache_resource(max_entries=4, show_spinner="Loading the encoder …")
def _encoder(folder: str, fingerprint: str, _embedding: Embedding) -> Any:
    from pipelines.methods.encoders import open_encoder

    return open_encoder(_embedding.run, _embedding.name)


def to_input(run: Run, image: np.ndarray) -> np.ndarray:
    """An image as the run's model reads it, by the path that its samples took.

    Args:
        run: Whose model.
        image: (height, width, channels) with the channels and the dtype of the dataset.

    Returns:
        float32 (height, width, channels) in [0, 1].
    """
    from pipelines.methods.encoders import input_path

    _, prepare = input_path(run)
    return prepare(image)


def probabilities(run: Run, images: np.ndarray) -> np.ndarray:
    """Probabilities of every class.

    Args:
        run: Whose model.
        images: float32 (b, height, width, channels), see :func:`to_input`.

    Returns:
        float32 (b, classes).
    """
    from pipelines.methods.feeding import to_probabilities

    with _calling:
        return to_probabilities(_model(*_of(run), run)(images, training=False).numpy())


def engine(run: Run, patch: int, stride: int) -> Engine:
    """The engine that makes occlusion maps of a run's model.

    Args:
        run: Whose model.
        patch: Side of the patch in pixels.
        stride: Pixels from one position to the next.

    Raises:
        MissingArtefactError: The run has not been trained yet.
        ValueError: The model cannot be explained by occlusion.
    """
    with _calling:
        return _engine(*_of(run), patch, stride, run)


def occlude(
    engine: Engine, images: np.ndarray, hidden: np.ndarray, coarsest: int
) -> Iterator[Grid]:
    """Exact occlusion maps, coarse first; see :func:`pipelines.methods.occlusion.refine.refine`.

    Between two parts others may ask the models.

    Args:
        engine: See :func:`engine`.
        images: float32 (b, height, width, channels), see :func:`to_input`.
        hidden: What hidden pixels show, of that shape.
        coarsest: Positions of the first grid, at most.
    """
    from pipelines.methods.occlusion.refine import refine

    grids = refine(engine, images, hidden, coarsest=coarsest)
    while True:
        with _calling:
            grid = next(grids, None)
        if grid is None:
            return
        yield grid


def draw(
    occlusion: Occlusion, estimator: str, image: np.ndarray, asked: int, *, second: bool = False
) -> np.ndarray:
    """The map that an estimator draws, float32 (rows, columns).

    Args:
        occlusion: The maps that it learnt from.
        estimator: Its name.
        image: float32 (height, width, channels), see :func:`to_input`.
        asked: The class asked for.
        second: Whether its second training draws, which is there where it was trained twice.

    Raises:
        MissingArtefactError: It has not been trained yet.
    """
    artefact = occlusion.artefact("estimators")
    with _calling:
        name = f"second/{estimator}" if second else estimator
        drawer = _drawer(str(artefact.folder), artefact.manifest.fingerprint, name, occlusion)
        drawn: np.ndarray = drawer(image[None], np.array([asked], np.int32))[0]
    return drawn


def followed(
    run: Run, image: np.ndarray, hidden: np.ndarray, maps: np.ndarray, asked: int, stride: int
) -> Curves:
    """Deletion and insertion curves of some maps of one image.

    Args:
        run: Whose model.
        image: float32 (height, width, channels), see :func:`to_input`.
        hidden: What hidden pixels show, of that shape.
        maps: float32 (n, rows, columns) of one class.
        asked: That class.
        stride: Pixels from one position to the next.
    """
    return _followed(*_of(run), image, hidden, maps, asked, stride, run)


def padded_scores(
    run: Run, image: np.ndarray, hidden: np.ndarray, of: int, patch: int
) -> np.ndarray:
    """See :func:`pipelines.methods.occlusion.study.padded_scores`, float32 (1, rows, columns)."""
    return _padded_scores(*_of(run), image, hidden, of, patch, run)


def cam_layers(run: Run) -> tuple[list[str], str | None]:
    """The layers that Grad-CAM can be applied to, and where it usually is; may be none.

    See :func:`pipelines.methods.grad_cam.layers` and
    :func:`pipelines.methods.grad_cam.last_convolution`.
    """
    with _calling:
        return _cam_layers(*_of(run), run)


def cams(run: Run, layer: str, image: np.ndarray) -> Cams:
    """Grad-CAM of one image for its most probable classes.

    Args:
        run: Whose model.
        layer: One of :func:`cam_layers`.
        image: float32 (height, width, channels), see :func:`to_input`.
    """
    return _cams(*_of(run), layer, image, run)


def mean(run: Run) -> list[float]:
    """Mean of the images of train as a run's model reads them, one number a channel, in [0, 1]."""
    artefact = run.artefact("inputs")
    return _mean(str(artefact.folder), artefact.manifest.fingerprint, run)


@st.cache_data(max_entries=32, show_spinner="Averaging the images of train …")
def _mean(folder: str, fingerprint: str, _run: Run) -> list[float]:
    from pipelines.methods.feeding import open_inputs
    from pipelines.methods.occlusion.mapping import fill_of

    split = data.samples(_run.workspace)["split"].to_numpy(dtype=object)
    train = np.flatnonzero(split == "train")
    rows = train if len(train) else np.arange(len(split))
    found = fill_of("mean", open_inputs(_run.workspace, _run.name), rows)
    assert isinstance(found, list), "one number a channel"
    return found


def _of(run: Run) -> tuple[str, str]:
    artefact = run.artefact("train")
    return str(artefact.folder), artefact.manifest.fingerprint


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _model(folder: str, fingerprint: str, _run: Run) -> Any:
    from pipelines.methods.feeding import open_model

    return open_model(_run)


@st.cache_resource(max_entries=16, show_spinner="Preparing the model for patches …")
def _engine(folder: str, fingerprint: str, patch: int, stride: int, _run: Run) -> Engine:
    from pipelines.methods.occlusion.engine import open_engine

    engine = open_engine(_model(folder, fingerprint, _run), size=patch, stride=stride)
    patches = engine.patches
    blank = np.zeros((1, patches.height, patches.width, engine.channels), np.float32)
    engine.at(blank, blank, patches.rows[:1], patches.columns[:1])
    return engine


@st.cache_resource(max_entries=8, show_spinner="Loading the estimator …")
def _drawer(folder: str, fingerprint: str, estimator: str, _occlusion: Occlusion) -> Any:
    import keras

    from pipelines.methods.estimating import drawer

    path = _occlusion.artefact("estimators").path(f"{estimator}.keras")
    network = keras.models.load_model(path, compile=False, safe_mode=True)
    draw = drawer(network)
    # What a first call takes would otherwise be told as what a map takes.
    draw(np.zeros((1, *network.inputs[0].shape[1:]), np.float32), np.zeros(1, np.int32))
    return draw


@st.cache_data(max_entries=200, show_spinner="Hiding pixels in the order of the maps …")
def _followed(
    folder: str,
    fingerprint: str,
    image: np.ndarray,
    hidden: np.ndarray,
    maps: np.ndarray,
    asked: int,
    stride: int,
    _run: Run,
) -> Curves:
    from pipelines.methods.occlusion.curves import curves

    def repeated(one: np.ndarray) -> np.ndarray:
        return np.broadcast_to(one, (len(maps), *one.shape))

    return curves(
        lambda images: probabilities(_run, images),
        repeated(image),
        repeated(hidden),
        maps,
        np.full(len(maps), asked),
        stride=stride,
    )


@st.cache_data(max_entries=100, show_spinner="Moving the patch over the padded image …")
def _padded_scores(
    folder: str,
    fingerprint: str,
    image: np.ndarray,
    hidden: np.ndarray,
    of: int,
    patch: int,
    _run: Run,
) -> np.ndarray:
    from pipelines.methods.occlusion.study import padded_scores

    return padded_scores(lambda images: probabilities(_run, images), image, hidden, of, patch)


@st.cache_data(max_entries=50, show_spinner="Loading the model …")
def _cam_layers(folder: str, fingerprint: str, _run: Run) -> tuple[list[str], str | None]:
    from pipelines.methods.grad_cam import last_convolution, layers

    model = _model(folder, fingerprint, _run)
    return layers(model), last_convolution(model)


@st.cache_data(max_entries=100, show_spinner="Following the gradients to the layer …")
def _cams(folder: str, fingerprint: str, layer: str, image: np.ndarray, _run: Run) -> Cams:
    with _calling:
        return _cam(folder, fingerprint, layer, _run)(image[None])


@st.cache_resource(max_entries=8, show_spinner=False)
def _cam(folder: str, fingerprint: str, layer: str, _run: Run) -> GradCam:
    from pipelines.methods.grad_cam import open_cam

    return open_cam(_model(folder, fingerprint, _run), layer)
