"""The stages of an embedding, run for real: what they write, and what a change makes anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import Run, open_workspace
from cache.embeddings import Embedding, embeddings, open_embedding
from cache.errors import EmbeddingNotFoundError, MissingArtefactError
from pipelines.plan import Step, plan
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe
from pipelines.stages import STAGES
from pipelines.status import describe
from tests.reports import Silent

OF_AN_EMBEDDING = [stage.name for stage in STAGES if stage.scope == "embedding"]
NAMES = ("penultimate", "pixels", "autoencoder", "siamese")
COUNT, CLASSES, K = 150, 3, 12

pytestmark = pytest.mark.slow


class Remembering(Silent):
    """Keeps the keys of what was made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        super().finish(step, state, rows, seconds)
        if state == "made":
            self.made.append(step.key)


def recipe(stamps: Path, **changes: Any) -> Recipe:
    common = {"neighbours": K, "projection": {"neighbours": 10}}
    trained = {"dim": 8, "epochs": 1, "batch_size": 16, **common}
    run = {
        "model": "hits_cnn",
        "epochs": 2,
        "batch_size": 16,
        "embeddings": {
            "penultimate": {**common, **changes.pop("penultimate", {})},
            "pixels": {"dim": 10, "metric": "cosine", "pairs": ["val in val"], **common},
            "autoencoder": trained,
            "siamese": {**trained, "steps": 4},
        },
        **changes,
    }
    dataset = {"source": "arrays", "path": str(stamps), "splits": {"val": 0.2, "test": 0.3}}
    return Recipe.model_validate({"name": "stamps", "dataset": dataset, "runs": {"cnn": run}})


def make(document: Recipe, root: Path) -> list[str]:
    report = Remembering()
    run_recipe(document, report, command="make it", reference="test", root=root)
    return report.made


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stamps of three classes; the last is a copy of the first."""
    rng = np.random.default_rng(3)
    labels = np.arange(COUNT) % CLASSES
    images = rng.integers(0, 90, (COUNT, 12, 12, 1)).astype(np.uint8)
    for label, (row, column) in enumerate([(2, 2), (2, 8), (8, 5)]):
        images[labels == label, row : row + 3, column : column + 3] += 120
    images[-1] = images[0]
    path = tmp_path_factory.mktemp("data") / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(["left", "right", "low"]))
    return path


@pytest.fixture(scope="module")
def root(stamps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    make(recipe(stamps), folder)
    return folder


@pytest.fixture
def run(root: Path) -> Run:
    return open_workspace("stamps", root).run("cnn")


@pytest.fixture(params=NAMES)
def embedding(run: Run, request: pytest.FixtureRequest) -> Embedding:
    return open_embedding(run, request.param)


def test_every_embedding_of_the_recipe_is_there(run: Run) -> None:
    assert tuple(each.name for each in embeddings(run)) == NAMES
    with pytest.raises(EmbeddingNotFoundError, match=r"no embedding 'umap'.*penultimate, pixels"):
        open_embedding(run, "umap")


def test_there_is_a_finite_vector_of_every_sample(embedding: Embedding) -> None:
    vectors = embedding.vectors()
    assert vectors.shape == (COUNT, embedding.document("vectors")["dim"])
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.abs(vectors[0] - vectors[-1]).max() < 1e-5


def test_no_sample_is_its_own_neighbour_and_the_nearest_come_first(embedding: Embedding) -> None:
    found = embedding.neighbours()
    assert found.positions.shape == found.distances.shape == (COUNT, K)
    assert not (found.positions == found.queries[:, None]).any()
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert COUNT - 1 in found.positions[0] or found.distances[0, -1] == 0


def test_a_pair_of_splits_has_full_lists_of_its_own(embedding: Embedding, run: Run) -> None:
    split = run.workspace.samples()["split"].to_numpy(dtype=object)
    pairs = [("test", "train"), ("val", "train"), ("test", "test")]
    for queries, gallery in pairs + [("val", "val")] * (embedding.name == "pixels"):
        found = embedding.neighbours_between(queries, gallery)
        assert (split[found.queries] == queries).all()
        assert (split[found.positions] == gallery).all()
        assert not (found.positions == found.queries[:, None]).any()
        assert found.positions.shape == ((split == queries).sum(), K)
    among_all = embedding.neighbours_between("test", "all")
    assert (among_all.positions == embedding.neighbours().positions[split == "test"]).all()
    with pytest.raises(MissingArtefactError):
        embedding.neighbours_between("train", "val")


def test_figures_of_retrieval_fit_together(embedding: Embedding) -> None:
    document = embedding.document("retrieval")
    always = ["test_train", "val_train", "test_test", "test_all", "all_all"]
    asked = ["val_val"] if embedding.name == "pixels" else []
    assert list(document["pairs"]) == always + asked
    for name, pair in document["pairs"].items():
        assert pair["chance"]["macro"] == pytest.approx(1 / 3, abs=0.05)
        for figures in (pair, pair["annoy"], pair["clean"]):
            for rate in (*figures["overall"].values(), *figures["macro"].values()):
                assert 0 <= rate["low"] <= rate["value"] <= rate["high"] <= 1
                assert rate["n"] == pair["queries"]
        expected = COUNT if name.endswith("_all") else pair["gallery"]
        assert pair["gallery"] == expected
    folder = embedding.artefact("retrieval").folder
    assert [0, COUNT - 1] in np.load(folder / "duplicates.npy").tolist()
    clean = np.load(folder / "all_all.clean.npy")
    assert COUNT - 1 not in clean[0] and 0 not in clean[-1]
    assert document["pairs"]["all_all"]["clean"]["affected"] >= 1


def test_the_studies_batches_are_as_large_as_they_were(embedding: Embedding) -> None:
    there = int((embedding.run.workspace.samples()["split"] == "test").sum())
    told = embedding.document("retrieval")["protocol"]
    assert [(each["batch"], each["k"]) for each in told] == [(there, 10), (there, 20)]


def test_the_index_answers_its_own_members(embedding: Embedding) -> None:
    document = embedding.document("index")
    assert document["checked"]["asked"] == document["checked"]["answered"] > 0
    assert document["recall"]["10"]["value"] > 0.9
    assert document["use"] in ("exact", "annoy")
    assert {"trees": 20, "search_k": document["search_k"]}.items() <= next(
        row
        for row in document["grid"]
        if (row["trees"], row["search_k"]) == (20, document["search_k"])
    ).items()


def test_maps_and_clusters_are_of_every_sample(embedding: Embedding, run: Run) -> None:
    assert embedding.projection("umap").shape == embedding.projection("pca").shape == (COUNT, 2)
    assert np.isfinite(embedding.projection("umap")).all()
    document = embedding.document("projection")
    assert embedding.trustworthiness().mean() == pytest.approx(
        document["umap"]["trustworthiness"], abs=1e-5
    )
    assert {document[of][n] for of in ("umap", "pca") for n in ("n", "continuity_n")} == {COUNT}
    clusters = embedding.clusters()
    assert clusters["sample_id"].tolist() == run.workspace.samples()["sample_id"].tolist()
    assert clusters["kmeans"].nunique() == CLASSES


def test_status_describes_them(root: Path) -> None:
    described = describe(open_workspace("stamps", root))["runs"][0]["embeddings"]
    assert tuple(described) == NAMES
    for each in described.values():
        assert {"value", "low", "high", "n", "chance"} == set(each["coincidence"]["10"])
        assert set(each["annoy"]) == {"recall@10", "ms"}
        assert 0 < each["trustworthiness"] <= 1
        assert list(each["stages"]) == OF_AN_EMBEDDING
        assert {stage["state"] for stage in each["stages"].values()} == {"done"}


def keys(name: str, *stages: str) -> list[str]:
    return [f"runs/cnn/embeddings/{name}/{stage}" for stage in stages]


def test_a_change_makes_anew_what_hangs_on_it_and_nothing_else(stamps: Path, root: Path) -> None:
    assert make(recipe(stamps), root) == []
    reseeded = {"projection": {"neighbours": 10, "seed": 7}}
    assert make(recipe(stamps, penultimate=reseeded), root) == keys("penultimate", "projection")
    more_pairs = {**reseeded, "pairs": ["train in train"]}
    assert make(recipe(stamps, penultimate=more_pairs), root) == keys("penultimate", "retrieval")
    fewer = {"neighbours": K - 1}
    assert make(recipe(stamps, penultimate=fewer), root) == keys(
        "penultimate", "neighbours", "index", "retrieval", "projection"
    )
    # What reads the pixels alone stands when the classifier is trained anew.
    assert make(recipe(stamps, penultimate=fewer, epochs=1), root) == [
        "runs/cnn/train",
        "runs/cnn/predictions",
        *keys("penultimate", *OF_AN_EMBEDDING),
    ]
    make(recipe(stamps), root)


def test_another_file_of_weights_makes_other_vectors(stamps: Path, tmp_path: Path) -> None:
    weights = tmp_path / "net.weights.h5"
    net = {"kind": "backbone", "backbone": "VGG16", "weights": str(weights)}

    def of_the_vectors() -> Any:
        document = recipe(stamps, embeddings={"net": net})
        (step,) = [step for step in plan(document) if step.stage.name == "vectors"]
        return step.settings

    absent = of_the_vectors()
    weights.write_bytes(b"first")
    first = of_the_vectors()
    assert first == of_the_vectors() != absent
    weights.write_bytes(b"other, later")
    assert of_the_vectors() != first
    assert of_the_vectors()["weights"] == str(weights)
