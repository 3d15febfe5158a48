"""The pages: file, title, icon and place in the menu of each, by its name in the URL."""

from __future__ import annotations

import streamlit as st

FILES = {
    "overview": "views/overview.py",
    "dataset": "views/dataset.py",
    "training": "views/training.py",
    "errors": "views/errors.py",
    "compare": "views/compare.py",
    "labels": "views/labels.py",
    "embeddings": "views/embeddings.py",
    "similarity": "views/similarity.py",
    "retrieval": "views/retrieval.py",
    "occlusion": "views/occlusion.py",
    "sheet": "views/sheet.py",
}
"""File of each page by its name in the URL."""


def pages() -> dict[str, st.Page]:
    """The pages by their name in the URL, in the order of the menu."""
    return {
        "overview": st.Page(
            FILES["overview"],
            title="Overview",
            icon=":material/home:",
            url_path="overview",
            default=True,
            help="All workspaces and their runs: accuracy, size, time, and what is missing.",
        ),
        "dataset": st.Page(
            FILES["dataset"],
            title="Dataset",
            icon=":material/photo_library:",
            url_path="dataset",
            help="What the images are: counts, statistics, examples, duplicates, rejected files.",
        ),
        "training": st.Page(
            FILES["training"],
            title="Training",
            icon=":material/show_chart:",
            url_path="training",
            help="How the runs learnt: curves, gaps between train and val, settings compared.",
        ),
        "errors": st.Page(
            FILES["errors"],
            title="Errors",
            icon=":material/rule:",
            url_path="errors",
            help="Where a run is wrong: confusion matrix, classes, and every image it mistakes.",
        ),
        "compare": st.Page(
            FILES["compare"],
            title="Compare",
            icon=":material/compare_arrows:",
            url_path="compare",
            help="Runs on the same images: paired differences, and what only one gets right.",
        ),
        "labels": st.Page(
            FILES["labels"],
            title="Labels",
            icon=":material/fact_check:",
            url_path="labels",
            help="Labels that may be wrong: look at them, decide on them, together with others.",
        ),
        "embeddings": st.Page(
            FILES["embeddings"],
            title="Embeddings",
            icon=":material/scatter_plot:",
            url_path="embeddings",
            help="All images as a map: colours, outlines and their images, clusters.",
        ),
        "similarity": st.Page(
            FILES["similarity"],
            title="Similarity",
            icon=":material/image_search:",
            url_path="similarity",
            help="The images most similar to one of the data, or to one that you upload.",
        ),
        "retrieval": st.Page(
            FILES["retrieval"],
            title="Retrieval quality",
            icon=":material/target:",
            url_path="retrieval",
            help="How far to trust the search: class coincidence, chance, the index against exact.",
        ),
        "occlusion": st.Page(
            FILES["occlusion"],
            title="Occlusion",
            icon=":material/center_focus_strong:",
            url_path="occlusion",
            help="Where the model looks: what hiding each place of an image does to its answer.",
        ),
        # Of one image, so that it has its own link and no place in the menu.
        "sheet": st.Page(
            FILES["sheet"],
            title="Error sheet",
            icon=":material/description:",
            url_path="sheet",
            visibility="hidden",
        ),
    }
