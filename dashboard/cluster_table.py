"""The clusters of an embedding as a table: how large, how pure, and what a person calls them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from cache.embeddings import Embedding
from cache.names import LONGEST, cluster_names, name_cluster
from dashboard import embedding_data, picked, selection
from dashboard.picked import Choice
from dashboard.widgets.messages import notice, plain
from pipelines.methods import number
from pipelines.methods.clustering import DIMENSIONS, MOST

CLUSTERING = "clustering"
CLICK = "cluster_click"
NAME = "cluster_name"

METHODS = {"hdbscan": "HDBSCAN", "kmeans": "k-means"}

_HEIGHT = 320


def show(embedding: Embedding) -> None:
    """Draw the table, and beside it a field for the name of the cluster that is picked.

    Args:
        embedding: Whose clusters.

    Raises:
        MissingArtefactError: They have not been computed yet.
    """
    document = embedding_data.document(embedding, "clusters")
    selection.of_workspace(CLUSTERING, "hdbscan")
    clustering = st.segmented_control(
        "Clusters by",
        list(METHODS),
        required=True,
        key=CLUSTERING,
        bind="query-params",
        format_func=METHODS.__getitem__,
        help="HDBSCAN finds dense groups and leaves sparse images out; k-means makes as many "
        "groups as there are classes.",
    )
    clustering = clustering or "hdbscan"
    of = document[clustering]
    st.markdown(summary(of, clustering))
    if not of["clusters"]:
        notice("No clusters", "No group of images is dense enough to be one.")
        return
    names = cluster_names(embedding, clustering)
    table = cluster_table(of, names)
    st.dataframe(
        table,
        hide_index=True,
        height=min(_HEIGHT, 38 + 35 * len(table)),
        key="embeddings_clusters",
        alt="Clusters, the largest first",
        column_config={
            "cluster": st.column_config.ButtonColumn(
                "Cluster",
                key=CLICK,
                on_click=_pick,
                args=(embedding.name, clustering, table["number"].tolist()),
                type="tertiary",
                alignment="left",
                pinned=True,
                help="A click picks the images of the cluster.",
            ),
            "number": None,
            "size": st.column_config.NumberColumn("Images", format="localized"),
            "dominant": st.column_config.TextColumn("Most frequent label"),
            "purity": st.column_config.ProgressColumn(
                "Of that label", format="percent", min_value=0, max_value=1
            ),
        },
    )
    about = embedding_data.document(embedding, "vectors")
    st.caption(
        f"{how(clustering, len(embedding_data.clusters(embedding)), about['dim'])} "
        "A click on a cluster picks its images, here and on the map."
    )
    _show_naming(embedding, clustering, names)


def cluster_table(of: dict[str, Any], names: dict[int, str]) -> pd.DataFrame:
    """One row a cluster, the largest first: ``cluster``, ``number``, ``size``, ``dominant``,
    ``purity``.

    Args:
        of: What ``clusters.json`` says of one clustering.
        names: Names by number.
    """
    table = pd.DataFrame(of["clusters"], columns=["cluster", "size", "dominant", "purity"])
    table = table.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)
    table["number"] = table["cluster"].astype(int)
    table["cluster"] = [names.get(each, f"cluster {each}") for each in table["number"]]
    return table[["cluster", "number", "size", "dominant", "purity"]]


def summary(of: dict[str, Any], clustering: str) -> str:
    """What a clustering found, in Markdown."""
    total = of["noise"] + sum(each["size"] for each in of["clusters"])
    parts = [
        f"**{number.plural(of['count'], 'cluster')}** by {METHODS[clustering]}: "
        f"{number.percent(of['purity'])} of the images bear the most frequent label of theirs",
        f"adjusted Rand index against the labels {of['adjusted_rand_index']:.3f}",
    ]
    if of["noise"]:
        parts.append(f"{of['noise']:,} of {number.plural(total, 'image')} in none")
    return "; ".join(parts) + "."


def how(clustering: str, images: int, dim: int) -> str:
    """What a clustering worked on.

    Args:
        clustering: Key of ``METHODS``.
        images: How many there are.
        dim: Numbers of a vector.
    """
    if clustering == "kmeans":
        return "k-means worked on the whole vectors of all images."
    parts = "the whole vectors"
    if dim > DIMENSIONS:
        parts = f"the first {DIMENSIONS} principal components of the {dim:,} numbers of a vector"
    if images <= MOST:
        return f"HDBSCAN worked on {parts} of all images."
    return (
        f"HDBSCAN worked on {parts}, of {MOST:,} images drawn at random of {images:,}; the others "
        "joined the cluster of the nearest of these."
    )


def _show_naming(embedding: Embedding, clustering: str, names: dict[int, str]) -> None:
    choice = picked.current()
    if choice is None or (choice.kind, choice.embedding, choice.part) != (
        "cluster",
        embedding.name,
        clustering,
    ):
        return
    cluster = int(choice.values[0])
    key = f"{NAME}_{embedding.run.name}_{embedding.name}_{clustering}_{cluster}"
    st.text_input(
        f"Name of cluster {cluster}",
        value=names.get(cluster, ""),
        max_chars=LONGEST,
        key=key,
        placeholder="Thick strokes, for instance",
        on_change=_name,
        args=(embedding, clustering, cluster, key),
        width=360,
        help=f"Kept in the workspace {plain(embedding.run.workspace.name)}, for everybody.",
    )


def _pick(embedding: str, clustering: str, numbers: list[int]) -> None:
    cluster = numbers[st.session_state[CLICK].row]
    picked.pick(Choice("cluster", embedding, clustering, (str(cluster),)))


def _name(embedding: Embedding, clustering: str, cluster: int, key: str) -> None:
    name_cluster(embedding, clustering, cluster, st.session_state[key])
