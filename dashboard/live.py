"""The one door to a model: vectors of images that no pipeline has seen, an upload's."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import streamlit as st

from cache.embeddings import Embedding
from dashboard import embedding_data

_calling = Lock()


def embed(embedding: Embedding, images: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors of images, by the path from pixels to vectors that the pipeline took.

    The first call of a session of the server loads TensorFlow and the encoder.

    Args:
        embedding: Whose encoder.
        images: Each (height, width, channels) with the channels and the dtype of the dataset.

    Returns:
        float32 (images, dim).

    Raises:
        MissingArtefactError: The embedding has not been computed yet.
    """
    artefact = embedding_data.checked(embedding, "vectors")
    # One at a time: uploads are few, and models are not made for several threads.
    with _calling:
        encoder = _encoder(str(artefact.folder), artefact.manifest.fingerprint, embedding)
        prepared = np.stack([encoder.prepare(image) for image in images])
        return np.asarray(encoder(prepared), np.float32)


@st.cache_resource(max_entries=4, show_spinner="Loading the encoder …")
def _encoder(folder: str, fingerprint: str, _embedding: Embedding) -> Any:
    from pipelines.methods.encoders import open_encoder

    return open_encoder(_embedding.run, _embedding.name)
