"""What is known of an embedding: what it is, how it was made, how far to trust its map."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cache.embeddings import Embedding
from cache.store import load_array
from dashboard import embedding_data, neighbourhoods
from dashboard.points import Map
from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.intervals import Rate
from pipelines.methods.pixels import encode, to_channels, to_display

PAIRS = 12
"""Images and their reconstructions on a page."""

KINDS = {
    "layer": "layer of the run's model",
    "backbone": "pretrained network",
    "autoencoder": "autoencoder",
    "siamese": "twin network",
    "pixels": "pixels, reduced by PCA",
}

_SAID = ("kind", "dim")

_JUDGED = 1_000


def rate_of(figure: Mapping[str, Any]) -> Rate:
    """A rate as the documents of an embedding hold it."""
    return Rate(
        float(figure["value"]), float(figure["low"]), float(figure["high"]), int(figure["n"])
    )


def title(embedding: Embedding) -> str:
    """Name of an embedding in Markdown, with a word where its weights are random."""
    return plain(embedding.title)


def map_finding(embedding: Embedding) -> str:
    """The sentence that the page of the map opens with."""
    sentence = coincidence_sentence(embedding)
    if not embedding_data.has(embedding, "projection"):
        return sentence
    trust = embedding_data.document(embedding, "projection")["umap"]["trustworthiness"]
    return f"{sentence} The map's trustworthiness is {trust:.2f} of 1."


def coincidence_sentence(embedding: Embedding) -> str:
    """How often neighbours bear the query's label, and how often they would by chance.

    Of the 10 nearest, or as many as there are figures for.
    """
    name = title(embedding)
    if not embedding_data.has(embedding, "retrieval"):
        return f"{name}: how good its neighbours are has not been measured yet."
    pairs = embedding_data.document(embedding, "retrieval")["pairs"]
    pair = "test_train" if "test_train" in pairs else next(iter(pairs))
    figures = pairs[pair]["macro"]
    k = max((int(at) for at in figures if int(at) <= neighbourhoods.NEAR), default=None)
    if k is None:
        return f"{name}: there are too few images to say how good its neighbours are."
    asked, _, gallery_split = pair.partition("_")
    where = (
        "images nearest to an image"
        if asked == "all"
        else (f"{gallery_split} images nearest to a {asked} image")
    )
    share = figures[str(k)]["value"]
    by_chance = pairs[pair]["chance"]["macro"]
    return (
        f"In {name}, {number.percent(share)} of the {k} {where} bear its label; "
        f"by chance {number.percent(by_chance)} would."
    )


def show_origin(embedding: Embedding) -> None:
    """One line on what the vectors are."""
    if not embedding_data.has(embedding, "vectors"):
        return
    document = embedding_data.document(embedding, "vectors")
    parts = [
        plain(document["about"]),
        f"{number.plural(document['dim'], 'number')} an image.",
    ]
    if document["random"]:
        parts.insert(0, ":material/casino: **Random weights: nothing was learnt.**")
    if embedding.run.workspace.dataset.simulated:
        parts.append(":material/science: Simulated data.")
    st.caption(" ".join(parts))


def map_caption(shown: Map) -> str:
    """How far to trust a map."""
    document = embedding_data.document(shown.embedding, "projection")
    if shown.projection == "pca":
        of, explained = document["pca"], document["pca"]["explained"]
        first = ", ".join(number.percent(float(share)) for share in explained[:2])
        text = f"PCA: the two axes hold {first} of the variance"
    else:
        of = document["umap"]
        text = f"UMAP of {of['neighbours']} neighbours, seed {of['seed']}"
    # Earlier versions did not write how many; they judged by as many.
    few = min(len(shown.places), _JUDGED)
    n = of.get("n", few)
    of_continuity = of.get("continuity_n", few)
    parts = [
        text,
        f"trustworthiness {of['trustworthiness']:.3f} of 1 (n = {n:,}) and continuity "
        f"{of['continuity']:.3f} of 1 (n = {of_continuity:,}) by {document['umap']['k']} "
        "neighbours",
    ]
    stability = document.get("stability")
    if stability and shown.projection == "umap":
        parts.append(f"two seeds share {number.percent(stability['value'])} of map neighbours")
    return "; ".join(parts) + ". Distances between far groups mean little."


def overlap_sentence(first: Embedding, second: Embedding) -> str:
    """How many neighbours two embeddings share, in Markdown."""
    rate = neighbourhoods.overlap(first, second)
    return (
        f"{title(first)} and {title(second)} share **{number.short_rate(rate)}** of the "
        f"{neighbourhoods.compared(first, second)} nearest neighbours "
        f"(mean over n = {rate.n:,} images)."
    )


def show(embedding: Embedding) -> None:
    """Settings, training, and what the kind of the embedding has to show."""
    document = embedding_data.document(embedding, "vectors")
    st.table(
        facts_table(document),
        border="horizontal",
        hide_header=True,
        width="content",
        alt="How the embedding was made",
    )
    if "siamese" in document:
        _show_siamese(document["siamese"])
    if document["kind"] == "autoencoder":
        _show_reconstructions(embedding)


def facts_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """What ``embedding.json`` knows, as Markdown: one row a fact."""
    facts: dict[str, str | None] = {
        "Kind": KINDS.get(document["kind"], str(document["kind"])),
        "Numbers an image": number.count(document["dim"]),
        "Weights": "random, untrained" if document["random"] else document["weights"],
        "Time an image": number.milliseconds(document["ms_per_image"]),
    }
    training = document.get("training")
    if training:
        facts["Training"] = (
            f"{number.plural(training['epochs'], 'epoch')} in {number.seconds(training['seconds'])}"
            f", the best was {training['best_epoch']}"
        )
    for split in ("train", "val", "test"):
        error = document.get("reconstruction", {}).get(split)
        if error is not None:
            facts[f"Squared error, {split}"] = f"{error:.5f} a pixel of [0, 1]"
    explained = document.get("pixels", {}).get("explained")
    if explained is not None:
        facts["Variance kept"] = number.percent(float(np.sum(explained)))
    for name, value in document["settings"].items():
        if value not in (None, []) and not isinstance(value, dict) and name not in _SAID:
            told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            facts[name.replace("_", " ").capitalize()] = told
    known = {name: plain(str(value)) for name, value in facts.items() if value is not None}
    return pd.DataFrame({"value": known})


def _show_siamese(document: Mapping[str, Any]) -> None:
    st.subheader("Same class or not", anchor=False)
    rows = {
        "test, classes never seen" if split == "unseen" else split: number.rate(rate_of(figure))
        for split, figure in document["pairs"].items()
    }
    if rows:
        st.markdown(
            "Pairs told apart by one threshold on their distance, chosen on val; half of the pairs "
            f"are of one class, so chance is 50{number.SPACE}%."
        )
        st.table(
            pd.DataFrame({"accuracy": rows}),
            border="horizontal",
            width="content",
            alt="Accuracy on pairs",
        )
    shots = document.get("one_shot") or []
    if not shots:
        return
    st.subheader("One-shot classifier", anchor=False)
    classes = shots[0]["classes"]
    st.markdown(
        "Each class is a few references from train; a test image gets the class whose references "
        f"are nearest, by the least or the mean distance. {classes} classes compete, so chance is "
        f"{number.percent(1 / classes)}."
    )
    _show_shots(shots, "accuracy", "Of the classes that it was trained on")
    _show_shots(shots, "unseen", f"Of classes never seen: {plain(', '.join(document['unseen']))}")


def _show_shots(shots: list[dict[str, Any]], of: str, title: str) -> None:
    figure = shots[0][of]
    if figure is not None and figure["n"]:
        st.markdown(f"**{title}**; {number.plural(figure['n'], 'test image')}")
        st.table(shot_table(shots, of), border="horizontal", width="content", alt=title)


def shot_table(shots: list[dict[str, Any]], of: str) -> pd.DataFrame:
    """Accuracy by number of references and rule, as text.

    Args:
        shots: One entry a setting, as ``embedding.json`` has them.
        of: ``accuracy`` on classes seen in training, or that on ``unseen`` ones.
    """
    table = pd.DataFrame(
        {
            "references a class": [each["references"] for each in shots],
            "rule": [f"{each['rule']}, {each['choice']}" for each in shots],
            "accuracy": [number.short_rate(rate_of(each[of])) for each in shots],
        }
    )
    return table.pivot(index="references a class", columns="rule", values="accuracy")


def _show_reconstructions(embedding: Embedding) -> None:
    st.subheader("Reconstructions", anchor=False)
    artefact = embedding_data.checked(embedding, "vectors")
    originals = load_array(artefact.path("originals.npy"))
    rebuilt = load_array(artefact.path("reconstructions.npy"))
    st.caption(
        "Each image and, after it, what the bottleneck kept of it, as the network saw it. "
        "The error is the mean squared difference of their pixels, from 0 to 1."
    )
    page = page_of(range(len(originals)), key="reconstructions_page", per_page=PAIRS)
    tiles = []
    for place in page.items:
        error = float(np.mean((originals[place] - rebuilt[place]) ** 2))
        for word, image in (("image", originals[place]), ("rebuilt", rebuilt[place])):
            tiles.append(
                Tile(
                    id=f"{place}/{word}",
                    src=_picture(np.asarray(image)),
                    alt=f"{word} {place + 1}, error {error:.4f}",
                    title=word,
                    lines=(f"error {error:.4f}" if word == "rebuilt" else f"no. {place + 1}",),
                )
            )
    gallery(
        tiles,
        key="embeddings_reconstructions",
        label="Images and their reconstructions",
        empty="There are none.",
        tile_size="small",
        pixelated=max(originals.shape[1:3]) <= 64,
        selectable=False,
    )


def _picture(image: np.ndarray) -> str:
    channels = image if image.shape[2] in (1, 3) else to_channels(image, (0,))
    picture = encode(to_display(np.clip(channels, 0, 1)), lossless=True)
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
