"""Embedding all samples of a run: makes the encoder of a recipe, then its vectors, in batches.

Vectors are written batch by batch to a file in the work folder, with a note of how far it has
come, so that an embedding that was broken off goes on from its last noted batch and ends with the
same bits: every batch has the same shape, the last one filled up with zeros.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cache import SPLITS, Run
from cache.artefact import read_json, write_json
from cache.errors import CorruptArtefactError
from cache.store import load_array
from pipelines.errors import RecipeError, StageError
from pipelines.methods import autoencoding, backbones, encoders, epochs, pixel_pca, siamese
from pipelines.methods.encoders import FILES, Encoder
from pipelines.methods.feeding import open_inputs
from pipelines.methods.fitting import Progress
from pipelines.methods.memory import give_back
from pipelines.methods.parallel import in_order, one_ahead
from pipelines.methods.reading import pixel_reader
from pipelines.recipe import EmbeddingBase

if TYPE_CHECKING:
    from pipelines.recipe import (
        AnyEmbedding,
        AutoencoderEmbedding,
        BackboneEmbedding,
        LayerEmbedding,
        PixelsEmbedding,
        SiameseEmbedding,
    )

Read = Callable[[int, int], np.ndarray]
"""Images start … stop - 1, float32 (stop - start, height, width, channels)."""

_VALUES = 2_000_000
_MOST_IMAGES = 256
_NOTE = "embedded.json"
_VECTORS = "vectors.npy"
_SECONDS_BETWEEN_NOTES = 5.0
_TRAINING_SHARE = 0.8


def compute(
    run: Run,
    name: str,
    settings: AnyEmbedding,
    *,
    work: Path,
    out: Path,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Make one embedding: train or fit what it needs, then embed every sample.

    Args:
        run: The run; what the embedding reads of it must be there.
        name: Name of the embedding.
        settings: Its recipe.
        work: Folder that outlives a stop. An embedding that was broken off goes on from it and
            ends with the same vectors.
        out: Folder to fill with ``vectors.npy`` (n, dim) float32, the file of
            :data:`pipelines.methods.encoders.FILES` and what a training leaves.
        progress: Called with how many images are done, training included, and how many there are.

    Returns:
        What ``embedding.json`` is to hold.

    Raises:
        RecipeError: The embedding does not fit the data or the model.
        StageError: Weights cannot be had, a training diverged, or vectors are not finite.
        MissingArtefactError: A stage that it reads has not been run.
    """
    work.mkdir(parents=True, exist_ok=True)
    _count_earlier_attempts(work)
    own = settings.model_dump(mode="json", exclude=set(EmbeddingBase.model_fields))
    where = f"runs.{run.name}.embeddings.{name}"
    total = len(run.workspace.samples())
    trained = settings.kind in ("autoencoder", "siamese")
    share = _TRAINING_SHARE if trained else 0.0

    def training(done: float, whole: int) -> None:
        progress(share * total * done / whole, total)

    def embedding(done: float, whole: int) -> None:
        progress(share * total + (1 - share) * done, whole)

    made = _make(run, settings, where, work, out, training)
    encoder = encoders.load(run, name, settings.kind, own, out)
    batch_size = settings.batch_size if settings.kind == "backbone" else _batch_size(encoder)
    milliseconds = embed(
        encoder,
        _reader(run, encoder, settings.kind),
        total,
        out / _VECTORS,
        work=work,
        batch_size=batch_size,
        progress=embedding,
    )
    if settings.kind == "siamese":
        vectors = load_array(out / _VECTORS)
        figures = siamese.report(vectors, _labelled(run), settings, where)
        made["siamese"] = {"model": made.pop("model"), **figures}
    return {
        "name": name,
        "kind": settings.kind,
        "dim": encoder.dim,
        "random": False,
        "weights": None,
        "settings": own,
        "ms_per_image": milliseconds,
        "batch_size": batch_size,
        **made,
    }


def embed(
    encoder: Encoder,
    read: Read,
    total: int,
    path: Path,
    *,
    work: Path,
    batch_size: int,
    progress: Progress = lambda done, total: None,
) -> float:
    """Write the vectors of all images, going on from where the work folder stands.

    Args:
        encoder: Embeds a batch.
        read: Gives the images of a range.
        total: How many images there are, at least one.
        path: Where the vectors go: ``.npy`` (total, dim) float32.
        work: Folder that outlives a stop.
        batch_size: Images a batch; the encoder never gets another number.
        progress: Called with how many are done, and ``total``.

    Returns:
        Milliseconds an image, reading included.

    Raises:
        StageError: A vector is not finite.
    """
    partial_path, note = work / _VECTORS, work / _NOTE
    shape = {"total": total, "dim": encoder.dim, "batch_size": batch_size}
    first, seconds = _noted(note, shape)
    if not first:
        partial_path.unlink(missing_ok=True)
        empty = np.lib.format.open_memmap(
            partial_path, mode="w+", dtype=np.float32, shape=(total, encoder.dim)
        )
        del empty
    offset = partial_path.stat().st_size - total * encoder.dim * 4
    starts = range(first, total, batch_size)

    def batch(index: int) -> np.ndarray:
        start = starts[index]
        images = read(start, min(start + batch_size, total))
        missing = batch_size - len(images)
        return np.concatenate([images, np.zeros((missing, *encoder.shape), np.float32)])

    with partial_path.open("r+b") as file:
        noted = begun = time.perf_counter()
        for start, images in zip(starts, one_ahead(batch, len(starts)), strict=True):
            stop = min(start + batch_size, total)
            vectors = np.ascontiguousarray(encoder(images)[: stop - start], np.float32)
            _refuse_infinite(encoder, vectors)
            file.seek(offset + start * encoder.dim * 4)
            file.write(vectors.tobytes())
            progress(stop, total)
            now = time.perf_counter()
            if now - noted > _SECONDS_BETWEEN_NOTES or stop == total:
                # What is noted as done must be on disk before the note is.
                file.flush()
                os.fsync(file.fileno())
                write_json(note, {**shape, "done": stop, "seconds": seconds + now - begun})
                noted = now
    _put(partial_path, path)
    return 1000 * _noted(note, shape)[1] / total


def _make(
    run: Run, settings: AnyEmbedding, where: str, work: Path, out: Path, progress: Progress
) -> dict[str, Any]:
    """Write the files that the encoder is put together from; what is to be told of them."""
    match settings.kind:
        case "layer":
            return _about_layer(settings)
        case "backbone":
            return _make_backbone(run, settings, where, out)
        case "pixels":
            return _make_pixels(run, settings, out)
        case "autoencoder":
            return _make_autoencoder(run, settings, where, work, out, progress)
        case "siamese":
            return _make_siamese(run, settings, where, work, out, progress)


def _about_layer(settings: LayerEmbedding) -> dict[str, Any]:
    return {
        "about": f"Output of the layer '{settings.layer}' of the run's own model; where it has "
        "positions, their mean."
    }


def _make_backbone(run: Run, settings: BackboneEmbedding, where: str, out: Path) -> dict[str, Any]:
    name, pooling = settings.backbone, settings.pooling
    backbones.channels_for(run.workspace.dataset, settings.channels)
    model = backbones.make(name, pooling, settings.weights, where)
    model.save_weights(out / FILES["backbone"])
    side = backbones.BACKBONES[name].side
    weights = {
        "imagenet": "trained on ImageNet",
        "none": "with RANDOM weights, trained on nothing",
    }.get(str(settings.weights), f"with the weights of {settings.weights}")
    mean = {"avg": "average", "max": "maximum"}[pooling]
    return {
        "about": f"{name} {weights}, {mean} over positions, images of {side}x{side} pixels.",
        "random": settings.weights == "none",
        "weights": None if settings.weights == "none" else str(settings.weights),
    }


def _make_pixels(run: Run, settings: PixelsEmbedding, out: Path) -> dict[str, Any]:
    inputs = open_inputs(run.workspace, run.name)
    train = _rows(run)["train"]
    if len(train) < 2:
        raise RecipeError(
            f"The embedding 'pixels' is fitted on train. Received: {len(train)} images there. "
            "Lower the shares in dataset.splits."
        )

    def read(rows: np.ndarray) -> np.ndarray:
        images = inputs.batch(rows)
        give_back(inputs.array)
        return images

    fitted = pixel_pca.fit(read, inputs.shape, train, settings.dim)
    fitted.save(out / FILES["pixels"])
    return {
        "about": f"Standardised pixels, reduced to {len(fitted.components)} principal components "
        f"that carry {fitted.explained:.0%} of the variance of train. The baseline.",
        "pixels": {"explained": fitted.explained, "fitted_on": fitted.fitted_on},
    }


def _make_autoencoder(
    run: Run,
    settings: AutoencoderEmbedding,
    where: str,
    work: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    ids = run.workspace.samples()["sample_id"].to_numpy(dtype=object)
    made = autoencoding.make(
        open_inputs(run.workspace, run.name),
        _rows(run),
        ids,
        settings,
        where,
        work=work,
        out=out,
        progress=progress,
    )
    about = f"Bottleneck of {settings.dim} numbers of an autoencoder that never saw a label."
    return {"about": about, **made}


def _make_siamese(
    run: Run,
    settings: SiameseEmbedding,
    where: str,
    work: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    made = siamese.make(
        open_inputs(run.workspace, run.name),
        _labelled(run),
        settings,
        where,
        work=work,
        out=out,
        progress=progress,
    )
    drawn = {"contrastive": "pairs", "triplet": "triplets"}[settings.loss]
    unseen = f"; {', '.join(settings.unseen)} kept out of training" if settings.unseen else ""
    about = f"Twin network trained on {drawn} of train with the {settings.loss} loss{unseen}."
    return {"about": about, **made}


def _rows(run: Run) -> dict[str, np.ndarray]:
    """Positions of each split."""
    split = run.workspace.samples()["split"].to_numpy(dtype=object)
    return {name: np.flatnonzero(split == name) for name in SPLITS}


def _labelled(run: Run) -> siamese.Labelled:
    samples = run.workspace.samples()
    return siamese.Labelled(
        samples["label"].cat.codes.to_numpy(dtype=np.int32),
        samples["content_hash"].factorize()[0],
        _rows(run),
        run.workspace.dataset.classes,
    )


def _reader(run: Run, encoder: Encoder, kind: str) -> Read:
    """Reads what the encoder embeds, and keeps none of it in memory."""
    if kind != "backbone":
        inputs = open_inputs(run.workspace, run.name)

        def prepared(start: int, stop: int) -> np.ndarray:
            images = inputs.batch(np.arange(start, stop))
            give_back(inputs.array)
            return images

        return prepared
    mapped = run.workspace.images()
    one = pixel_reader(run.workspace) if mapped is None else mapped.__getitem__

    def own(start: int, stop: int) -> np.ndarray:
        prepare = partial(_prepared, encoder, one, start)
        images = np.stack(list(in_order(prepare, stop - start, threads=True)))
        if mapped is not None:
            give_back(mapped)
        return images

    return own


def _prepared(
    encoder: Encoder, read: Callable[[int], np.ndarray], start: int, index: int
) -> np.ndarray:
    return encoder.prepare(read(start + index))


def _batch_size(encoder: Encoder) -> int:
    """A power of two; fewer the larger the images are."""
    height, width, channels = encoder.shape
    fitting = max(1, _VALUES // (height * width * channels))
    return min(_MOST_IMAGES, max(8, 1 << (fitting.bit_length() - 1)))


def _noted(note: Path, shape: dict[str, int]) -> tuple[int, float]:
    """How many vectors are written for good, and how many seconds they took."""
    if not note.is_file():
        return 0, 0.0
    try:
        document = read_json(note)
    except CorruptArtefactError:
        return 0, 0.0
    if {key: document.get(key) for key in shape} != shape:
        return 0, 0.0
    return int(document["done"]), float(document["seconds"])


def _count_earlier_attempts(work: Path) -> None:
    """Tell the runner how many seconds earlier, interrupted attempts took."""
    seconds = sum(epochs.row_of(folder)["seconds"] for folder in epochs.finished(work))
    if (work / _NOTE).is_file():
        seconds += read_json(work / _NOTE)["seconds"]
    if seconds:
        (work / "seconds").write_text(str(seconds), encoding="ascii")


def _refuse_infinite(encoder: Encoder, vectors: np.ndarray) -> None:
    if not np.isfinite(vectors).all():
        raise StageError(
            f"The embedding '{encoder.name}' gave vectors that are not numbers (NaN or infinite). "
            "The weights of its network are not finite: train it again at a lower learning rate."
        )


def _put(source: Path, target: Path) -> None:
    """Give a file a second name, so that it outlives its artefact; copy it where that cannot be."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
