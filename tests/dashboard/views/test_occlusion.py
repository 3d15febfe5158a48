"""The page Occlusion on a run that was really trained."""

from __future__ import annotations

import base64
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import streamlit as st
from scipy.stats import spearmanr
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from cache import Run, open_workspace
from cache.occlusion import open_occlusion
from dashboard import estimates, faithful, images, live, looks, occluding, trust
from pipelines.methods.feeding import open_inputs, open_model
from pipelines.methods.grad_cam import open_cam
from pipelines.methods.occlusion import refine, study
from pipelines.methods.occlusion.fidelity import fidelity
from tests.dashboard.conftest import Fire, Shown, parameter

NAVIGATION = Path(__file__).parents[3] / "dashboard" / "navigation.py"
MAPS = "occlusion_maps"


@pytest.fixture
def run(real_digits: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CENTAURO_CACHE", str(real_digits))
    return open_workspace("digits", real_digits).run("hits")


@pytest.fixture
def wrong(run: Run) -> str:
    """A test image that the run mistakes."""
    answers = run.predictions()
    mistakes = answers[~answers["correct"] & (answers["split"] == "test")]
    return str(mistakes["sample_id"].iloc[0])


@pytest.fixture
def right(run: Run) -> str:
    answers = run.predictions()
    return str(answers[answers["correct"] & (answers["split"] == "test")]["sample_id"].iloc[0])


def open_maps(**parameters: str) -> AppTest:
    """Open the page as a link does."""
    at = AppTest.from_file(str(NAVIGATION), default_timeout=120)
    asked = {"workspace": "digits", **parameters}
    for name, value in asked.items():
        at.query_params[name] = value
    at.run()
    at.switch_page("views/occlusion.py")
    for name, value in asked.items():
        at.query_params[name] = value
    return at.run()


def looped(run: Run, sample_id: str, patch: int, value: float = 0.0) -> np.ndarray:
    """Maps (8, 8, 10) of a digit, one inference a position."""
    image = live.to_input(run, images.pixels(run.workspace, sample_id))
    maps = np.empty((8, 8, 10))
    for row in range(8):
        for column in range(8):
            copy = image.copy()
            top, left = max(0, row - patch // 2), max(0, column - patch // 2)
            copy[top : row - patch // 2 + patch, left : column - patch // 2 + patch] = value
            maps[row, column] = live.probabilities(run, copy[None])[0]
    return maps


def values(panel: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(panel["values"]), "<f4").reshape(8, 8)


def test_a_right_image_shows_the_map_of_its_class(run: Run, right: str, shown: Shown) -> None:
    at = open_maps(image=right, patch="3")
    assert not at.exception
    (panel,) = shown(at, MAPS)["panels"]
    maps = looped(run, right, 3)
    label = run.predictions().set_index("sample_id").loc[right, "label"]
    np.testing.assert_allclose(values(panel), maps[..., int(label)], atol=1e-5)
    clean = live.probabilities(run, live.to_input(run, images.pixels(run.workspace, right))[None])[
        0
    ]
    flips = int((maps.argmax(axis=2) != clean.argmax()).sum())
    told = f"{flips} position" if flips else "none of 64 positions"
    assert told in at.subheader[0].value
    assert any(f"test image of class **{label}**" in text.value for text in at.markdown)


def test_a_mistake_shows_the_predicted_and_the_true_class(
    run: Run, wrong: str, shown: Shown
) -> None:
    at = open_maps(image=wrong, patch="3")
    answer = run.predictions().set_index("sample_id").loc[wrong]
    panels = shown(at, MAPS)["panels"]
    names = [str(answer["predicted"]), str(answer["label"])]
    assert [panel["title"] for panel in panels] == [*names, f"{names[0]} less {names[1]}"]
    maps = looped(run, wrong, 3)
    for panel, name in zip(panels, names, strict=False):
        np.testing.assert_allclose(values(panel), maps[..., int(name)], atol=1e-5)


def test_patch_stride_and_class_are_in_the_link(run: Run, right: str, shown: Shown) -> None:
    asked = {"patch": "1", "stride": "2", "asked": "7", "hidden": "mean"}
    at = open_maps(image=right, **asked)
    data = shown(at, MAPS)
    assert (data["patch"], data["stride"], data["rows"], data["columns"]) == (1, 2, 4, 4)
    assert data["panels"][0]["title"] == "7"
    (mean,) = live.mean(run)
    train = open_inputs(run.workspace, run.name).batch(
        np.flatnonzero(run.workspace.samples()["split"] == "train")
    )
    assert mean == pytest.approx(train.mean(), rel=1e-5)
    expected = looped(run, right, 1, mean)[::2, ::2, 7]
    drawn = np.frombuffer(base64.b64decode(data["panels"][0]["values"]), "<f4").reshape(4, 4)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)
    assert data["hidden"] == occluding.hidden_colour(run, "mean")


def test_an_estimate_stands_beside_the_exact_map(run: Run, right: str, shown: Shown) -> None:
    # The page starts with the patch of the maps that a network draws.
    at = open_maps(image=right)
    assert not at.exception
    assert [at.number_input(key=key).value for key in ("patch", "stride")] == [5, 1]
    exact, estimate, difference = shown(at, MAPS)["panels"]
    titles = (exact["title"], estimate["title"], difference["kind"])
    assert titles == ("Exact", "Estimate", "difference")
    assert " ms" in exact["note"] and " ms" in estimate["note"]
    label = int(run.predictions().set_index("sample_id").loc[right, "label"])
    np.testing.assert_allclose(values(exact), looped(run, right, 5)[..., label], atol=1e-5)
    image = live.to_input(run, images.pixels(run.workspace, right))
    drawn = live.draw(open_occlusion(run, "five"), "ours", image, label)
    np.testing.assert_allclose(values(estimate), drawn, atol=1e-5)
    np.testing.assert_allclose(values(difference), values(estimate) - values(exact), atol=1e-6)
    document = open_occlusion(run, "five").document("estimators")
    assert estimates.finding(document) in [text.value for text in at.markdown]
    table, areas = at.table
    names = ["mean map", "every third position", "ours"]
    assert list(table.value["estimator"]) == names
    assert list(areas.value["map"]) == ["exact", *names]
    assert any("60 test maps" in text.value or "flat ones" in text.value for text in at.caption)
    (told,) = (text.value for text in at.caption if "against the exact map" in text.value)
    measured = fidelity(values(exact)[None], values(estimate)[None])
    for title, measure in (
        ("Pearson", "pearson"),
        ("Spearman", "spearman"),
        ("SSIM", "ssim"),
        ("overlap of the lowest tenth", "iou10"),
    ):
        assert f"{title} {measured[measure][0]:.3f}" in told
    assert f"MSE {measured['mse'][0]:.4f}, MAE {measured['mae'][0]:.4f}." in told
    charts = [each.key for each in at.get("plotly_chart")]
    assert {"occlusion_deletion_areas", "occlusion_insertion_areas"} <= set(charts)


def test_the_worst_and_the_best_maps_open_their_images(
    run: Run, right: str, shown: Shown, fire: Fire
) -> None:
    at = open_maps(image=right, patch="5", by="MSE")
    table = faithful.of_test(estimates.find(run, 5, 1, "black")[0])
    assert len(table) == 3 * 60
    mine = table[(table["estimator"] == "ours") & ~table["flat"]].sort_values("mse", kind="stable")
    best = [tile["id"] for tile in shown(at, "occlusion_best")["tiles"]]
    worst = [tile["id"] for tile in shown(at, "occlusion_worst")["tiles"]]
    assert len(best) == len(worst) == 20
    assert best == mine["sample_id"].tolist()[:20]
    assert set(worst) == set(mine["sample_id"].tolist()[-20:])
    before = shown(at, MAPS)["revealed"]
    fire(at, "occlusion_worst", {"n": 1, "opened": worst[3]})
    assert parameter(at, "image") == worst[3]
    assert shown(at, MAPS)["revealed"] == before + 1
    fire(at, "occlusion_worst", {"n": 2, "similar": worst[4]})
    assert at.title[0].value == "Similarity"
    assert parameter(at, "image") == worst[4]


def test_an_estimate_is_shown_in_place_of_the_exact_map_where_it_is_trusted(
    real_digits: Path,
    run: Run,
    right: str,
    shown: Shown,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    copy = shutil.copytree(real_digits, tmp_path / "cache")
    monkeypatch.setenv("CENTAURO_CACHE", str(copy))
    run = open_workspace("digits", copy).run("hits")
    label = int(run.predictions().set_index("sample_id").loc[right, "label"])
    (estimator,) = estimates.find(run, 5, 1, "black")
    image = live.to_input(run, images.pixels(run.workspace, right))
    one, other = (
        live.draw(estimator.occlusion, "ours", image, label, second=second)
        for second in (False, True)
    )
    score = float(np.abs(one - other).mean())
    assert score > 0
    path = estimator.occlusion.artefact("estimators").path("estimators.json")
    for bound, trusted in ((score * 1.01, True), (score * 0.99, False)):
        document = estimator.document
        document["verify"]["bound"] = bound
        path.write_text(json.dumps(document))
        at = open_maps(image=right, patch="5", maps=trust.IF_TRUSTED, about="Trust")
        assert not at.exception
        panels = shown(at, MAPS)["panels"]
        told = " ".join(text.value for text in at.markdown)
        assert ("The estimate is trusted" in told) == trusted
        assert ("The exact map was computed" in told) != trusted
        assert f"{score:.4f} apart" in told
        titles = ["Estimate"] if trusted else ["Exact", "Estimate", "Estimate less exact"]
        assert [panel["title"] for panel in panels] == titles
        assert ("By a trusted estimate" in at.subheader[0].value) == trusted
        np.testing.assert_allclose(values(panels[0 if trusted else 1]), one, atol=1e-5)
        assert any("Exact, 64 positions" in text.value for text in at.caption) != trusted
        (table,) = at.table
        assert list(table.value["estimates"]) == ["trusted", "the rest", "all"]
    # The bound says nothing of the maps of other classes.
    at = open_maps(image=right, patch="5", maps=trust.IF_TRUSTED, asked=str((label + 1) % 10))
    assert "another one is asked for" in " ".join(text.value for text in at.markdown)


def test_what_cannot_be_verified_says_what_to_do(run: Run, right: str) -> None:
    at = open_maps(image=right, patch="3", maps=trust.IF_TRUSTED, about="Trust")
    told = " ".join(text.value for text in at.markdown)
    assert "no network has learnt to draw maps of this patch" in told
    assert any("repeats: 2" in code.value for code in at.code)


def test_the_study_map_stands_beside_the_corrected_one(run: Run, right: str, shown: Shown) -> None:
    at = open_maps(image=right, patch="3", about="As the study made it")
    assert not at.exception
    ours, fair, made, second = shown(at, "occlusion_study")["panels"]
    label = int(run.predictions().set_index("sample_id").loc[right, "label"])
    raw = looped(run, right, 3)[..., label]
    found = raw[1:7, 1:7][None].astype(np.float32)
    np.testing.assert_allclose(values(ours), raw, atol=1e-5)
    np.testing.assert_allclose(values(fair), study.corrected(found, 3)[0], atol=1e-5)
    np.testing.assert_allclose(values(made), study.merged(found, 3)[0], atol=1e-4)
    assert (made["kind"], made["note"]) == ("relative", "36 positions, summed")
    assert second["note"].startswith("144 positions")
    told = " ".join(text.value for text in at.markdown)
    assert "mean 0.581 and 0.355" in told
    at = open_maps(image=right, patch="3", stride="2", about="As the study made it")
    assert any("The stride here is 2" in text.value for text in at.text)


def test_grad_cam_explains_the_four_most_probable_classes(
    run: Run, right: str, shown: Shown
) -> None:
    at = open_maps(image=right, patch="3", about="Grad-CAM")
    assert not at.exception
    image = live.to_input(run, images.pixels(run.workspace, right))
    clean = live.probabilities(run, image[None])[0]
    best = np.argsort(-clean)[:4]
    panels = shown(at, "occlusion_cams")["panels"]
    assert [panel["title"] for panel in panels] == [str(at) for at in best]
    layers, usual = live.cam_layers(run)
    assert usual == "conv" and at.selectbox(key="layer").options == layers == ["conv", "pool"]
    found = open_cam(open_model(run), usual)(image[None])
    resized = found.resized[0, 0]
    np.testing.assert_allclose(values(panels[0]), resized / resized.max(), atol=1e-4)
    (table,) = at.table
    maps = looped(run, right, 3)
    lost = np.maximum(clean[best[0]] - maps[..., best[0]], 0)
    agreed = spearmanr(resized.ravel(), lost.ravel()).statistic
    assert float(table.value["agreement with occlusion"][0].replace("−", "-")) == pytest.approx(
        agreed, abs=0.02
    )
    at.selectbox(key="layer").set_value("pool").run()
    assert "layer pool" in shown(at, "occlusion_cams")["label"]


def test_times_are_told_each_way(run: Run, right: str) -> None:
    at = open_maps(image=right, patch="5", about="Times")
    (table,) = at.table
    ways = ["a table of patterns (the one taken)", "the whole network", "regions alone"]
    exact = [f"exact: {way}" for way in ways]
    assert list(table.value["way"]) == ["the study's loop", *exact, "ours"]
    assert all(each.endswith(" at a time") for each in table.value["one of many, ms"][1:])


def test_times_of_an_earlier_version_can_be_read(run: Run) -> None:
    document = open_occlusion(run, "five").document("estimators")
    ours, times = document["estimators"]["ours"], document["ms"]
    del ours["payback"], times["way"], times["other_ways"]
    # Where many would have taken too long, it repeated the time of one.
    times["exact"] = {"one": {"median": 300.0, "low": 290.0, "high": 310.0}}
    times["exact"]["many"] = times["exact"]["one"]
    ours["ms"]["one"] = {"median": 2.0, "low": 1.0, "high": 3.0}
    ours["break_even"] = 12
    table = estimates.times_table(document)
    assert list(table["way"]) == ["the study's loop", "exact engine", "ours"]
    assert table["one of many, ms"][1] == "–"
    told = estimates.finding(document)
    assert "2 ms a map, one image alone in place of 300: the training has paid after 12" in told


def test_a_kind_of_map_leads_to_its_images_and_to_the_errors(
    run: Run, shown: Shown, fire: Fire
) -> None:
    described = open_occlusion(run, "five").features()
    mapped = open_occlusion(run, "five").mapped().assign(look=described["look"])
    label = str(mapped["predicted"].mode()[0])
    at = open_maps(about="Kinds of maps", look_class=label, patch="5")
    assert not at.exception
    first = shown(at, looks.MAPS)["tiles"][0]
    its = mapped.query("predicted == @label and look == 0 and split == 'test'")
    assert first["lines"][1] == f"of {len(its)} test"
    assert {tile["id"] for tile in shown(at, looks.GALLERY)["tiles"]} == set(its["sample_id"])
    opened = fire(at, looks.GALLERY, {"n": 1, "opened": its["sample_id"].iloc[0]})
    assert parameter(opened, "image") == its["sample_id"].iloc[0]
    assert shown(at, looks.GALLERY)["searchable"]
    at = at.button(key="looks_to_errors").click().run()
    assert not at.exception
    assert at.title[0].value == "Errors"
    assert parameter(at, "map_look") == "kind 1" and parameter(at, "predicted") == label
    there = {tile["id"] for tile in shown(at, "errors_gallery")["tiles"]}
    assert there == set(its["sample_id"])


def test_no_estimate_is_shown_of_other_patches(run: Run) -> None:
    assert estimates.find(run, 5, 1, "black")
    for patch, stride, fill in ((3, 1, "black"), (5, 2, "black"), (5, 1, "mean")):
        assert not estimates.find(run, patch, stride, fill)


def test_no_estimate_is_shown_of_an_earlier_training(real_digits: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(real_digits, tmp_path / "cache")
    run = open_workspace("digits", copy).run("hits")
    path = run.artefact("train").folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"digest": "made anew"}))
    assert not estimates.find(run, 5, 1, "black")


def test_maps_that_a_network_draws_are_a_click_away(run: Run, right: str) -> None:
    at = open_maps(image=right, patch="3", about="Times")
    (occlusion, *asked), *_ = estimates.drawn_maps(run)
    at.button(key=f"occlusion_drawn_{occlusion.name}").click().run()
    assert not at.exception
    shown = [at.number_input(key=key).value for key in ("patch", "stride")]
    assert [*shown, "black"] == asked and asked == [5, 1, "black"]
    assert estimates.find(run, 5, 1, "black")


def test_keys_walk_through_the_mistakes(run: Run, fire: Fire) -> None:
    answers = run.predictions()
    mistakes = answers[~answers["correct"] & (answers["split"] == "test")]["sample_id"].tolist()
    at = open_maps(queries="mistakes of test")
    fire(at, MAPS, {"n": 1, "action": "next"})
    assert parameter(at, "image") == mistakes[1]
    fire(at, MAPS, {"n": 2, "action": "previous"})
    assert parameter(at, "image") == mistakes[0]


def test_a_run_that_is_not_trained_says_what_to_do(
    real_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(real_digits, tmp_path / "cache")
    shutil.rmtree(copy / "digits" / "runs" / "hits" / "train")
    monkeypatch.setenv("CENTAURO_CACHE", str(copy))
    at = open_maps()
    assert not at.exception
    assert any("Not made yet" in each.value for each in at.markdown)


def test_a_map_is_computed_grid_by_grid(run: Run, right: str) -> None:
    image = live.to_input(run, images.pixels(run.workspace, right))
    engine = live.engine(run, 3, 1)
    from pipelines.methods.occlusion.patches import filled

    every = list(live.occlude(engine, image[None], filled(image[None], 0.0, 3), 4))
    # A busy machine cuts a grid into parts; the first of each stride is the one that became whole.
    grids = list({grid.stride: grid for grid in reversed(every)}.values())[::-1]
    assert [grid.stride for grid in grids] == [4, 2, 1]
    assert grids[-1].done == 1
    np.testing.assert_allclose(grids[-1].maps[0], looped(run, right, 3), atol=1e-5)
    np.testing.assert_allclose(grids[0].maps, grids[-1].maps[:, ::4, ::4], atol=1e-6)


def test_others_ask_the_models_while_a_map_is_refined(
    run: Run, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "PART", 0.0)
    image = live.to_input(run, images.pixels(run.workspace, right))
    engine = live.engine(run, 3, 1)
    order: list[str] = []
    waiting = Event()

    def ask() -> None:
        waiting.set()
        live.probabilities(run, image[None])
        order.append("other")

    other = Thread(target=ask)

    def slow(*asked: Any) -> np.ndarray:
        order.append("part")
        if len(order) == 10:
            other.start()
            waiting.wait()
            # Until it stands in line.
            time.sleep(0.05)
        return engine.run(*asked)

    grids = live.occlude(replace(engine, run=slow), image[None], image[None] * 0, 4)
    for _ in grids:
        pass
    other.join()
    assert len(order) == 62 and order.index("other") in (10, 11)


def test_a_map_is_refined_part_by_part_and_stops_within_a_stride(
    run: Run, right: str, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refine, "PART", 0.0)
    monkeypatch.setattr(occluding, "COARSEST", 16)
    # The table makes all of a map at once.
    engine = live.engine(run, 3, 1)
    monkeypatch.setattr(live, "engine", lambda *asked: replace(engine, way="whole"))
    told: list[tuple[float, str]] = []
    drawn = st.progress

    class Bar:
        """The page's own bar, which ends the run of the page as a click does at 60 %."""

        def __init__(self, value: float, text: str) -> None:
            told.append((value, text))
            self.bar = drawn(value, text)

        def progress(self, value: float, text: str) -> None:
            told.append((value, text))
            self.bar.progress(value, text)
            if value > 0.6:
                raise StopException

    with monkeypatch.context() as patch:
        patch.setattr(st, "progress", Bar)
        at = open_maps(image=right, patch="3")
    shares = [share for share, _ in told]
    assert shares == [known / 64 for known in range(16, 40)]
    assert told[5][1].startswith("Refining: 33% of the positions are known, the maps show every 2")
    assert shown(at, MAPS)["stride"] == 2
    before = [each for each in at.button if each.label.startswith("Stop with what there is")]
    assert len(before) == 1
    stopped = before[0].click().run()
    assert not stopped.exception
    (go_on,) = (each for each in stopped.button if each.label.startswith("Go on: 61%"))
    assert shown(stopped, MAPS)["stride"] == 2
    ended = go_on.click().run()
    assert not ended.exception and shown(ended, MAPS)["stride"] == 1
    assert any("Exact, 64 positions in" in text.value for text in ended.caption)
    (panel, *_) = shown(ended, MAPS)["panels"]
    label = int(run.predictions().set_index("sample_id").loc[right, "label"])
    np.testing.assert_allclose(values(panel), looped(run, right, 3)[..., label], atol=1e-5)


def test_the_scale_spans_what_is_on_show() -> None:
    low, high = occluding.scale([np.array([[0.2, 0.5]])], [0.9])
    assert (low, high) == pytest.approx((0.2, 0.9))
    low, high = occluding.scale([np.full((2, 2), 1.0)], [1.0])
    assert low < high <= 1


def test_patch_and_stride_grow_with_the_image() -> None:
    assert [occluding.default_patch(side) for side in (8, 21, 28, 150, 224)] == [3, 3, 3, 17, 25]
    assert [occluding.default_stride(side) for side in (8, 32, 33, 224)] == [1, 1, 2, 7]
