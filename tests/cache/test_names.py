from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cache.artefact import MANIFEST
from cache.embeddings import Embedding, open_embedding
from cache.errors import CacheError, CorruptArtefactError
from cache.names import FILE, LONGEST, cluster_names, name_cluster
from tests.dashboard.conftest import make_workspace


@pytest.fixture
def embedding(tmp_path: Path) -> Embedding:
    workspace = make_workspace(tmp_path, "shapes", count=80)
    return open_embedding(workspace.run("plain"), "penultimate")


def test_a_name_is_kept_by_embedding_and_clustering(embedding: Embedding) -> None:
    assert cluster_names(embedding, "hdbscan") == {}
    name_cluster(embedding, "hdbscan", 2, "  thick \n strokes ")
    name_cluster(embedding, "hdbscan", 0, "x" * 500)
    assert cluster_names(embedding, "hdbscan") == {0: "x" * LONGEST, 2: "thick strokes"}
    assert cluster_names(embedding, "kmeans") == {}
    assert cluster_names(open_embedding(embedding.run, "pixels"), "hdbscan") == {}
    name_cluster(embedding, "hdbscan", 0, " ")
    assert cluster_names(embedding, "hdbscan") == {2: "thick strokes"}


def test_names_of_clusters_made_anew_are_not_shown(embedding: Embedding) -> None:
    name_cluster(embedding, "kmeans", 1, "round")
    path = embedding.artefact("clusters").path(MANIFEST)
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "other"}))
    assert cluster_names(embedding, "kmeans") == {}
    name_cluster(embedding, "kmeans", 0, "new")
    assert cluster_names(embedding, "kmeans") == {0: "new"}


def test_names_given_at_once_are_all_kept(embedding: Embedding) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: name_cluster(embedding, "kmeans", n, f"no {n}"), range(20)))
    assert cluster_names(embedding, "kmeans") == {n: f"no {n}" for n in range(20)}
    folder = embedding.run.workspace.folder
    assert [path.name for path in folder.glob(f"*{FILE}*")] == [FILE]


def test_a_damaged_file_says_so(embedding: Embedding) -> None:
    path = embedding.run.workspace.folder / FILE
    path.write_text("{")
    with pytest.raises(CorruptArtefactError, match=FILE):
        cluster_names(embedding, "kmeans")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_says_so(embedding: Embedding) -> None:
    folder = embedding.run.workspace.folder
    folder.chmod(0o500)
    try:
        with pytest.raises(CacheError, match="cannot be written"):
            name_cluster(embedding, "kmeans", 0, "x")
    finally:
        folder.chmod(0o700)
