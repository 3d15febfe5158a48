"""The stages of occlusion maps on a real run: exact maps, and networks that estimate them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cache import Run, Workspace, open_workspace
from cache.errors import OcclusionNotFoundError
from cache.occlusion import Occlusion, occlusions, open_occlusion
from pipelines.cli import app
from pipelines.errors import RecipeError
from pipelines.methods import batching
from pipelines.methods.estimating import drawer, upsampled
from pipelines.methods.feeding import open_inputs, open_model, to_probabilities
from pipelines.methods.occlusion import mapping, study
from pipelines.methods.occlusion.curves import curves
from pipelines.methods.occlusion.fidelity import (
    FLAT,
    fidelity,
    flat,
    study_mse,
)
from pipelines.methods.occlusion.judging import CEILING
from pipelines.methods.occlusion.mapping import drawn, fill_of, make_maps
from pipelines.methods.occlusion.patches import Patches, filled, of_class
from pipelines.methods.occlusion.risk import disagreement, risk_coverage
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe
from pipelines.status import describe
from tests.reports import Silent

COUNT = 90
OURS = {"epochs": 2, "batch_size": 8, "repeats": 2}
FROZEN = {"network": "study", "encoder": "deep", "target": "study", "only": "middle", "epochs": 1}
ESTIMATORS = {"ours": OURS, "frozen": FROZEN}
MAPS = {
    "small": {"train": 12, "val": 5, "test": 1000, "estimators": ESTIMATORS},
    "mean": {"patch": 5, "stride": 4, "fill": "mean"},
}


class Remembering(Silent):
    def __init__(self) -> None:
        self.made: list[str] = []

    def finish(self, step: Any, state: str, rows: int, seconds: float) -> None:
        if state == "made":
            self.made.append(step.key)


def recipe(data: Path, **changes: Any) -> Recipe:
    maps = {**MAPS, **changes}
    run = {"model": "hits_cnn", "epochs": 12, "batch_size": 8, "embeddings": {}, "occlusion": maps}
    deep = {"model": "hits_deep", "epochs": 1, "embeddings": {}}
    dataset = {"source": "arrays", "path": str(data), "splits": {"val": 0.2, "test": 0.3}}
    runs = {"cnn": run, "deep": deep}
    return Recipe.model_validate({"name": "stamps", "dataset": dataset, "runs": runs})


def make(document: Recipe, root: Path) -> list[str]:
    report = Remembering()
    run_recipe(document, report, command="make it", reference="test", root=root)
    return report.made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(4)
    labels = np.arange(COUNT) % 3
    images = rng.integers(0, 90, (COUNT, 9, 11)).astype(np.uint8)
    for label, column in enumerate((1, 4, 8)):
        images[labels == label, 3:6, column : column + 2] += 130
    path = tmp_path_factory.mktemp("data") / "stamps.npz"
    np.savez(path, images=images, labels=labels, names=np.array(["left", "middle", "right"]))
    return path


@pytest.fixture(scope="module")
def root(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    make(recipe(data), folder)
    return folder


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return open_workspace("stamps", root)


@pytest.fixture(params=list(MAPS))
def occlusion(workspace: Workspace, request: pytest.FixtureRequest) -> Occlusion:
    return open_occlusion(workspace.run("cnn"), request.param)


def test_the_maps_of_a_recipe_are_found_by_name(workspace: Workspace) -> None:
    run = workspace.run("cnn")
    assert [each.name for each in occlusions(run)] == list(MAPS)
    with pytest.raises(OcclusionNotFoundError, match=r"no occlusion maps 'large'.*small, mean"):
        open_occlusion(run, "large")


def test_a_map_is_what_one_inference_a_position_gives(occlusion: Occlusion) -> None:
    run, document = occlusion.run, occlusion.document("exact")
    model, inputs = open_model(run), open_inputs(run.workspace, run.name)
    patches = Patches(9, 11, document["patch"], document["stride"])
    mapped, maps = occlusion.mapped(), occlusion.maps()
    assert maps.shape == (len(mapped), *patches.shape, 3) and maps.dtype == np.float32
    for place in (0, len(mapped) - 1):
        image = inputs.batch(mapped["row"].to_numpy()[[place]])
        hidden = filled(image, document["fill"], patches.size)
        copies = np.repeat(image, patches.count, axis=0)
        for copy, (top, left, bottom, right) in zip(copies, patches.boxes, strict=True):
            copy[top:bottom, left:right] = hidden[0, top:bottom, left:right]
        wanted = to_probabilities(model(copies, training=False).numpy())
        np.testing.assert_allclose(maps[place], wanted.reshape(maps.shape[1:]), atol=1e-5)


def test_which_images_have_a_map_and_what_is_said_of_them(occlusion: Occlusion) -> None:
    answers, mapped = occlusion.run.predictions(), occlusion.mapped()
    its = answers.iloc[mapped["row"]].reset_index(drop=True)
    for column in ("sample_id", "split", "label", "predicted"):
        assert (mapped[column] == its[column]).all()
    np.testing.assert_allclose(mapped["clean"], its["confidence"])
    there = answers["split"].value_counts()
    counts = occlusion.document("exact")["maps"]
    for split in ("train", "val", "test"):
        assert counts[split] == min(occlusion.settings[split], there[split])
        assert counts[split] == (mapped["split"] == split).sum()


def test_maps_are_described_by_the_class_predicted(occlusion: Occlusion) -> None:
    mapped, table, document = occlusion.mapped(), occlusion.features(), occlusion.document("exact")
    assert (table["sample_id"] == mapped["sample_id"]).all()
    maps = of_class(np.asarray(occlusion.maps()), mapped["predicted"].cat.codes.to_numpy())
    drop = mapped["clean"] - maps.min(axis=(1, 2))
    np.testing.assert_allclose(table["drop"], drop, atol=1e-6)
    flat_maps = np.ptp(maps, axis=(1, 2)) < FLAT
    np.testing.assert_array_equal(table["look"] == -1, flat_maps)
    lost = np.maximum(mapped["clean"].to_numpy()[:, None, None] - maps, 0)
    known = (drop >= FLAT).to_numpy()
    inner = lost[:, 1:-1, 1:-1].sum(axis=(1, 2)) / lost.sum(axis=(1, 2))
    np.testing.assert_allclose(table["border"][known], 1 - inner[known], atol=1e-5)
    assert table["border"][~known].isna().all()
    inside = (maps.shape[1] - 2) * (maps.shape[2] - 2)
    assert document["border_share"] == pytest.approx(1 - inside / maps[0].size)


def test_each_class_has_the_mean_of_its_kinds_of_maps(occlusion: Occlusion) -> None:
    mapped, look = occlusion.mapped(), occlusion.features()["look"]
    maps = of_class(np.asarray(occlusion.maps()), mapped["predicted"].cat.codes.to_numpy())
    told = occlusion.document("exact")["looks"]
    assert sum(each["maps"] for each in told) == (look >= 0).sum()
    for label in occlusion.run.workspace.dataset.classes:
        means = occlusion.looks(label)
        mine = (mapped["predicted"] == label) & (look >= 0)
        sizes = [each["maps"] for each in told if each["class"] == label]
        assert len(means) == len(sizes) == look[mine].nunique()
        for kind, mean in enumerate(means):
            rows = np.flatnonzero(mine & (look == kind))
            assert len(rows) == sizes[kind]
            np.testing.assert_allclose(mean, maps[rows].mean(axis=0), atol=1e-6)
    assert any(len(occlusion.looks(label)) for label in ("left", "middle", "right"))


def test_the_mean_is_that_of_train(workspace: Workspace) -> None:
    run = workspace.run("cnn")
    inputs = open_inputs(workspace, "cnn")
    train = np.flatnonzero(workspace.samples()["split"] == "train")
    expected = inputs.batch(train).mean()
    assert open_occlusion(run, "mean").document("exact")["fill"] == pytest.approx([expected])
    assert fill_of("blur", inputs, train) == "blur"
    assert fill_of(0.25, inputs, train) == 0.25


def test_more_maps_are_the_same_and_further_ones() -> None:
    split = np.array(["train", "test"] * 50, dtype=object)
    few = drawn(split, {"train": 10, "test": 3}, seed=5)
    many = drawn(split, {"train": 40, "test": 3}, seed=5)
    assert set(few) < set(many) and len(few) == 13 and len(many) == 43
    assert (split[few] == "train").sum() == 10
    assert set(drawn(split, {"train": 10, "test": 3}, seed=6)) != set(few)


def test_a_stop_costs_only_what_was_not_noted(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off amid the maps, the work goes on where it was, and the file holds the same bits."""
    from pipelines.methods.occlusion.engine import open_engine

    # Batches of ten, each noted.
    monkeypatch.setattr(mapping, "_AT_A_TIME", 10)
    monkeypatch.setattr(batching, "_SECONDS_BETWEEN_NOTES", -1)
    inputs = open_inputs(workspace, "cnn")
    engine = open_engine(open_model(workspace.run("cnn")))
    rows = np.arange(len(inputs))
    whole, broken = tmp_path / "whole.npy", tmp_path / "broken.npy"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    make_maps(engine, inputs, rows, 0.0, whole, work=tmp_path / "a")
    seen: list[float] = []

    def stop(done: float, total: int) -> None:
        seen.append(done)
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_maps(engine, inputs, rows, 0.0, broken, work=tmp_path / "b", progress=stop)
    assert not broken.exists() and seen == [10, 20, 30, 40, 50] and len(rows) == COUNT
    seen.clear()
    make_maps(
        engine,
        inputs,
        rows,
        0.0,
        broken,
        work=tmp_path / "b",
        progress=lambda done, total: seen.append(done),
    )
    # The batch in hand is made once more, none before it.
    assert seen == [50, 60, 70, 80, 90]
    assert whole.read_bytes() == broken.read_bytes()


def test_a_changed_field_remakes_these_maps_alone(data: Path, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "cache")
    assert make(recipe(data), copy) == []
    another = {**MAPS["small"], "estimators": {"ours": {**OURS, "epochs": 1}}}
    assert make(recipe(data, small=another), copy) == ["runs/cnn/occlusion/small/estimators"]
    stages = [f"runs/cnn/occlusion/mean/{stage}" for stage in ("exact", "estimators")]
    assert make(recipe(data, small=another, mean={**MAPS["mean"], "patch": 1}), copy) == stages


def test_status_says_how_they_were_made(workspace: Workspace) -> None:
    run, _ = describe(workspace)["runs"]
    told, kinds = run["occlusion"], run["occlusion"]["kinds"]
    asked = {"engine", "ms_exact", "ms_estimate", "ratio", "fidelity", "flat", "maps"}
    assert asked < set(told) and list(kinds) == list(MAPS)
    assert told == {"name": "small", **kinds["small"], "kinds": kinds}
    assert told["engine"] == "table" and told["maps"]["train"] == 12
    assert told["ratio"] == pytest.approx(told["ms_exact"] / told["ms_estimate"])
    assert set(told["fidelity"]) >= {"pearson", "spearman", "ssim", "iou10", "mse"}
    assert told["flat"] >= 0
    assert {stage["state"] for stage in told["stages"].values()} == {"done"}
    without = kinds["mean"]
    assert without["ms_estimate"] is None and without["fidelity"] is None


def test_the_table_of_status_says_which_maps_are_not_done(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "cache")
    shutil.rmtree(copy / "stamps" / "runs" / "cnn" / "occlusion" / "mean" / "estimators")
    result = CliRunner().invoke(app, ["status", "--cache", str(copy)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "mean: 1 missing" in result.stdout and "small:" not in result.stdout


def test_maps_of_no_image_are_refused(data: Path, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "cache")
    none = {"train": 0, "val": 0, "test": 0}
    with pytest.raises(RecipeError, match=r"runs\.cnn\.occlusion\.small need at least one image"):
        make(recipe(data, small=none), copy)


@pytest.fixture
def small(workspace: Workspace) -> Occlusion:
    return open_occlusion(workspace.run("cnn"), "small")


def test_an_estimator_draws_the_map_of_the_predicted_class(small: Occlusion) -> None:
    import keras

    path = small.artefact("estimators").path("ours.keras")
    network = keras.models.load_model(path, compile=False, safe_mode=True)
    mapped = small.mapped()
    inputs = open_inputs(small.run.workspace, "cnn")
    images = inputs.batch(mapped["row"].to_numpy()[:7])
    asked = mapped["predicted"].cat.codes.to_numpy()[:7]
    np.testing.assert_allclose(
        small.estimates("ours")[:7], drawer(network)(images, asked), atol=1e-5
    )


def test_every_estimate_is_judged_beside_the_baselines(small: Occlusion) -> None:
    mapped, table = small.mapped(), small.fidelity()
    document = small.document("estimators")
    names = ["mean map", "every third position", "ours", CEILING, "frozen"]
    assert list(document["estimators"]) == names == list(table["estimator"].unique())
    truth = of_class(np.asarray(small.maps()), mapped["predicted"].cat.codes.to_numpy())
    measured = fidelity(truth, np.asarray(small.estimates("ours")))
    mine = table[table["estimator"] == "ours"].reset_index(drop=True)
    assert (mine["sample_id"] == mapped["sample_id"]).all()
    for name in ("mse", "pearson", "ssim", "iou10"):
        np.testing.assert_allclose(mine[name], measured[name], rtol=1e-5)
    third = upsampled(truth)
    rough = table[table["estimator"] == "every third position"]
    np.testing.assert_allclose(rough["mse"], fidelity(truth, third)["mse"], rtol=1e-5)


def test_what_is_told_is_of_test_over_all_trainings(small: Occlusion) -> None:
    document = small.document("estimators")
    ours, table = document["estimators"]["ours"], small.fidelity()
    test = set(small.mapped().query("split == 'test'")["sample_id"])
    mine = table[(table["estimator"] == "ours") & table["sample_id"].isin(test) & ~table["flat"]]
    assert ours["fidelity"]["means"]["mse"]["value"] == pytest.approx(mine["mse"].mean(), rel=1e-5)
    assert ours["fidelity"]["n"] == len(mine) and document["test"]["maps"] == len(test)
    assert ours["repeats"]["mse"]["n"] == 2 and ours["repeats"]["mse"]["std"] > 0
    assert len(ours["seconds"]) == 2 and ours["parameters"] > 0
    times = document["ms"]
    assert times["way"] == "table" and set(times["other_ways"]) == {"whole", "regions"}
    for its in (times["exact"], *times["other_ways"].values(), ours["ms"]):
        assert its["one"]["low"] <= its["one"]["median"] and 2 <= its["many"]["images"] <= 64
    assert times["study_loop"]["median"] > times["exact"]["one"]["median"]
    payback = ours["payback"]
    assert payback["maps"] == 12 + 5 and payback["compared"] == "many"
    assert payback["maps_seconds"] == pytest.approx(17 * times["exact"]["many"]["median"] / 1000)
    assert payback["training_seconds"] == ours["seconds"][0]
    assert ours["break_even"] == payback["images"]
    pays = times["exact"]["many"]["low"] > ours["ms"]["many"]["high"]
    assert (ours["break_even"] is not None) == pays


def test_the_study_s_own_way_takes_the_convolutions_of_another_run(small: Occlusion) -> None:
    import keras

    path = small.artefact("estimators").path("frozen.keras")
    network = keras.models.load_model(path, compile=False, safe_mode=True)
    kernels = [
        [layer.get_weights()[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        for model in (open_model(Run("deep", small.run.workspace)), network)
    ]
    for theirs, ours in zip(*kernels, strict=False):
        np.testing.assert_array_equal(theirs, ours)


def test_what_learns_one_class_in_the_study_s_scale_is_judged_there(small: Occlusion) -> None:
    frozen = small.document("estimators")["estimators"]["frozen"]
    mapped = small.mapped()
    judged = ((mapped["split"] == "test") & (mapped["predicted"] == "middle")).to_numpy()
    predicted = mapped["predicted"].cat.codes.to_numpy()
    truth = study.of_maps(of_class(np.asarray(small.maps()), predicted)[judged], 3, 1)
    drawn = np.asarray(small.estimates("frozen"))[judged]
    assert frozen["study_mse"]["mean"] == pytest.approx(study_mse(truth, drawn).mean())
    assert frozen["fidelity"]["means"]["pearson"]["n"] + frozen["fidelity"]["flat"] == judged.sum()
    assert frozen["fidelity"]["means"]["mse"]["value"] is None
    ceiling = small.document("estimators")["estimators"][CEILING]
    assert ceiling["study_mse"]["mean"] == 0 and ceiling["baseline"]
    assert ceiling["fidelity"]["means"]["pearson"]["value"] < 0.9


def test_a_class_that_is_not_there_is_refused(data: Path, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "cache")
    wrong = {**MAPS["small"], "estimators": {"ours": {**OURS, "only": "centre"}}}
    with pytest.raises(RecipeError, match=r"ours\.only must be one of.*'centre'.*left, middle"):
        make(recipe(data, small=wrong), copy)


def test_a_second_training_is_kept_to_verify_the_first(small: Occlusion) -> None:
    import keras

    verify = small.document("estimators")["verify"]
    assert verify["best"] <= verify["area"] and 0 <= verify["accepted"]["value"] <= 1
    assert verify["estimator"] == "ours" and verify["best_risk"][-1] == pytest.approx(
        verify["risk"][-1]
    )
    path = small.artefact("estimators").path("second/ours.keras")
    network = keras.models.load_model(path, compile=False, safe_mode=True)
    mapped = small.mapped()
    inputs = open_inputs(small.run.workspace, "cnn")
    images = inputs.batch(mapped["row"].to_numpy())
    asked = mapped["predicted"].cat.codes.to_numpy()
    score = disagreement(np.asarray(small.estimates("ours")), drawer(network)(images, asked))
    table = small.fidelity()
    error = table[table["estimator"] == "ours"]["mae"].to_numpy()
    test = (mapped["split"] == "test").to_numpy()
    curve = risk_coverage(score[test], error[test])
    assert curve.area == pytest.approx(verify["area"], rel=1e-4)
    bound = float("-inf") if verify["bound"] is None else verify["bound"]
    assert (score[test] <= bound).mean() == pytest.approx(verify["accepted"]["value"])


def test_curves_are_means_over_maps_of_test(small: Occlusion) -> None:
    followed = small.document("estimators")["curves"]
    test = small.document("estimators")["test"]
    assert followed["n"] == followed["of"] == test["maps"] - test["flat"]
    assert list(followed["maps"]) == ["exact", "mean map", "every third position", "ours"]
    table = small.mapped()
    there = (table["split"] == "test").to_numpy().copy()
    asked = table["predicted"].cat.codes.to_numpy()
    truth = of_class(np.asarray(small.maps()), asked)
    there &= ~flat(truth)
    model, inputs = open_model(small.run), open_inputs(small.run.workspace, "cnn")
    images = inputs.batch(table["row"].to_numpy()[there])
    found = curves(
        lambda batch: to_probabilities(model(batch, training=False).numpy()),
        images,
        np.float32(0),
        truth[there],
        asked[there],
    )
    told = followed["maps"]["exact"]
    np.testing.assert_allclose(told["deletion"], found.deletion.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(told["insertion"], found.insertion.mean(axis=0), atol=1e-5)
    area = told["deletion_area"]
    assert area["value"] == pytest.approx(found.deletion_area.mean(), abs=1e-5)
    assert area["low"] <= area["value"] <= area["high"]
    areas = small.areas()
    assert areas is not None and len(areas) == 4 * followed["n"]
    mine = areas[areas["map"] == "exact"]
    assert mine["sample_id"].tolist() == table["sample_id"][there].tolist()
    for way in ("deletion", "insertion"):
        np.testing.assert_allclose(mine[way], getattr(found, f"{way}_area"), atol=1e-5)
    means = areas.groupby("map")["deletion"].mean()
    for name, each in followed["maps"].items():
        assert means[name] == pytest.approx(each["deletion_area"]["value"], abs=1e-6)


def test_estimators_need_maps_of_train(data: Path, root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "cache")
    with pytest.raises(RecipeError, match=r"learn from exact maps of train.*small\.train"):
        make(recipe(data, small={**MAPS["small"], "train": 0}), copy)
