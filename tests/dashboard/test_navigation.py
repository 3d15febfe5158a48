from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import pages, selection

ROOT = Path(__file__).parents[2]

Open = Callable[..., AppTest]


def test_the_first_workspace_and_run_are_selected(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training")
    assert not at.exception
    assert at.selectbox(key="workspace").value == "shapes"
    assert at.selectbox(key="run").value == "plain"
    assert at.query_params["workspace"] == "shapes"
    assert at.query_params["run"] == "plain"


def test_a_link_selects(workspaces: dict[str, Workspace], open_page: Open) -> None:
    at = open_page("training", workspace="shapes", run="wide")
    assert at.selectbox(key="run").value == "wide"
    assert at.subheader[0].value.startswith("wide was best")


def test_another_workspace_brings_its_own_runs(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training", workspace="shapes", run="wide")
    at.selectbox(key="workspace").select("stamps").run()
    assert not at.exception
    assert at.selectbox(key="run").value == "hits"
    assert at.multiselect(key="runs").value == ["hits"]


def test_the_selection_outlives_a_change_of_page(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    at = open_page("training", workspace="shapes", run="wide")
    at.switch_page("views/overview.py").run()
    at.switch_page("views/training.py").run()
    assert at.selectbox(key="workspace").value == "shapes"
    assert at.selectbox(key="run").value == "wide"


@pytest.mark.parametrize(
    ("parameters", "title"),
    [
        ({"workspace": "nowhere"}, "No such workspace"),
        ({"workspace": "shapes", "run": "nothing"}, "No such run"),
    ],
)
def test_a_link_to_what_is_not_there_says_so(
    workspaces: dict[str, Workspace], open_page: Open, parameters: dict[str, str], title: str
) -> None:
    at = open_page("training", **parameters)
    assert not at.exception
    assert title in at.markdown[0].value
    assert any(list(parameters.values())[-1] in text.value for text in at.text)
    at.selectbox(key=list(parameters)[-1]).select_index(0).run()
    assert not at.exception
    assert at.subheader[0].value.startswith("plain was best")


def test_simulated_data_is_marked_beside_the_selector(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    said = "Stamps of a simulated survey; no telescope saw them."
    real = open_page("training", workspace="shapes")
    assert said not in [caption.value for caption in real.sidebar.caption]
    simulated = open_page("training", workspace="stamps")
    assert said in [caption.value for caption in simulated.sidebar.caption]
    assert any("Simulated data" in each.value for each in simulated.sidebar.markdown)


@pytest.mark.parametrize("page", [page for page in pages.FILES if page != "overview"])
def test_every_page_of_an_empty_cache_leads_to_the_first_steps(
    cache_folder: Path, open_page: Open, page: str
) -> None:
    at = open_page(page)
    assert not at.exception
    assert any("The cache is empty" in each.value for each in at.markdown)


def test_a_damaged_artefact_is_a_message_with_its_place(
    workspaces: dict[str, Workspace], open_page: Open
) -> None:
    path = workspaces["shapes"].artefact("samples").folder / "dataset.json"
    path.write_text("{")
    at = open_page("training", workspace="shapes")
    assert not at.exception
    assert any(str(path) in text.value for text in at.text)


def test_links_are_whole() -> None:
    assert selection.url("overview") == "/"
    link = selection.url("errors", workspace="my data", run="a&b", image=None)
    assert link == "/errors?workspace=my+data&run=a%26b"


def test_no_page_imports_tensorflow_umap_or_numba(workspaces: dict[str, Workspace]) -> None:
    # Occlusion asks the model itself; all others read what the pipelines wrote.
    reading = [path for name, path in pages.FILES.items() if name != "occlusion"]
    script = f"""
import json, sys
from streamlit.testing.v1 import AppTest
import dashboard.app
at = AppTest.from_file({str(ROOT / "dashboard" / "navigation.py")!r}, default_timeout=60).run()
failed = []
for page in {reading!r}:
    at.switch_page(page).run()
    failed += [page for _ in at.exception]
heavy = [name for name in ("tensorflow", "keras", "umap", "torch", "numba") if name in sys.modules]
print(json.dumps([failed, heavy]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [[], []]


def test_no_module_hides_one_of_python() -> None:
    # Streamlit puts the folder of the script first on the path: dashboard/statistics.py would be
    # what "import statistics" finds, in NumPy and everywhere else.
    names = {path.stem for path in (ROOT / "dashboard").glob("*.py")}
    assert not names & sys.stdlib_module_names
