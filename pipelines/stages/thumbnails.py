"""Stage ``thumbnails``: small pictures for the galleries, packed into one file.

``thumbnails.bin`` holds encoded images back to back; picture ``row * views + view`` lies between
``offsets[i]`` and ``offsets[i + 1]``. Small images keep every pixel (PNG), larger ones are shrunk
(WebP). Where all are small and of one shape there are none, and ``thumbnails.json`` says so: the
dashboard encodes such an image as quickly as it would read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cache.artefact import write_json
from pipelines.methods import pixels
from pipelines.methods.parallel import in_order
from pipelines.methods.reading import pixel_reader
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

SMALL = 64
"""Longest side, in pixels, up to which an image is kept as it is."""

LONGEST = 192
"""Longest side of the thumbnail of a larger image: sharp on a tile of 96 CSS pixels at 2x."""


def settings(recipe: Recipe) -> Any:
    """Nothing of the recipe: thumbnails depend on the samples alone."""
    return {}


def work(job: Job) -> Outcome:
    """Encode one picture a view of every sample."""
    dataset = job.workspace.dataset
    views, total = dataset.views, len(job.workspace.samples())
    kept = dataset.shape is None or max(dataset.shape[:2]) > SMALL
    write_json(job.out / "thumbnails.json", {"kept": kept})
    if not kept:
        return Outcome(rows=total)
    offsets = np.zeros(total * len(views) + 1, np.int64)
    place = 1
    with (job.out / "thumbnails.bin").open("wb") as stream:
        for done, pictures in enumerate(_pictures(job, total), start=1):
            for picture in pictures:
                stream.write(picture)
                offsets[place] = offsets[place - 1] + len(picture)
                place += 1
            job.progress(done, total)
    np.save(job.out / "offsets.npy", offsets)
    return Outcome(rows=total)


def _pictures(job: Job, total: int) -> Iterator[list[bytes]]:
    read = pixel_reader(job.workspace)
    views = len(job.workspace.dataset.views)

    def encode(index: int) -> list[bytes]:
        image = read(index)
        small = max(image.shape[:2]) <= SMALL
        shown = [image] if views == 1 else [image[..., i : i + 1] for i in range(views)]
        return [
            pixels.encode(pixels.to_display(view), None if small else LONGEST, lossless=small)
            for view in shown
        ]

    yield from in_order(encode, total, threads=True)


STAGE = Stage(
    name="thumbnails",
    version=2,
    scope="workspace",
    reads=("samples",),
    unit="images",
    settings=settings,
    work=work,
)
