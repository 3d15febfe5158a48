"""The approximate index (Annoy): built, mapped into memory, and asked.

One file is mapped into memory by all sessions. Its default ``search_k`` is trees times k, which
makes its recall depend on how many neighbours are asked for: here it is always given. How good an
index is, :mod:`pipelines.methods.index_measuring` tells.

Source: E. Bernhardsson, Annoy (2013), github.com/spotify/annoy: a forest of random projection trees
searched with one priority queue.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from annoy import AnnoyIndex

from pipelines.methods.neighbours import Metric, Nearest

_KIND: dict[Metric, Literal["euclidean", "angular"]] = {
    "euclidean": "euclidean",
    "cosine": "angular",
}


def build(
    vectors: np.ndarray,
    path: Path,
    trees: int,
    metric: Metric = "euclidean",
    seed: int = 0,
) -> None:
    """Write the index of all vectors; item numbers are their positions.

    Args:
        vectors: float32 (n, d), at least one.
        path: The file.
        trees: At least 1.
        metric: ``euclidean`` or ``cosine``.
        seed: Same seed, same file.
    """
    index = AnnoyIndex(vectors.shape[1], _KIND[metric])
    index.set_seed(seed)
    for position, vector in enumerate(vectors):
        index.add_item(position, vector)
    # One thread: with more, which tree comes first is left to chance.
    index.build(trees, 1)
    index.save(str(path))


def load(path: Path, dim: int, metric: Metric = "euclidean") -> AnnoyIndex:
    """Map an index into memory.

    Args:
        path: The file that :func:`build` wrote.
        dim: Length of its vectors.
        metric: That it was built with.

    Raises:
        ValueError: There is no such index.
    """
    index = AnnoyIndex(dim, _KIND[metric])
    try:
        index.load(str(path))
    except OSError as error:
        raise ValueError(
            f"The index {path} cannot be opened as one of vectors of length {dim}. "
            f"Received: {error}. Run the pipeline's index stage again."
        ) from error
    return index


def by_vector(
    index: AnnoyIndex,
    vector: np.ndarray,
    k: int,
    search_k: int,
    metric: Metric = "euclidean",
    exclude: int = -1,
) -> Nearest:
    """The approximate neighbours of one vector.

    Args:
        index: See :func:`load`.
        vector: float32 (d,).
        k: How many are wanted.
        search_k: Nodes to look at: more find more.
        metric: That of the index.
        exclude: A member that is not to be found; -1 for none.

    Returns:
        Arrays of shape (k,), or shorter where fewer were found.
    """
    found, distances = index.get_nns_by_vector(vector, k + (exclude >= 0), search_k, True)
    positions = np.asarray(found, np.int32)
    measured: np.ndarray = np.asarray(distances, np.float32)
    if metric == "cosine":
        # Annoy's angular distance is the euclidean one of vectors of length 1.
        measured = np.square(measured) / np.float32(2)
    others = positions != exclude
    return Nearest(positions[others][:k], measured[others][:k])


def answers(
    index: AnnoyIndex,
    vectors: np.ndarray,
    k: int,
    search_k: int,
    allowed: np.ndarray,
    exclude: np.ndarray,
) -> np.ndarray:
    """The approximate neighbours of many vectors among some of the members.

    An index cannot be asked for a part of its members: it is asked for more of them, with a
    ``search_k`` larger in proportion, until enough are allowed.

    Args:
        index: See :func:`load`.
        vectors: float32 (q, d).
        k: How many neighbours are wanted.
        search_k: For as many as k.
        allowed: bool (n,), which members may be found.
        exclude: int (q,), a member that a query never gets (itself); -1 for none.

    Returns:
        int32 (q, k), padded with -1.
    """
    members = len(allowed)
    share = max(float(allowed.mean()), 1 / members)

    def answer(row: int) -> np.ndarray:
        own = int(exclude[row])
        there = int(allowed.sum()) - (own >= 0 and bool(allowed[own]))
        factor = 1 / share
        while True:
            wanted = min(math.ceil((k + 1) * factor), members)
            nodes = math.ceil(search_k * factor)
            found = index.get_nns_by_vector(vectors[row], wanted, nodes)
            near = np.asarray(found, np.int32)
            near = np.compress(allowed[near] & (near != own), near)[:k]
            # With so many nodes all members have been looked at, and given.
            everything = wanted == members and nodes > members * index.get_n_trees()
            if len(near) >= min(k, there) or everything:
                return near
            factor *= 2

    found = np.full((len(vectors), k), -1, np.int32)
    # Annoy lets go of Python's lock while it searches.
    with ThreadPoolExecutor() as pool:
        for row, near in enumerate(pool.map(answer, range(len(vectors)), chunksize=64)):
            found[row, : len(near)] = near
    return found
