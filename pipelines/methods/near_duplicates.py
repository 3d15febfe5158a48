"""Near-duplicates: pairs of images whose pixels are all but the same.

A search that finds the same picture again says nothing about the embedding, so such pairs are
counted and figures are given without them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 32
"""Pixels a side that images are reduced to before they are compared."""

CANDIDATES = 10
"""Neighbours of each image that are worth a look."""

_IMAGES = 256
_CHUNK = 4096

_SLACK = 1e-5
"""float32 falls short of 1 for equal images by some roundings."""


def pairs(
    images: Callable[[np.ndarray], np.ndarray],
    candidates: np.ndarray,
    hashes: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Pairs of samples that are the same picture, or nearly.

    Only what an embedding puts close together is compared: a near-duplicate that is no neighbour
    cannot flatter a search. Files of equal content are pairs in any case.

    Args:
        images: Gives the float32 pixels (b, h, w, c) in [0, 1] of positions (b,).
        candidates: int32 (n, k), neighbours of each sample; -1 for none.
        hashes: Content hashes (n,).
        threshold: Least Pearson correlation of the pixels, in (0, 1].

    Returns:
        int32 (m, 2), positions with the smaller first, in order, each pair once.
    """
    n, k = candidates.shape
    first = np.repeat(np.arange(n, dtype=np.int32), k)
    second = candidates.astype(np.int32).ravel()
    known = second >= 0
    proposed = _unique(first[known], second[known])
    signatures = np.empty((n, 0), np.float32)
    for start in range(0, n, _IMAGES):
        rows = np.arange(start, min(start + _IMAGES, n))
        part = _signatures(images(rows))
        if not signatures.shape[1]:
            signatures = np.empty((n, part.shape[1]), np.float32)
        signatures[rows] = part
    same = np.zeros(len(proposed), bool)
    for start in range(0, len(proposed), _CHUNK):
        one, other = proposed[start : start + _CHUNK].T
        correlation = np.einsum("ij,ij->i", signatures[one], signatures[other])
        same[start : start + _CHUNK] = correlation >= threshold - _SLACK
    equal = _equal(hashes)
    return _unique(*np.concatenate([proposed[same], equal]).T)


def alike(image: np.ndarray, images: np.ndarray, threshold: float) -> np.ndarray:
    """Which images are the same picture as another one, or nearly: bool (b,).

    Args:
        image: float32 (h, w, c) in [0, 1].
        images: float32 (b, h, w, c) in [0, 1].
        threshold: As for :func:`pairs`.
    """
    found: np.ndarray = _signatures(images) @ _signatures(image[None])[0] >= threshold - _SLACK
    return found


def chains(pairs: np.ndarray, count: int) -> np.ndarray:
    """Which samples are the same picture through any number of others.

    Args:
        pairs: int (m, 2), what :func:`pairs` gives.
        count: How many samples there are.

    Returns:
        int (count,), equal within a chain, and -1 for samples that are in no pair.
    """
    if not len(pairs):
        return np.full(count, -1)
    ends = (np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1]))
    joined = connected_components(coo_array(ends, shape=(count, count)), directed=False)[1]
    return np.where(np.bincount(joined)[joined] > 1, joined, -1)


def _signatures(images: np.ndarray) -> np.ndarray:
    """Reduced pixels with mean 0 and length 1, (b, values); zeros for constant images."""
    reduced = _reduced(_reduced(images, 1), 2)
    flat = reduced.reshape(len(images), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    signatures: np.ndarray = np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6)
    return signatures


def _reduced(images: np.ndarray, axis: int) -> np.ndarray:
    """Means of neighbouring rows or columns, so that at most :data:`SIDE` are left."""
    size = images.shape[axis]
    starts = np.arange(min(SIDE, size)) * size // min(SIDE, size)
    counts = np.diff(starts, append=size).astype(np.float32)
    shape = [1] * images.ndim
    shape[axis] = -1
    means: np.ndarray = np.add.reduceat(images, starts, axis=axis) / counts.reshape(shape)
    return means


def _equal(hashes: np.ndarray) -> np.ndarray:
    """Pairs (m, 2) of equal hashes: each with the next one of its kind."""
    _, codes = np.unique(hashes, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    same = codes[order[:-1]] == codes[order[1:]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1).astype(np.int32)


def _unique(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    ordered = np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)
    return np.unique(ordered.astype(np.int32), axis=0)
