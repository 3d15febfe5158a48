"""Compiles ahead what numba keeps: ``python -m pipelines.warm``, once after installation.

Without it the first run of a pipeline compiles the same for most of a minute, amid its stages.
"""

from __future__ import annotations

import numpy as np

from pipelines.methods.backend import load_tensorflow


def main() -> None:
    """Call each compiled method once."""
    from pipelines.methods.neighbours import all_nearest
    from pipelines.methods.occlusion.engine import open_engine
    from pipelines.methods.projection import umap_map
    from pipelines.models.hits import hits_cnn

    load_tensorflow()
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 8)).astype(np.float32)
    graph = all_nearest(vectors, 15)
    umap_map(vectors, graph.positions, graph.distances, epochs=2)
    engine = open_engine(hits_cnn((9, 9, 1), 2), way="table")
    for count in (1, 40):
        images = rng.uniform(size=(count, 9, 9, 1)).astype(np.float32)
        engine.maps(images, np.zeros_like(images))


if __name__ == "__main__":
    main()
