"""The page Occlusion on a run that was really trained."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cache import Run, open_workspace
from cache.occlusion import open_occlusion
from dashboard import estimates, images, live, occluding
from pipelines.recipe import load_recipe
from pipelines.runner import run_recipe
from tests.dashboard.conftest import Fire, Shown, parameter
from tests.reports import Silent

NAVIGATION = Path(__file__).parents[3] / "dashboard" / "navigation.py"
MAPS = "occlusion_maps"
RUNS = (
    "runs={hits: {model: hits_cnn, epochs: 2, batch_size: 32, embeddings: {}, occlusion: "
    "{five: {patch: 5, train: 200, val: 40, test: 60, estimators: {ours: {epochs: 1}}}}}}"
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cache")
    run_recipe(load_recipe("digits", (RUNS,)), Silent(), command="x", reference="digits", root=root)
    return root


@pytest.fixture
def run(real: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CENTAURO_CACHE", str(real))
    return open_workspace("digits", real).run("hits")


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
    at = open_maps(image=right)
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
    at = open_maps(image=wrong)
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
    image = live.to_input(run, images.pixels(run.workspace, right))
    expected = looped(run, right, 1, float(image.mean()))[::2, ::2, 7]
    drawn = np.frombuffer(base64.b64decode(data["panels"][0]["values"]), "<f4").reshape(4, 4)
    np.testing.assert_allclose(drawn, expected, atol=1e-5)
    assert data["hidden"] == occluding.hidden_colour(image, "mean")


def test_an_estimate_stands_beside_the_exact_map(run: Run, right: str, shown: Shown) -> None:
    at = open_maps(image=right, patch="5")
    assert not at.exception
    exact, estimate, difference = shown(at, MAPS)["panels"]
    assert (estimate["title"], difference["kind"]) == ("Estimate", "difference")
    label = int(run.predictions().set_index("sample_id").loc[right, "label"])
    np.testing.assert_allclose(values(exact), looped(run, right, 5)[..., label], atol=1e-5)
    image = live.to_input(run, images.pixels(run.workspace, right))
    drawn = live.draw(open_occlusion(run, "five"), "ours", image, label)
    np.testing.assert_allclose(values(estimate), drawn, atol=1e-5)
    np.testing.assert_allclose(values(difference), values(estimate) - values(exact), atol=1e-6)
    document = open_occlusion(run, "five").document("estimators")
    assert estimates.finding(document) in [text.value for text in at.markdown]
    (table,) = at.table
    assert list(table.value["estimator"]) == ["mean map", "every third position", "ours"]
    assert any("60 test maps" in text.value or "flat ones" in text.value for text in at.caption)


def test_times_are_told_each_way(run: Run, right: str) -> None:
    at = open_maps(image=right, patch="5", about="Times")
    (table,) = at.table
    assert list(table.value["way"]) == ["the study's loop", "exact engine", "ours"]


def test_no_estimate_is_shown_of_other_patches(run: Run) -> None:
    assert estimates.find(run, 5, 1, "black")
    for patch, stride, fill in ((3, 1, "black"), (5, 2, "black"), (5, 1, "mean")):
        assert not estimates.find(run, patch, stride, fill)


def test_keys_walk_through_the_mistakes(run: Run, fire: Fire) -> None:
    answers = run.predictions()
    mistakes = answers[~answers["correct"] & (answers["split"] == "test")]["sample_id"].tolist()
    at = open_maps(queries="mistakes of test")
    fire(at, MAPS, {"n": 1, "action": "next"})
    assert parameter(at, "image") == mistakes[1]
    fire(at, MAPS, {"n": 2, "action": "previous"})
    assert parameter(at, "image") == mistakes[0]


def test_a_run_that_is_not_trained_says_what_to_do(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(real, tmp_path / "cache")
    shutil.rmtree(copy / "digits" / "runs" / "hits" / "train")
    monkeypatch.setenv("CENTAURO_CACHE", str(copy))
    at = open_maps()
    assert not at.exception
    assert any("Not made yet" in each.value for each in at.markdown)


def test_a_map_is_computed_grid_by_grid(run: Run, right: str) -> None:
    image = live.to_input(run, images.pixels(run.workspace, right))
    engine = live.engine(run, 3, 1)
    from pipelines.methods.occlusion.patches import filled

    grids = list(live.occlude(engine, image[None], filled(image[None], 0.0, 3), 4))
    assert [grid.stride for grid in grids] == [4, 2, 1]
    assert grids[-1].done == 1
    np.testing.assert_allclose(grids[-1].maps[0], looped(run, right, 3), atol=1e-5)
    np.testing.assert_allclose(grids[0].maps, grids[-1].maps[:, ::4, ::4], atol=1e-6)


def test_the_scale_spans_what_is_on_show() -> None:
    low, high = occluding.scale([np.array([[0.2, 0.5]])], [0.9])
    assert (low, high) == pytest.approx((0.2, 0.9))
    low, high = occluding.scale([np.full((2, 2), 1.0)], [1.0])
    assert low < high <= 1


def test_patch_and_stride_grow_with_the_image() -> None:
    assert [occluding.default_patch(side) for side in (8, 21, 28, 150, 224)] == [3, 3, 3, 17, 25]
    assert [occluding.default_stride(side) for side in (8, 32, 33, 224)] == [1, 1, 2, 7]
