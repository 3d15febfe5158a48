from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

PLAYGROUND = Path(__file__).with_name("playground.py")
PATIENCE = 15_000
SIDE = 21
BLANK = {"light": [255, 255, 255], "dark": [20, 24, 29]}
"""The page's background: what a position looks like that has not been reached."""

PAINTED = """(canvas, [row, column, side]) => {
  const at = (place) => Math.floor(((place + 0.5) * canvas.width) / side);
  const { data } = canvas.getContext("2d").getImageData(at(column), at(row), 1, 1);
  return [...data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def address(serve: Any) -> str:
    return str(serve(PLAYGROUND))


@pytest.fixture
def page(visit: Any, address: str) -> Page:
    page: Page = visit(f"{address}/?show=occlusion")
    expect(board(page)).to_be_visible(timeout=PATIENCE)
    return page


def board(page: Page) -> Locator:
    return page.get_by_role("application")


def readout(page: Page) -> Locator:
    return page.locator(".readout")


def says(page: Page, text: str) -> None:
    """Wait until the script of the page, and so Python, says a line."""
    expect(page.get_by_text(text, exact=True)).to_be_visible(timeout=PATIENCE)


def go(page: Page, row: int, column: int, panel: int = 1, side: int = SIDE) -> None:
    """Put the pointer on a pixel of a panel; the image is panel 0."""
    box = page.locator(".picture").nth(panel).bounding_box()
    assert box is not None
    pixel = box["width"] / side
    page.mouse.move(box["x"] + (column + 0.5) * pixel, box["y"] + (row + 0.5) * pixel)


def painted(page: Page, row: int, column: int, panel: int = 1) -> list[int]:
    canvas = page.locator(".picture").nth(panel).locator("canvas")
    levels: list[int] = canvas.evaluate(PAINTED, [row, column, SIDE])
    return levels


def marked(page: Page, panel: int) -> tuple[int, int, int, int]:
    """What the mark on a panel encloses, in pixels of the image: left, top, right, bottom."""
    x0, y0, x1, y1 = (
        page.locator(".picture")
        .nth(panel)
        .evaluate(
            """(picture, side) => {
          const [whole, box] = [picture, picture.querySelector(".mark")].map((element) =>
            element.getBoundingClientRect());
          const pixel = whole.width / side;
          return [box.left - whole.left, box.top - whole.top, box.right - whole.left,
            box.bottom - whole.top].map((length) => Math.round(length / pixel));
        }""",
            SIDE,
        )
    )
    return x0, y0, x1, y1


def values(page: Page) -> dict[str, float]:
    """The numbers of the line under the panels, by name."""
    text = readout(page).inner_text().replace("−", "-")
    pairs = re.findall(r"(exact|estimate|difference|without a patch) ([-+]?[\d.]+)", text)
    return {name: float(value) for name, value in pairs}


def test_the_pointer_chooses_a_position_on_every_panel(page: Page) -> None:
    expect(readout(page)).to_contain_text("Point at a panel")
    for panel, row, column in [(1, 11, 8), (0, 4, 17), (3, 20, 0)]:
        go(page, row, column, panel)
        expect(readout(page)).to_contain_text(f"Patch at row {row}, column {column}: exact ")
        assert marked(page, 1) == marked(page, 2) == marked(page, 3)
        assert marked(page, 1) == (column, row, column + 1, row + 1)
    # The patch is clipped at the border, as the model saw it.
    assert marked(page, 0) == (0, 19, 2, 21)
    filled = page.locator(".mark").first.evaluate("mark => getComputedStyle(mark).backgroundColor")
    assert filled == "rgb(0, 0, 0)"


def test_the_line_says_the_values_that_are_painted(page: Page) -> None:
    go(page, 11, 8)
    low = values(page)
    # What the playground made: low in the dent, the estimate nine tenths of it and a little.
    assert low["exact"] < 0.2
    assert low["estimate"] == pytest.approx(0.9 * low["exact"] + 0.04, abs=0.011)
    assert low["difference"] == pytest.approx(low["estimate"] - low["exact"], abs=0.011)
    assert low["without a patch"] == 0.97
    assert painted(page, 11, 8)[2] > 80, "violet, the low end of viridis"
    go(page, 1, 19)
    assert values(page)["exact"] > 0.9
    assert painted(page, 1, 19)[0] > 180, "yellow, the high end"
    assert painted(page, 1, 19, 3)[2] > painted(page, 1, 19, 3)[0], "blue: the estimate is lower"
    assert painted(page, 11, 8, 3)[0] > painted(page, 11, 8, 3)[2], "orange: it is higher"


def test_leaving_keeps_the_last_position_faint(page: Page) -> None:
    go(page, 11, 8)
    expect(board(page)).not_to_have_class(re.compile("faint"))
    page.mouse.move(2, 2)
    expect(board(page)).to_have_class(re.compile("faint"))
    expect(readout(page)).to_contain_text("Patch at row 11, column 8")


def test_the_keyboard_moves_and_says(page: Page) -> None:
    page.get_by_role("slider", name="Map opacity").focus()
    page.keyboard.press("Tab")
    expect(board(page)).to_be_focused()
    assert "solid 2px" in board(page).evaluate("board => getComputedStyle(board).outline")
    spoken = page.locator("[aria-live=polite]")
    expect(spoken).to_contain_text("Patch at row 10, column 10: exact")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(spoken).to_contain_text("Patch at row 9, column 11: exact")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    expect(spoken).to_contain_text("Patch at row 9, column 20")
    page.keyboard.press("Control+Home")
    expect(spoken).to_contain_text("Patch at row 0, column 0")
    expect(board(page)).to_be_focused()


def test_letters_and_buttons_ask_for_another_image(page: Page) -> None:
    expect(page.get_by_text("3 of 38")).to_be_visible()
    for key in ["n", "n", "]", "p"]:
        page.keyboard.press(key)
    says(page, "place: 4")
    page.get_by_role("button", name="Previous image").click()
    says(page, "place: 3")
    expect(board(page)).to_have_accessible_name("Occlusion maps of digit 3", timeout=PATIENCE)
    field = page.get_by_label("A field")
    field.fill("a")
    field.press("n")
    page.wait_for_timeout(500)
    says(page, "place: 3")


def test_the_opacity_mixes_the_maps_with_the_image(page: Page) -> None:
    canvas = page.locator(".map canvas").first
    opacity = "canvas => getComputedStyle(canvas).opacity"
    assert canvas.evaluate(opacity) == "1"
    page.get_by_role("slider", name="Map opacity").fill("40")
    assert float(canvas.evaluate(opacity)) == pytest.approx(0.4)
    expect(page.get_by_text("40 %")).to_be_visible()
    grey = page.locator(".map img").first.evaluate("image => getComputedStyle(image).filter")
    assert grey == "grayscale(1)"


def test_a_rerun_with_new_maps_keeps_opacity_position_and_focus(page: Page) -> None:
    page.get_by_role("slider", name="Map opacity").fill("40")
    page.keyboard.press("Tab")
    expect(board(page)).to_be_focused()
    go(page, 11, 8)
    before = values(page)["exact"]
    page.evaluate("() => { window.canvas = document.activeElement.shadowRoot.activeElement; }")
    # Clicked by script, so that the focus stays where it is.
    page.locator("input[type=checkbox]").evaluate("box => box.click()")
    expect(readout(page)).to_contain_text(f"exact {1 - before:.2f}", timeout=PATIENCE)
    expect(readout(page)).to_contain_text("Patch at row 11, column 8")
    expect(page.get_by_role("slider", name="Map opacity")).to_have_value("40")
    same = "() => window.canvas === document.activeElement.shadowRoot?.activeElement"
    assert page.evaluate(same), "the panels are the same, and have the focus"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_playing_paints_row_by_row_in_both_themes(visit: Any, address: str, scheme: str) -> None:
    page = visit(f"{address}/?show=occlusion", color_scheme=scheme)
    expect(board(page)).to_be_visible(timeout=PATIENCE)
    whole = [painted(page, row, 5) for row in range(SIDE)]
    page.get_by_role("button", name="Play").click()
    expect(readout(page)).to_contain_text(re.compile("row ([2-9]|1[0-5]),"), timeout=PATIENCE)
    page.get_by_role("button", name="Pause").click()
    assert painted(page, 0, 5) == whole[0]
    assert painted(page, 1, 20, 3) != BLANK[scheme]
    assert painted(page, 20, 5) == painted(page, 20, 5, 2) == BLANK[scheme]
    stopped = readout(page).inner_text()
    page.wait_for_timeout(300)
    assert readout(page).inner_text() == stopped
    page.get_by_role("button", name="Reset").click()
    assert [painted(page, row, 5) for row in range(SIDE)] == whole
    expect(page.get_by_role("button", name="Reset")).to_be_disabled()


def test_playing_goes_to_the_end_and_with_little_motion_a_row_at_a_time(
    visit: Any, address: str
) -> None:
    page = visit(f"{address}/?show=occlusion&large=1&stride=48", reduced_motion="reduce")
    expect(board(page)).to_be_visible(timeout=PATIENCE)
    readout(page).evaluate(
        """line => {
          window.seen = [];
          const hear = () => window.seen.push(line.textContent.split(":")[0]);
          new MutationObserver(hear).observe(line, { childList: true });
        }"""
    )
    page.get_by_role("button", name="Play").click()
    page.mouse.move(2, 2)
    expect(readout(page)).to_contain_text("Patch at row 144, column 192", timeout=PATIENCE)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    rows = [f"Patch at row {row}, column 192" for row in (0, 48, 96, 144)]
    assert [text for text in dict.fromkeys(page.evaluate("window.seen")) if "Patch" in text] == rows


def test_a_coarse_grid_covers_the_image_and_says_what_is_missing(visit: Any, address: str) -> None:
    page = visit(f"{address}/?show=occlusion&large=1&unfinished=1")
    expect(board(page)).to_be_visible(timeout=PATIENCE)
    go(page, 3, 3, side=240)
    expect(readout(page)).to_contain_text("Patch at row 0, column 0: exact 0.")
    go(page, 179, 239, side=240)
    expect(readout(page)).to_contain_text(
        "Patch at row 176, column 232: exact not computed yet, estimate 0."
    )
    exact = page.get_by_role("img", name="Exact: from")
    expect(exact).to_have_accessible_name(re.compile("360 positions not computed yet"))
    opaque = "canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, "
    opaque += "canvas.height).data].every((level, place) => place % 4 < 3 || level === 255)"
    assert exact.evaluate(opaque), "up to the border, hatched where there is no value"


def test_a_lost_image_says_so_beside_its_maps(visit: Any, address: str) -> None:
    page = visit(f"{address}/?show=occlusion&lost=1")
    expect(page.get_by_text("This image cannot be shown.")).to_be_visible(timeout=PATIENCE)
    go(page, 11, 8)
    expect(readout(page)).to_contain_text("Patch at row 11, column 8: exact")


@pytest.mark.parametrize(("width", "columns"), [(400, 1), (800, 2), (1440, 4)])
def test_panels_wrap_and_nothing_is_wider_than_the_screen(
    visit: Any, address: str, width: int, columns: int
) -> None:
    page = visit(f"{address}/?show=occlusion", width=width)
    expect(board(page)).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.locator(".panel").evaluate_all(
        "panels => panels.map(panel => panel.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) == 4
    assert max(box["right"] for box in boxes) <= width
    assert len({box["left"] for box in boxes}) == columns
    stage = page.locator(".stage").first.bounding_box()
    assert stage is not None
    assert stage["width"] == pytest.approx(stage["height"], abs=1)
    assert stage["width"] % SIDE == 0, "pixels of a small image are equally large"
