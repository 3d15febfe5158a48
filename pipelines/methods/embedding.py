"""The embeddings of a recipe: makes the encoder that it names, then the vector of every sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cache import SPLITS, Run
from cache.store import load_array
from pipelines.errors import RecipeError
from pipelines.methods import autoencoding, backbones, encoders, epochs, pixel_pca, siamese
from pipelines.methods.batching import Read, batch_size_for, embed, reader_of, seconds_noted
from pipelines.methods.decided_labels import in_use
from pipelines.methods.encoders import FILES, Encoder
from pipelines.methods.feeding import open_inputs
from pipelines.methods.fitting import Progress
from pipelines.methods.memory import give_back
from pipelines.methods.parallel import in_order
from pipelines.methods.reading import pixel_reader

if TYPE_CHECKING:
    from pipelines.recipe import (
        AnyEmbedding,
        AutoencoderEmbedding,
        BackboneEmbedding,
        LayerEmbedding,
        PixelsEmbedding,
        SiameseEmbedding,
    )

_VECTORS = "vectors.npy"
_TRAINING_SHARE = 0.8


def compute(
    run: Run,
    name: str,
    settings: AnyEmbedding,
    decisions: pd.DataFrame | None = None,
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
        decisions: What was decided on labels, where a twin network is to learn from that; see
            :func:`pipelines.methods.decided_labels.in_use`.
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
    own = settings.of_the_vectors()
    where = f"runs.{run.name}.embeddings.{name}"
    total = len(run.workspace.samples())
    trained = settings.kind in ("autoencoder", "siamese")
    share = _TRAINING_SHARE if trained else 0.0

    def training(done: float, whole: int) -> None:
        progress(share * total * done / whole, total)

    def embedding(done: float, whole: int) -> None:
        progress(min(share * total + (1 - share) * done, whole), whole)

    labelled = _labelled(run, decisions)
    made = _make(run, settings, labelled, where, work, out, training)
    encoder = encoders.load(run, name, settings.kind, own, out)
    batch_size = (
        settings.batch_size if settings.kind == "backbone" else batch_size_for(encoder.shape)
    )
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
        figures = siamese.report(vectors, labelled, settings, where)
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


def _make(
    run: Run,
    settings: AnyEmbedding,
    labelled: siamese.Labelled,
    where: str,
    work: Path,
    out: Path,
    progress: Progress,
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
            return _make_siamese(run, settings, labelled, where, work, out, progress)


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

    fitted = pixel_pca.fit(reader_of(inputs), inputs.shape, train, settings.dim)
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
    labelled: siamese.Labelled,
    where: str,
    work: Path,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    made = siamese.make(
        open_inputs(run.workspace, run.name),
        labelled,
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


def _labelled(run: Run, decisions: pd.DataFrame | None) -> siamese.Labelled:
    samples = run.workspace.samples()
    used = in_use(samples, decisions)
    return siamese.Labelled(
        used.labels,
        samples["content_hash"].factorize()[0],
        {split: rows[used.keep[rows]] for split, rows in _rows(run).items()},
        run.workspace.dataset.classes,
    )


def _reader(run: Run, encoder: Encoder, kind: str) -> Read:
    """Reads what the encoder embeds, and keeps none of it in memory."""
    if kind != "backbone":
        return reader_of(open_inputs(run.workspace, run.name))
    mapped = run.workspace.images()
    one = pixel_reader(run.workspace) if mapped is None else mapped.__getitem__

    def own(rows: np.ndarray) -> np.ndarray:
        def prepared(index: int) -> np.ndarray:
            return encoder.prepare(one(int(rows[index])))

        images = np.stack(list(in_order(prepared, len(rows), threads=True)))
        if mapped is not None:
            give_back(mapped)
        return images

    return own


def _count_earlier_attempts(work: Path) -> None:
    """Tell the runner how many seconds earlier, interrupted attempts took."""
    seconds = sum(epochs.row_of(folder)["seconds"] for folder in epochs.finished(work))
    seconds += seconds_noted(work)
    if seconds:
        (work / "seconds").write_text(str(seconds), encoding="ascii")
