"""Maps of vectors in two or three dimensions: UMAP from the shared graph of neighbours, and PCA.

UMAP: L. McInnes, J. Healy and J. Melville, "UMAP: uniform manifold approximation and projection",
2018. It is given the neighbours that stand already, and starts from the principal components
instead of its spectral layout, which takes most of the time of a large map and is no more
trustworthy.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

EPOCHS = 200
EPOCHS_OF_MANY = 100
MANY = 10_000
"""Above so many points UMAP gets by with fewer epochs: each moves every point many times."""

_FEWEST = 5


def umap_map(
    vectors: np.ndarray,
    positions: np.ndarray,
    distances: np.ndarray,
    *,
    neighbours: int = 15,
    min_dist: float = 0.1,
    epochs: int | None = None,
    dimensions: int = 2,
    seed: int = 0,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Map vectors with UMAP, from neighbours that are known.

    Args:
        vectors: float32 (n, d).
        positions: int32 (n, k), the neighbours of each, itself left out; k >= neighbours - 1.
        distances: float32 (n, k).
        neighbours: To how many each point is drawn, itself included as UMAP counts.
        min_dist: How close points may lie on the map.
        epochs: How often each point is moved; :func:`default_epochs` if absent.
        dimensions: 2 or 3.
        seed: Same seed, same map.
        start: What :func:`pca_map` gives for as many dimensions, where that is known already.

    Returns:
        float32 (n, dimensions). Fewer than five vectors, or vectors that are all equal, are mapped
        by :func:`pca_map`.

    Raises:
        ValueError: There are fewer neighbours than asked for.
    """
    n = len(vectors)
    wanted = min(neighbours, n)
    if positions.shape[1] < wanted - 1:
        raise ValueError(
            f"UMAP with {neighbours} neighbours needs a graph of at least {wanted - 1}. Received: "
            f"{positions.shape[1]} neighbours. Raise 'neighbours' of the embedding, or lower "
            "projection.neighbours."
        )
    if start is None:
        start, _ = pca_map(vectors, dimensions, seed)
    if n < _FEWEST or not np.ptp(start, axis=0).all():
        return start
    with warnings.catch_warnings():
        # That no further vectors can be mapped this way is known: see the module placing.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        known = (
            np.column_stack([np.arange(n), positions[:, : wanted - 1]]).astype(np.int64),
            np.column_stack([np.zeros(n), distances[:, : wanted - 1]]).astype(np.float32),
        )
        mapped = _umap()(
            n_neighbors=wanted,
            min_dist=min_dist,
            n_components=dimensions,
            n_epochs=epochs or default_epochs(n),
            init=_spread(start, seed),
            precomputed_knn=known,
            random_state=seed,
            n_jobs=1,
        ).fit_transform(vectors)
    return np.asarray(mapped, np.float32)


def default_epochs(n: int) -> int:
    """Epochs that a map of n points takes where nothing else is asked for."""
    return EPOCHS if n <= MANY else EPOCHS_OF_MANY


def pca_map(
    vectors: np.ndarray, dimensions: int = 2, seed: int = 0
) -> tuple[np.ndarray, list[float]]:
    """Map vectors to their first principal components.

    Args:
        vectors: float32 (n, d).
        dimensions: How many components.
        seed: Of the solver, which is randomised where there are many numbers a vector.

    Returns:
        float32 (n, dimensions), padded with zeros where there are fewer components, and the share
        of the variance that each of those there are carries.
    """
    from sklearn.decomposition import PCA

    mapped = np.zeros((len(vectors), dimensions), np.float32)
    count = min(dimensions, *vectors.shape)
    if len(vectors) < 2 or not np.ptp(vectors, axis=0).any():
        return mapped, [0.0] * count
    solver = PCA(n_components=count, svd_solver="auto", random_state=seed)
    mapped[:, :count] = solver.fit_transform(np.asarray(vectors, np.float32))
    return mapped, [float(share) for share in solver.explained_variance_ratio_]


def _umap() -> Any:
    """The class, with what numba compiles for it kept on disk.

    UMAP compiles three functions anew in every process, for nine seconds.
    """
    from umap import UMAP, layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        compiled = getattr(module, name, None)
        if compiled is not None and not compiled.signatures:
            compiled.enable_caching()
    return UMAP


def _spread(start: np.ndarray, seed: int) -> np.ndarray:
    """Components scaled as UMAP scales its own beginnings, with a little noise against ties."""
    scaled = start * (10.0 / np.abs(start).max())
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=start.shape)
    return np.asarray(scaled + noise, np.float32)
