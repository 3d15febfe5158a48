from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import summary
from tests.dashboard.conftest import make_workspace

Open = Callable[..., AppTest]


def test_an_empty_cache_says_how_to_make_a_workspace(cache_folder: Path, open_page: Open) -> None:
    at = open_page()
    assert not at.exception
    commands = [code.value for code in at.code]
    assert "python -m pipelines run digits" in commands
    assert any("--set dataset.root=DIR" in command for command in commands)
    assert any("/workspaces" in caption.value for caption in at.caption)


def test_a_workspace_made_meanwhile_shows_at_the_next_look(
    cache_folder: Path, open_page: Open
) -> None:
    at = open_page()
    make_workspace(cache_folder, "late")
    at.button[0].click().run()
    assert not at.exception
    assert at.title[0].value == "Overview"


def test_the_table_has_every_run_with_numbers(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["run"].tolist() == ["plain", "wide", "hits"]
    assert table["test"].between(0, 100).all()
    assert table["test_interval"].str.fullmatch(r"[\d.]+ to [\d.]+ of 30").all()
    assert table["parameters"].tolist() == [8112] * 3
    assert (table["action"] == "Mistakes").all()


def test_the_finding_compares_on_val_only(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    finding = open_page().subheader[0].value
    assert finding.startswith("2 workspaces hold 3 runs, all complete.")
    assert "validation" in finding and "test" not in finding
    best = max(summary.summarise(workspaces["shapes"]), key=lambda run: run.accuracies["val"].value)
    assert f"{best.name} in shapes" in finding


def test_simulated_data_is_named(workspaces: dict[str, Workspace], open_page: Open) -> None:
    at = open_page()
    assert any("Simulated data: stamps" in caption.value for caption in at.caption)


@pytest.fixture
def unfinished(cache_folder: Path) -> Workspace:
    """One run in each state that is not complete, and one that is."""
    runs = {
        "done": {"skill": 3.0, "epochs": 4},
        "half": {"skill": 3.0, "epochs": 4, "until": "train"},
        "planned": {"skill": 3.0, "epochs": 4, "until": None},
        "broken_off": {"skill": 3.0, "epochs": 4, "until": None},
    }
    workspace = make_workspace(cache_folder, "unfinished", runs=runs)
    (workspace.folder / "runs" / "broken_off" / ".train.work").mkdir(parents=True)
    return workspace


def test_what_is_missing_is_said_with_its_command(unfinished: Workspace, open_page: Open) -> None:
    at = open_page()
    assert not at.exception
    states = at.dataframe[0].value.set_index("run")["state"].to_dict()
    assert states == {
        "done": "complete",
        "half": "no predictions",
        "planned": "not trained",
        "broken_off": "interrupted",
    }
    assert "python -m pipelines run unfinished" in [code.value for code in at.code]
    said = next(text.value for text in at.text if text.value.startswith("Interrupted"))
    assert "Interrupted: train of broken_off." in said
    assert "Missing: predictions of half; inputs, train and predictions of planned" in said
    assert at.subheader[0].value.startswith("1 workspace holds 4 runs, 1 complete.")


def test_a_stale_workspace_says_so(unfinished: Workspace, open_page: Open) -> None:
    document = unfinished.folder / "workspace.json"
    text = document.read_text()
    samples = next(each for each in unfinished.document["plan"] if each["stage"] == "samples")
    document.write_text(text.replace(samples["settings"], "0" * 32))
    at = open_page()
    assert not at.exception
    states = at.dataframe[0].value.set_index("run")["state"]
    assert states["done"] == "stale"
    assert any(text.value.startswith("Stale: samples") for text in at.text)


def test_one_damaged_workspace_leaves_the_others_in_sight(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    (workspaces["stamps"].folder / "workspace.json").write_text("{")
    at = open_page()
    assert not at.exception
    assert at.dataframe[0].value["run"].tolist() == ["plain", "wide"]
    assert any("workspace.json cannot be read" in text.value for text in at.text)


def test_a_card_leads_to_its_workspace(workspaces: dict[str, Workspace], open_page: Open) -> None:
    at = open_page()
    at.button(key="open_training_stamps").click().run()
    assert not at.exception
    assert at.title[0].value == "Training"
    assert at.selectbox(key="workspace").value == "stamps"
    assert at.selectbox(key="run").value == "hits"
