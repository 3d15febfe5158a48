"""Names that people give to clusters.

They stand in ``names.json`` of a workspace, by run, embedding and clustering, each with the
fingerprint of the clusters that it was given for: where clusters were made anew, their numbers
mean other images, and the old names are not shown.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from cache.artefact import read_json, write_json
from cache.embeddings import Embedding
from cache.errors import CacheError

FILE = "names.json"

LONGEST = 60
"""Most characters of a name."""

_writing = threading.Lock()


def cluster_names(embedding: Embedding, clustering: str) -> dict[int, str]:
    """Names of the clusters of an embedding, by their number; only those that have one.

    Args:
        embedding: Whose clusters.
        clustering: ``hdbscan`` or ``kmeans``.

    Raises:
        CorruptArtefactError: The file of the names cannot be read.
    """
    entry = _read(embedding).get(_key(embedding, clustering), {})
    artefact = embedding.artefact("clusters")
    if not artefact.exists or entry.get("fingerprint") != artefact.manifest.fingerprint:
        return {}
    return {int(number): name for number, name in entry["names"].items()}


def name_cluster(embedding: Embedding, clustering: str, cluster: int, name: str) -> None:
    """Give a cluster a name, or take it away with an empty one.

    Args:
        embedding: Whose cluster.
        clustering: ``hdbscan`` or ``kmeans``.
        cluster: Its number.
        name: What to call it; cut after ``LONGEST`` characters.

    Raises:
        MissingArtefactError: There are no clusters.
        CacheError: The workspace cannot be written to.
    """
    fingerprint = embedding.artefact("clusters").manifest.fingerprint
    called = " ".join(name.split())[:LONGEST]
    with _writing:
        names = cluster_names(embedding, clustering)
        names.pop(cluster, None)
        if called:
            names[cluster] = called
        document = _read(embedding)
        document[_key(embedding, clustering)] = {
            "fingerprint": fingerprint,
            "names": {str(number): names[number] for number in sorted(names)},
        }
        _replace(embedding.run.workspace.folder / FILE, document)


def _read(embedding: Embedding) -> dict[str, Any]:
    path = embedding.run.workspace.folder / FILE
    document: dict[str, Any] = read_json(path) if path.is_file() else {}
    return document


def _key(embedding: Embedding, clustering: str) -> str:
    return f"runs/{embedding.run.name}/embeddings/{embedding.name}/{clustering}"


def _replace(path: Path, document: dict[str, Any]) -> None:
    """Write beside and rename, so that a reader finds the old names or the new ones, whole."""
    try:
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        write_json(Path(beside), document)
        Path(beside).replace(path)
    except OSError as error:
        raise CacheError(
            f"The names of clusters cannot be written to {path} ({error.strerror}). "
            "Make the folder of the cache writable, or free some space on its disk."
        ) from error
