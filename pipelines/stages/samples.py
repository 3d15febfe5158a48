"""Stage ``samples``: reads the source, checks every image, makes the missing splits.

Writes ``samples.parquet`` (one row a sample; the truth in ``true_label`` where labels are flipped
on purpose), ``rejected.parquet`` (what could not be used, with the reason), ``dataset.json``,
``histograms.npy`` and, where all images share one shape, ``images.npy``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cache import Dataset
from cache.artefact import write_json
from cache.fingerprint import fingerprint
from cache.tables import write_table
from pipelines.errors import RecipeError, SourceError
from pipelines.methods import label_noise, pixels
from pipelines.methods.parallel import in_order
from pipelines.methods.reading import read_file
from pipelines.methods.splits import leaked, make_splits
from pipelines.recipe import DatasetBase, Recipe
from pipelines.sources import source_of
from pipelines.sources.base import Loaded, Rejected
from pipelines.stages.base import Job, Outcome, Stage, grouping

_TOGETHER = 2**20
"""Bytes of images that are measured at a time."""

_NAMES = {1: ("grey",), 3: ("red", "green", "blue")}


@dataclass(frozen=True)
class _Measured:
    """What is kept of an image once its pixels are let go."""

    shape: tuple[int, int, int]
    dtype: np.dtype
    content_hash: str
    statistics: np.ndarray
    histogram: np.ndarray


def settings(recipe: Recipe) -> Any:
    """The dataset's part of the recipe and the present content of its input, tables included."""
    dataset = recipe.dataset
    return {
        "dataset": dataset.model_dump(mode="json", exclude={"labels", "table"}),
        "input": source_of(dataset).signature(dataset),
    }


def work(job: Job) -> Outcome:
    """Read, check, measure, split, write.

    Raises:
        SourceError: Nothing usable, a single class, or too few samples for the splits.
        RecipeError: The recipe names a class that the data does not have.
    """
    options = job.recipe.dataset
    loaded = source_of(options).load(options, lambda done, total: None)
    rejected = list(loaded.rejected)
    left_out = _keep_classes(loaded, options)
    measured = _measure(loaded, rejected, job)
    kept = [index for index, item in enumerate(measured) if item is not None]
    items = [item for item in measured if item is not None]
    records = loaded.records.iloc[kept].reset_index(drop=True)
    classes = _classes(loaded, records, options, rejected)
    hashes = np.array([item.content_hash for item in items])
    groups = records["group"].to_numpy(dtype=object)
    split, made = make_splits(
        records["label"].to_numpy(dtype=object),
        records["split"].to_numpy(dtype=object),
        groups,
        hashes,
        {"val": options.splits.val, "test": options.splits.test},
        options.seed,
    )
    channels = loaded.channels or _NAMES[max(item.shape[2] for item in items)]
    shape = _common_shape(items, len(channels))
    dtype = np.result_type(*{item.dtype for item in items})
    if shape is not None:
        _write_images(job.out / "images.npy", loaded, kept, (len(kept), *shape), dtype)
    frame = _frame(records, items, loaded.root is not None, shape is not None, len(channels))
    frame["split"], frame["split_made"] = split, made
    frame["leaked"] = leaked(split, groups, hashes)
    noise = _flip_labels(frame, classes, options)
    write_table(frame, job.out / "samples.parquet", "samples", classes)
    refused = pd.DataFrame(
        [dataclasses.astuple(item) for item in rejected],
        columns=["path", "label", "split", "reason"],
    )
    write_table(refused, job.out / "rejected.parquet", "rejected")
    histograms = np.stack([_spread(item.histogram, len(channels)) for item in items])
    np.save(job.out / "histograms.npy", histograms.astype(np.float16))
    dataset = Dataset(
        title=options.title or loaded.title,
        source=options.source,
        description=loaded.description,
        simulated=loaded.simulated,
        root=None if loaded.root is None else str(loaded.root.resolve()),
        classes=classes,
        channels=channels,
        dtype=str(dtype),
        shape=shape,
        positive=options.positive,
        human_error=options.human_error,
        views=("image",) if channels in _NAMES.values() else channels,
        left_out=left_out,
        label_noise=noise,
    )
    write_json(job.out / "dataset.json", dataclasses.asdict(dataset))
    told = [
        frame[name].tolist()
        for name in ("sample_id", "label", "split", "leaked", "true_label")
        if name in frame
    ]
    if not grouping(job.recipe) and frame["group"].notna().any():
        # What a table or an archive says of groups may change while all else stays; an expression
        # stands among the settings of the stages that ask for groups.
        told.append(frame["group"].tolist())
    digest = fingerprint([*told, classes, channels])
    return Outcome(rows=len(frame), digest=digest)


STAGE = Stage(
    name="samples",
    version=1,
    scope="workspace",
    reads=(),
    unit="images",
    settings=settings,
    work=work,
)


def _keep_classes(loaded: Loaded, options: DatasetBase) -> dict[str, int]:
    """Drop the samples of classes that the recipe does not keep; count them by class."""
    if options.classes is None:
        return {}
    there = set(loaded.records["label"])
    absent = [name for name in options.classes if name not in there]
    if absent:
        raise RecipeError(
            f"The recipe keeps classes that the data does not have: {absent}. "
            f"The data has: {sorted(there)[:30]}. Correct dataset.classes."
        )
    keep = loaded.records["label"].isin(options.classes).to_numpy()
    left_out = Counter(loaded.records["label"][~keep])
    loaded.records = loaded.records[keep].reset_index(drop=True)
    loaded.images = None if loaded.images is None else loaded.images[keep]
    return {str(name): count for name, count in sorted(left_out.items())}


def _read(loaded: Loaded, index: int) -> np.ndarray:
    """Pixels of one record."""
    if loaded.images is not None:
        image: np.ndarray = loaded.images[index]
        return image
    assert loaded.root is not None, "a source gives either pixels or a root"
    return read_file(loaded.root / str(loaded.records["place"].iat[index]))


def _measured(images: np.ndarray) -> list[_Measured]:
    """Measure images of one shape (n, height, width, channels)."""
    _, height, width, channels = images.shape
    each = zip(images, pixels.statistics(images), pixels.histogram(images), strict=True)
    return [
        _Measured((height, width, channels), image.dtype, pixels.content_hash(image), figures, bins)
        for image, figures, bins in each
    ]


def _measure(loaded: Loaded, rejected: list[Rejected], job: Job) -> list[_Measured | None]:
    """Decode and measure every record; None, and a reason in ``rejected``, where it fails."""
    total = len(loaded.records)
    measured: list[_Measured | None] = []
    if loaded.images is not None:
        # Small images cost less together than one by one.
        several = max(1, _TOGETHER // loaded.images[:1].nbytes)
        for start in range(0, total, several):
            measured += _measured(loaded.images[start : start + several])
            job.progress(len(measured), total)
        return measured

    def one(index: int) -> _Measured | pixels.UnreadableImageError:
        try:
            image = _read(loaded, index)
        except pixels.UnreadableImageError as error:
            return error
        return _measured(image[None])[0]

    for index, item in enumerate(in_order(one, total, threads=True)):
        job.progress(index + 1, total)
        if isinstance(item, _Measured):
            measured.append(item)
            continue
        record = loaded.records.iloc[index]
        measured.append(None)
        rejected.append(Rejected(record["place"], record["label"], record["split"], item.reason))
    return measured


def _classes(
    loaded: Loaded, records: pd.DataFrame, options: DatasetBase, rejected: list[Rejected]
) -> tuple[str, ...]:
    there = sorted(set(records["label"]))
    if not there:
        reasons = "; ".join(f"{item.path}: {item.reason}" for item in rejected[:3])
        raise SourceError(
            f"The dataset '{loaded.title}' has no image that can be used. "
            f"Rejected: {len(rejected)}. First reasons: {reasons or 'none'}. "
            "Check the place that the recipe names."
        )
    classes = options.classes or tuple(
        name for name in loaded.classes or tuple(there) if name in set(there)
    )
    if len(there) < 2:
        raise SourceError(
            f"The dataset '{loaded.title}' has a single class, '{there[0]}', with {len(records)} "
            f"images; {len(rejected)} were rejected. A classifier needs at least two. "
            "Check the folder or the labels that the recipe names."
        )
    emptied = [name for name in classes if name not in set(there)]
    if emptied:
        reason = next((item.reason for item in rejected if item.label in emptied), "none given")
        raise SourceError(
            f"No image of the classes {emptied} of the dataset '{loaded.title}' can be used; "
            f"{len(rejected)} were rejected. First reason: {reason}. "
            "Mend the files, or leave the classes out of dataset.classes."
        )
    if options.positive is not None and options.positive not in classes:
        raise RecipeError(
            f"The positive class must be one of the classes {list(classes)}. "
            f"Received: positive={options.positive!r}. Correct dataset.positive."
        )
    return classes


def _flip_labels(frame: pd.DataFrame, classes: tuple[str, ...], options: DatasetBase) -> str | None:
    """Flip labels of train where the recipe asks for it, and keep the truth; what to say of it."""
    if not options.label_noise:
        return None
    truth = pd.Categorical(frame["label"], classes).codes
    train = np.flatnonzero(frame["split"] == "train")
    labels = label_noise.flip(truth, train, options.label_noise, len(classes), options.seed)
    frame["true_label"] = frame["label"]
    frame["label"] = np.array(classes, dtype=object)[labels]
    return (
        f"{100 * options.label_noise:g} % of the labels of train ({(labels != truth).sum():,} of "
        f"{len(train):,}) were flipped on purpose, each to another class drawn by chance; those "
        "of val and test are as they came."
    )


def _common_shape(items: list[_Measured], channels: int) -> tuple[int, int, int] | None:
    sizes = {item.shape[:2] for item in items}
    if len(sizes) > 1:
        return None
    height, width = next(iter(sizes))
    return height, width, channels


def _write_images(
    path: Path, loaded: Loaded, kept: list[int], shape: tuple[int, ...], dtype: np.dtype
) -> None:
    images = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)

    def one(row: int) -> None:
        image = _read(loaded, kept[row])
        wide = np.broadcast_to(image, shape[1:]) if image.shape[2] == 1 else image
        images[row] = pixels.to_dtype(wide, dtype)

    for _ in in_order(one, len(kept), threads=loaded.images is None):
        pass
    images.flush()


def _spread(rows: np.ndarray, channels: int) -> np.ndarray:
    """Repeat the one row of a grey image among colour images."""
    return np.broadcast_to(rows, (channels, rows.shape[1])) if len(rows) == 1 else rows


def _frame(
    records: pd.DataFrame, items: list[_Measured], files: bool, mapped: bool, channels: int
) -> pd.DataFrame:
    hashes = [item.content_hash for item in items]
    frame = pd.DataFrame(
        {
            "sample_id": [
                hashlib.blake2b(f"{digest}/{place}".encode(), digest_size=8).hexdigest()
                for digest, place in zip(hashes, records["place"], strict=True)
            ],
            "label": records["label"],
            "group": records["group"],
            "source": records["source"],
            "path": records["place"] if files else None,
            "row": np.arange(len(items)) if mapped else -1,
            "width": [item.shape[1] for item in items],
            "height": [item.shape[0] for item in items],
            "content_hash": hashes,
        }
    )
    measures = np.stack(
        [np.vstack([item.statistics[:1], _spread(item.statistics[1:], channels)]) for item in items]
    )
    for channel in range(channels + 1):
        for column, name in enumerate(pixels.STATISTICS):
            stem = name if channel == 0 else f"{name}_{channel - 1}"
            frame[stem] = measures[:, channel, column]
    for name in records.columns:
        if name.startswith("meta_"):
            frame[name] = records[name]
    return frame
