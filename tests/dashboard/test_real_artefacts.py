"""Every page on what the pipelines really wrote, read or simulated, trained and predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cache import open_workspace
from pipelines.recipe import load_recipe
from pipelines.runner import run_recipe
from tests.reports import Silent

NAVIGATION = Path(__file__).parents[2] / "dashboard" / "navigation.py"
RUNS = {"digits": "hits", "transients": "h2"}
SETS = {
    "digits": ("runs={hits: {model: hits_cnn, epochs: 2, batch_size: 32}}",),
    "transients": (
        "dataset.count=600",
        "runs={h2: {model: hits_cnn, epochs: 2, image: {channels: [snr difference]}}}",
    ),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cache")
    for name, sets in SETS.items():
        run_recipe(load_recipe(name, sets), Silent(), command="x", reference=name, root=root)
    return root


def open_real(page: str, workspace: str) -> AppTest:
    at = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    at.query_params["workspace"] = workspace
    at.run()
    at.switch_page(f"views/{page}.py")
    at.query_params["workspace"] = workspace
    return at.run()


@pytest.mark.parametrize("workspace", ["digits", "transients"])
@pytest.mark.parametrize("page", ["dataset", "training", "errors"])
def test_a_page_shows_real_artefacts(
    real: Path, monkeypatch: pytest.MonkeyPatch, page: str, workspace: str
) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real))
    at = open_real(page, workspace)
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="workspace").value == workspace
    told = " ".join(element.value for element in [*at.markdown, *at.caption])
    simulated = open_workspace(workspace, real).dataset.simulated
    assert (simulated is not None) == (workspace == "transients")
    assert simulated is None or "simulated" in told


def test_the_errors_page_counts_the_mistakes_of_the_table(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real))
    answers = open_workspace("digits", real).run("hits").predictions()
    test = answers[answers["split"] == "test"]
    at = open_real("errors", "digits")
    finding = f"{np.sum(~test['correct'])} of {len(test)} test images are wrong"
    assert at.subheader[0].value.startswith(finding)


def test_the_overview_names_every_workspace(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTAURO_CACHE", str(real))
    at = AppTest.from_file(str(NAVIGATION), default_timeout=60).run()
    assert not at.exception
    (table,) = at.dataframe
    assert set(table.value.astype("str").to_numpy().ravel()) >= {*RUNS, *RUNS.values()}
