"""Pixels of the samples of a workspace, from its memory map or from their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cache import Dataset, Workspace
from cache.errors import CacheError
from pipelines.methods import pixels

_RGB = ("red", "green", "blue")


def read_file(path: Path) -> np.ndarray:
    """Pixels of an image file; colour files that hold only grey come back with one channel.

    Args:
        path: An image file, as :func:`pipelines.methods.pixels.decode` takes it.

    Returns:
        Array (height, width, 1) or (height, width, 3).

    Raises:
        UnreadableImageError: It cannot be decoded.
    """
    image = pixels.decode(path)
    if image.shape[2] == 3 and (image == image[..., :1]).all():
        return image[..., :1]
    return image


def pixel_reader(workspace: Workspace) -> Callable[[int], np.ndarray]:
    """Make a function from a sample's position in ``samples.parquet`` to its pixels.

    The images that come back all have the channels and the dtype of the dataset; where they are
    read from files, each has its own height and width.

    Raises:
        MissingArtefactError: The samples have not been read yet.
        CacheError: (by the function) The file of a sample was removed or changed.
    """
    images = workspace.images()
    if images is not None:
        return lambda index: np.asarray(images[index])
    dataset = workspace.dataset
    assert dataset.root is not None, "samples of mixed shape come from files"
    root = Path(dataset.root)
    samples = workspace.samples()
    paths, hashes = samples["path"].tolist(), samples["content_hash"].tolist()

    def read(index: int) -> np.ndarray:
        path = root / paths[index]
        try:
            image = read_file(path)
        except pixels.UnreadableImageError as error:
            raise CacheError(
                f"The image {path} could be read when the samples were made and cannot be now: "
                f"{error.reason}. Put it back, or run: {workspace.command}"
            ) from error
        if pixels.content_hash(image) != hashes[index]:
            raise CacheError(
                f"The image {path} was changed after the samples were made. "
                f"Put the old one back, or run: {workspace.command}"
            )
        return as_sample(image, dataset)

    return read


def as_sample(image: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Bring a picture to the channels and the dtype of a dataset, as its own samples were.

    Args:
        image: As :func:`read_file` gives it.
        dataset: What its samples are.

    Returns:
        Image (height, width, channels) of the dataset's channels and dtype.

    Raises:
        ValueError: The dataset's samples are no pictures, or narrower than this one.
    """
    count, dtype = len(dataset.channels), np.dtype(dataset.dtype)
    if count not in (1, 3):
        raise ValueError(
            f"A picture cannot become a sample of this dataset, whose images have {count} "
            f"channels: {', '.join(dataset.channels)}. Give an image that has all of them."
        )
    if image.dtype.itemsize > dtype.itemsize:
        raise ValueError(
            f"The samples of this dataset are {dtype.name}. Received: {image.dtype.name} pixels. "
            f"Save the image with {8 * dtype.itemsize} bits a channel."
        )
    return pixels.to_dtype(pixels.to_channels(image, "grey" if count == 1 else "rgb"), dtype)


def channel_positions(
    dataset_channels: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[int, ...]:
    """Positions of named channels on the channel axis.

    Raises:
        ValueError: A name is not among the dataset's channels.
    """
    strange = [name for name in wanted if name not in dataset_channels]
    if strange:
        raise ValueError(
            f"The dataset has no channels {strange}. It has: {list(dataset_channels)}. "
            "Correct image.channels of the run."
        )
    return tuple(dataset_channels.index(name) for name in wanted)


def taken_channels(dataset: Dataset, names: tuple[str, ...]) -> pixels.Channels:
    """What :func:`pipelines.methods.pixels.to_channels` takes of an image to give named channels.

    Args:
        dataset: What the images are.
        names: Channels that a model reads, as in ``inputs.json``.

    Raises:
        ValueError: A name is not among the dataset's channels.
    """
    if dataset.views == ("image",) and names == ("grey",):
        return "grey"
    if dataset.views == ("image",) and names == _RGB:
        return "rgb"
    return channel_positions(dataset.channels, names)
