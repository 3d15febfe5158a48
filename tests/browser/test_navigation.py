"""The way through the pages in a real browser: clicks, the URL, back and forward, themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import make_workspace

PROJECT = Path(__file__).parents[2]

# A cold server on a busy machine draws its first page slowly.
expect.set_options(timeout=30_000)

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dashboard on a real and a simulated workspace."""
    root = tmp_path_factory.mktemp("workspaces")
    make_workspace(root, "shapes")
    make_workspace(
        root,
        "stamps",
        classes=("artefact", "transient"),
        channels=("template", "science"),
        runs={"hits": {"skill": 2.5, "epochs": 6}, "deep": {"skill": 3.0, "epochs": 9}},
        simulated="Stamps of a simulated survey; no telescope saw them.",
    )
    return serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(root))


def choose(page: Page, label: str, name: str) -> None:
    """Choose in a selector of the sidebar."""
    page.get_by_test_id("stSidebar").get_by_label(label, exact=True).click()
    page.get_by_role("option", name=name, exact=True).click()


def finding(page: Page) -> str:
    """The opening sentence, once the page stands."""
    return page.get_by_test_id("stMain").get_by_role("heading", level=3).first.inner_text()


def expect_query(page: Page, **wanted: str) -> None:
    """Wait until the URL names what is selected."""

    def holds(url: str) -> bool:
        query = parse_qs(urlsplit(url).query)
        return all(query.get(name) == [value] for name, value in wanted.items())

    page.wait_for_url(holds)


def test_the_url_follows_the_selectors(address: str, visit: Visit) -> None:
    page = visit(f"{address}/")
    expect_query(page, workspace="shapes", run="plain")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Training").click()
    expect(page.get_by_role("heading", name="Training", level=1)).to_be_visible()
    choose(page, "Workspace", "stamps")
    expect_query(page, workspace="stamps", run="hits")
    choose(page, "Run", "deep")
    expect_query(page, workspace="stamps", run="deep")
    expect(page.get_by_text("Simulated data").first).to_be_visible()
    choose(page, "Workspace", "shapes")
    expect_query(page, workspace="shapes", run="plain")
    choose(page, "Run", "wide")
    expect_query(page, workspace="shapes", run="wide")

    copied = visit(page.url)
    expect(copied.get_by_text("wide was best at epoch")).to_be_visible()
    assert finding(copied) == finding(page)


def test_the_button_of_a_run_leads_to_its_mistakes_and_back(address: str, visit: Visit) -> None:
    page = visit(f"{address}/")
    grid = page.get_by_test_id("stDataFrame").first
    expect(grid).to_be_visible()
    expect_query(page, workspace="shapes")
    box = grid.bounding_box()
    assert box is not None
    # The table is drawn on a canvas: the second run, in the third column.
    page.mouse.click(box["x"] + 227, box["y"] + 83)
    page.wait_for_url("**/errors?*")
    expect_query(page, workspace="shapes", run="wide")
    # Streamlit may enter the page into the history once without and once with its parameters.
    overview = page.get_by_role("heading", name="Overview", level=1)
    for _ in range(3):
        page.go_back()
        page.wait_for_timeout(1000)
        if overview.is_visible():
            break
    expect(overview).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (800, "dark")])
@pytest.mark.parametrize("path", ["", "training"])
def test_pages_fit_their_width_in_both_themes(
    address: str, visit: Visit, path: str, width: int, scheme: str
) -> None:
    page = visit(f"{address}/{path}", width=width, color_scheme=scheme)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    sideways = page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth")
    assert sideways == 0
    surface = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    assert surface == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]
