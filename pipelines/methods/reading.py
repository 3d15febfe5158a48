"""Pixels of the samples of a workspace, from its memory map or from their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cache import Workspace
from cache.errors import CacheError
from pipelines.methods import pixels


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
    root, count, dtype = Path(dataset.root), len(dataset.channels), np.dtype(dataset.dtype)
    paths = workspace.samples()["path"].tolist()

    def read(index: int) -> np.ndarray:
        try:
            image = pixels.decode(root / paths[index])
        except pixels.UnreadableImageError as error:
            raise CacheError(
                f"The image {root / paths[index]} could be read when the samples were made and "
                f"cannot be now: {error.reason}. Put it back, or run: {workspace.command}"
            ) from error
        channels = pixels.to_channels(image, "grey" if count == 1 else "rgb")
        return pixels.to_dtype(channels, dtype)

    return read


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
