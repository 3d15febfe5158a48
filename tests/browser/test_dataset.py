"""The dataset page in a real browser: tiles open, regions are picked, links show the same."""

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
    """The dashboard on one workspace of two channels and many classes."""
    root = tmp_path_factory.mktemp("workspaces")
    classes = tuple(f"kind {place}" for place in range(8))
    make_workspace(root, "stamps", classes=classes, channels=("template", "science"))
    return serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(root))


def query(page: Page) -> dict[str, list[str]]:
    """Parameters of the page's URL."""
    return parse_qs(urlsplit(page.url).query)


def wait_for(page: Page, name: str, there: bool = True) -> None:
    """Wait until the URL has a parameter, or has it no more."""
    page.wait_for_url(lambda url: (name in parse_qs(urlsplit(url).query)) == there)


def test_a_tile_far_down_opens_in_sight_and_closing_returns_to_it(
    address: str, visit: Visit
) -> None:
    page = visit(f"{address}/dataset?workspace=stamps&tab=Images", height=700)
    tile = page.get_by_role("listbox", name="Images of class kind 7").get_by_role("option").first
    tile.scroll_into_view_if_needed()
    tile.click()
    picture = page.get_by_role("group", name="Open image")
    expect(picture).to_be_in_viewport(ratio=0.7)
    wait_for(page, "image")
    page.keyboard.press("Escape")
    expect(picture).to_have_count(0)
    wait_for(page, "image", there=False)
    expect(tile).to_be_in_viewport()
    expect(tile).to_be_focused()


def test_a_region_is_read_and_its_link_shows_it_to_others(address: str, visit: Visit) -> None:
    page = visit(f"{address}/dataset?workspace=stamps&image=0000000000000004&channel=science")
    picture = page.get_by_role("img", name="Image of class")
    expect(picture).to_be_visible()
    box = picture.bounding_box()
    assert box is not None
    pixel = box["width"] / 8
    page.mouse.move(box["x"] + 2.5 * pixel, box["y"] + 1.5 * pixel)
    page.mouse.down()
    page.mouse.move(box["x"] + 4.5 * pixel, box["y"] + 3.5 * pixel, steps=4)
    page.mouse.up()
    wait_for(page, "region")
    assert query(page)["region"] == ["2,1,5,4"]
    expect(page.get_by_text("x 2 to 4, y 1 to 3")).to_have_count(2)
    other = visit(page.url)
    expect(other.get_by_text("Pixel values · x 2 to 4, y 1 to 3 · 9 pixels")).to_be_visible()
    expect(other.get_by_role("tab", name="science")).to_have_attribute("aria-selected", "true")


def test_filters_and_sections_stand_in_the_url(address: str, visit: Visit) -> None:
    page = visit(f"{address}/dataset?workspace=stamps", width=800)
    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name="test", exact=True).click()
    expect(main.get_by_text("30 of 150 images chosen: test.")).to_be_visible()
    page.get_by_role("tab", name="Images").click()
    page.get_by_role("radio", name="one list").click()
    wait_for(page, "grid")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(30)
    other = visit(page.url)
    expect(other.get_by_role("listbox").get_by_role("option")).to_have_count(30)
    expect(other.get_by_text("30 of 150 images chosen: test.")).to_be_visible()
