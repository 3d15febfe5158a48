"""The errors page in a real browser: from a cell to its images, to one image, and to a link."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from cache import open_workspace
from tests.dashboard.conftest import make_workspace

PROJECT = Path(__file__).parents[2]
PATIENCE = 20_000

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspaces")
    make_workspace(folder, "shapes", count=300)
    make_workspace(
        folder,
        "stamps",
        classes=("artefact", "transient"),
        channels=("template", "science"),
        runs={"hits": {"skill": 1.5, "epochs": 6}},
        simulated="Stamps of a simulated survey; no telescope saw them.",
    )
    signs = ("circle", "cross", "square", "ring", "bar", "dot")
    make_workspace(folder, "signs", classes=signs, runs={"plain": {"skill": 1.0, "epochs": 6}})
    return folder


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], root: Path) -> str:
    return serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(root))


@pytest.fixture(scope="module")
def answers(root: Path) -> pd.DataFrame:
    """What the run ``plain`` says of the test images of ``shapes``, highest loss first."""
    table = open_workspace("shapes", root).run("plain").predictions()
    return table[table["split"] == "test"].sort_values("loss", ascending=False, kind="stable")


def tiles(page: Page) -> Locator:
    return page.locator(".tile")


def expect_tiles(page: Page, wanted: list[str]) -> None:
    """Wait until the gallery shows exactly these images, in this order."""
    expect(tiles(page)).to_have_count(len(wanted), timeout=PATIENCE)
    page.wait_for_function(
        """wanted => {
          const found = [];
          const walk = (node) => {
            for (const each of node.querySelectorAll("*")) {
              if (each.classList.contains("tile")) found.push(each.dataset.id);
              if (each.shadowRoot) walk(each.shadowRoot);
            }
          };
          walk(document);
          return found.join() === wanted.join();
        }""",
        arg=wanted,
        timeout=PATIENCE,
    )


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def expect_query(page: Page, **wanted: str | None) -> None:
    """Wait until parameters of the URL have these values; None means they are not there."""

    def holds(url: str) -> bool:
        there = parse_qs(urlsplit(url).query)
        return all(
            there.get(name) == (None if value is None else [value])
            for name, value in wanted.items()
        )

    page.wait_for_url(holds, timeout=PATIENCE)


def cell(page: Page, true: int, predicted: int) -> Locator:
    return page.locator(f".cell[data-true='{true}'][data-predicted='{predicted}']")


def ids(answers: pd.DataFrame, question: str) -> list[str]:
    return list(answers.query(question)["sample_id"])


@pytest.fixture
def page(visit: Visit, address: str, answers: pd.DataFrame) -> Page:
    opened = visit(f"{address}/errors?workspace=shapes")
    expect_tiles(opened, ids(answers, "~correct"))
    return opened


def test_a_click_on_a_cell_or_a_class_shows_exactly_its_images(
    page: Page, answers: pd.DataFrame
) -> None:
    table = answers.query("~correct").groupby(["label", "predicted"], observed=True).size()
    true, predicted = table.idxmax()
    names = list(answers["label"].cat.categories)
    cell(page, names.index(true), names.index(predicted)).click()
    expect_tiles(page, ids(answers, f"label == '{true}' & predicted == '{predicted}'"))
    expect_query(page, true=true, predicted=predicted, answer="all")
    images = tiles(page).locator("img")
    expect(images.first).to_have_js_property("complete", True)
    assert images.first.evaluate("image => image.naturalWidth") == 8

    page.get_by_role("rowheader", name="square").click()
    expect_query(page, true="square", predicted=None)
    wanted = ids(answers, "label == 'square'")
    expect_tiles(page, wanted[:30])
    page.get_by_role("button", name="Reset filters").click()
    expect_tiles(page, ids(answers, "~correct"))
    expect_query(page, true=None, predicted=None, answer="wrong")


def test_a_deep_link_shows_the_same_in_a_fresh_profile(
    page: Page, visit: Visit, answers: pd.DataFrame
) -> None:
    page.get_by_role("columnheader", name="cross").click()
    wanted = ids(answers, "predicted == 'cross'")
    expect_tiles(page, wanted[:30])
    page.get_by_text("right", exact=True).first.click()
    right = ids(answers, "predicted == 'cross' & correct")
    expect_tiles(page, right[:30])
    page.get_by_text("by row", exact=True).click()
    expect_query(page, predicted="cross", answer="right", cells="by row")
    tiles(page).nth(2).click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE)
    expect_query(page, image=right[2])

    copied = visit(page.url)
    dialog = copied.get_by_role("dialog")
    expect(dialog.get_by_text(f"3 of {len(right)}")).to_be_visible(timeout=PATIENCE)
    expect_tiles(copied, right[:30])
    link = dialog.get_by_test_id("stCode").inner_text().replace("\n", "")
    assert query(copied) == query(page) == parse_qs(urlsplit(link).query)
    assert urlsplit(link)[:3] == urlsplit(page.url)[:3]
    copied.keyboard.press("Escape")
    expect(dialog).to_be_hidden(timeout=PATIENCE)
    expect_query(copied, image=None, predicted="cross", answer="right")
    shown = copied.locator(".chosen")
    expect(shown).to_be_visible()
    assert copied.locator(".cell").first.inner_text() == page.locator(".cell").first.inner_text()


def test_arrow_keys_walk_through_what_is_filtered(page: Page, answers: pd.DataFrame) -> None:
    wrong = ids(answers, "~correct")
    tiles(page).nth(1).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"2 of {len(wrong)}")).to_be_visible(timeout=PATIENCE)
    for place in (2, 3):
        page.keyboard.press("ArrowRight")
        expect_query(page, image=wrong[place])
    for place in (2, 1, 0):
        page.keyboard.press("ArrowLeft")
        expect_query(page, image=wrong[place])
    first = answers.query("~correct").iloc[0]
    expect(dialog.get_by_text(f"true {first['label']}, predicted")).to_be_visible()
    expect(dialog.get_by_text(first["sample_id"]).first).to_be_visible()
    expect(dialog.locator(".js-plotly-plot .bars path")).to_have_count(3)
    expect(dialog.get_by_role("button", name="Previous image")).to_be_disabled()
    dialog.get_by_role("button", name="Close (Escape)").click()
    expect(dialog).to_be_hidden(timeout=PATIENCE)
    expect_query(page, image=None)


@pytest.mark.parametrize("way", ["cross", "outside"])
def test_a_dialog_closed_by_its_own_means_is_closed_for_good(page: Page, way: str) -> None:
    tiles(page).nth(0).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible(timeout=PATIENCE)
    if way == "cross":
        dialog.get_by_role("button", name="Close", exact=True).last.click()
    else:
        page.mouse.click(5, 450)
    expect(dialog).to_be_hidden(timeout=PATIENCE)
    expect_query(page, image=None)
    tiles(page).nth(1).click(modifiers=["Control"])
    expect(page.get_by_role("button", name="Table of 1 selected")).to_be_visible(timeout=PATIENCE)
    expect(dialog).to_be_hidden()


def test_images_are_selected_by_keyboard_and_downloaded(page: Page, answers: pd.DataFrame) -> None:
    wrong = ids(answers, "~correct")
    tiles(page).nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowRight")
    table = page.get_by_role("button", name="Table of 2 selected")
    expect(table).to_be_visible(timeout=PATIENCE)
    expect(tiles(page).nth(2)).to_be_focused()
    expect_query(page, selected=f"{wrong[1]}.{wrong[2]}")
    with page.expect_download() as download:
        table.click()
    rows = pd.read_csv(download.value.path(), dtype={"sample_id": str})
    assert download.value.suggested_filename == "shapes plain test.csv"
    assert rows["sample_id"].tolist() == wrong[1:3]
    assert {"p circle", "p cross", "p square"} < set(rows.columns)
    with page.expect_download() as download:
        page.get_by_role("button", name="Images of 2 selected").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        names = [Path(name).stem for name in archive.namelist()]
    assert names == [*wrong[1:3], "predictions"]
    tiles(page).nth(2).focus()
    page.keyboard.press("Enter")
    expect_query(page, image=wrong[2])


def test_a_class_of_the_table_shows_its_images(page: Page, answers: pd.DataFrame) -> None:
    page.get_by_role("tab", name="Classes").click()
    grid = page.get_by_role("tabpanel").get_by_test_id("stDataFrame").first
    expect(grid).to_be_visible()
    expect_query(page, figures="Classes")
    box = grid.bounding_box()
    assert box is not None
    # The table is drawn on a canvas: the name in the second row.
    page.mouse.click(box["x"] + 30, box["y"] + 35 + 35 + 17)
    expect_query(page, true="cross", answer="all")
    expect_tiles(page, ids(answers, "label == 'cross'")[:30])


def test_the_way_from_an_image_to_the_dataset_page(page: Page, answers: pd.DataFrame) -> None:
    wrong = ids(answers, "~correct")
    tiles(page).nth(0).click()
    page.get_by_role("button", name="Show on the dataset page").click()
    page.wait_for_url(re.compile(r"/dataset\?"), timeout=PATIENCE)
    expect_query(page, workspace="shapes", image=wrong[0])


def test_the_channel_of_an_open_image(visit: Visit, address: str) -> None:
    page = visit(f"{address}/errors?workspace=stamps&channel=science")
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    assert "/science/" in (tiles(page).first.locator("img").get_attribute("src") or "")
    tiles(page).first.click()
    dialog = page.get_by_role("dialog")
    image = dialog.locator(".picture img")
    expect(image).to_have_attribute("src", re.compile("/science/"), timeout=PATIENCE)
    dialog.get_by_text("template", exact=True).click()
    expect(image).to_have_attribute("src", re.compile("/template/"), timeout=PATIENCE)
    expect(dialog.get_by_text("no telescope saw them")).to_be_visible()


def test_the_error_sheet_on_paper(visit: Visit, address: str, root: Path) -> None:
    answers = open_workspace("stamps", root).run("hits").predictions()
    wrong = answers[(answers["split"] == "test") & ~answers["correct"]]["sample_id"].iloc[0]
    page = visit(f"{address}/sheet?workspace=stamps&image={wrong}&channel=science")
    expect(page.get_by_text("Link to this sheet")).to_be_visible(timeout=PATIENCE)
    image = page.get_by_role("group", name="Image", exact=True)
    shown = image.locator(".picture img")
    expect(shown).to_have_attribute("src", re.compile("/science/"), timeout=PATIENCE)
    views = page.locator(".views figure")
    expect(views).to_have_text(["template", "science"])
    zoom = image.get_by_role("button").first
    expect(zoom).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    for gone in (zoom, page.get_by_test_id("stSidebar"), page.get_by_role("button").first):
        expect(gone).to_be_hidden()
    expect(views.first.locator("img")).to_be_visible()
    paper = page.locator(".stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 1


def test_a_sheet_of_many_classes_is_one_side_of_paper(
    visit: Visit, address: str, root: Path
) -> None:
    answers = open_workspace("signs", root).run("plain").predictions()
    wrong = answers[(answers["split"] == "test") & ~answers["correct"]]["sample_id"].iloc[0]
    page = visit(f"{address}/sheet?workspace=signs&image={wrong}")
    expect(page.get_by_text("Link to this sheet")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_label("Nearest images in")).to_have_count(4, timeout=PATIENCE)
    page.emulate_media(media="print")
    assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") == 1


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (800, "dark")])
def test_the_page_fits_its_width(address: str, visit: Visit, width: int, scheme: str) -> None:
    page = visit(f"{address}/errors?workspace=shapes", width=width, color_scheme=scheme)
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    sideways = page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth")
    assert sideways == 0
