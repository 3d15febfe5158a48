from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

PLAYGROUND = Path(__file__).with_name("playground.py")
PATIENCE = 15_000


@pytest.fixture(scope="module")
def address(serve: Any) -> str:
    return str(serve(PLAYGROUND))


def says(page: Page, text: str) -> None:
    """Wait until the script of the page, and so Python, says a line."""
    expect(page.get_by_text(text, exact=True)).to_be_visible(timeout=PATIENCE)


def selected(tiles: Locator) -> list[int]:
    marks = tiles.evaluate_all("all => all.map(tile => tile.getAttribute('aria-selected'))")
    return [index for index, mark in enumerate(marks) if mark == "true"]


class TestGallery:
    @pytest.fixture
    def page(self, visit: Any, address: str) -> Page:
        page: Page = visit(f"{address}/?show=gallery")
        expect(page.get_by_role("option")).to_have_count(30, timeout=PATIENCE)
        return page

    @pytest.fixture
    def tiles(self, page: Page) -> Locator:
        return page.get_by_role("option")

    def test_a_click_opens_once(self, page: Page, tiles: Locator) -> None:
        tiles.nth(3).click()
        says(page, "opened: sample03")
        page.get_by_role("button", name="Select first").click()
        says(page, "selected: sample00")
        says(page, "opened: sample03")

    def test_ctrl_and_the_corner_toggle_and_shift_extends(self, page: Page, tiles: Locator) -> None:
        tiles.nth(1).click(modifiers=["Control"])
        tiles.nth(8).hover()
        tiles.nth(8).locator(".check").click()
        tiles.nth(11).click(modifiers=["Shift"])
        says(page, "selected: sample01 sample08 sample09 sample10 sample11")
        tiles.nth(9).click(modifiers=["Control"])
        says(page, "selected: sample01 sample08 sample10 sample11")
        assert selected(tiles) == [1, 8, 10, 11]
        says(page, "opened:")

    def test_quick_clicks_all_count(self, page: Page, tiles: Locator) -> None:
        for index in range(8):
            tiles.nth(index).click(modifiers=["Control"], no_wait_after=True)
        assert selected(tiles) == list(range(8))
        says(page, "selected: " + " ".join(f"sample{index:02d}" for index in range(8)))
        assert selected(tiles) == list(range(8))

    def test_the_keyboard_moves_selects_and_opens(self, page: Page, tiles: Locator) -> None:
        page.get_by_role("button", name="Select page").focus()
        page.keyboard.press("Tab")  # "Clear" cannot be used yet, so the tiles come next
        expect(tiles.nth(0)).to_be_focused()
        outline = tiles.nth(0).evaluate("tile => getComputedStyle(tile).outline")
        assert "solid 2px" in outline, "the focus can be seen"
        columns = tiles.evaluate_all(
            "all => all.filter(tile => tile.offsetTop === all[0].offsetTop).length"
        )
        assert columns > 3
        page.keyboard.press("ArrowDown")
        expect(tiles.nth(columns)).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(tiles.nth(columns - 1)).to_be_focused()
        page.keyboard.press(" ")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        says(page, "selected: " + " ".join(f"sample{columns - 1 + i:02d}" for i in range(3)))
        page.keyboard.press("End")
        expect(tiles.nth(29)).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(tiles.nth(29)).to_be_focused()
        page.keyboard.press("Enter")
        says(page, "opened: sample29")
        expect(tiles.nth(29)).to_be_focused()

    def test_a_selection_is_kept_over_pages_and_cleared(self, page: Page, tiles: Locator) -> None:
        page.get_by_role("button", name="Select page").click()
        expect(page.get_by_text("30 images here, 30 selected")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name="Page 2").click()
        expect(tiles).to_have_count(10, timeout=PATIENCE)
        assert "page=2" in page.url
        expect(
            page.get_by_text("10 images here, 30 selected, 30 of them on other pages")
        ).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name="Clear").click()
        says(page, "selected:")
        expect(page.get_by_text("10 images here", exact=True)).to_be_visible()

    def test_python_can_set_the_selection(self, page: Page, tiles: Locator) -> None:
        tiles.nth(4).click(modifiers=["Control"])
        says(page, "selected: sample04")
        page.get_by_role("button", name="Select first").click()
        says(page, "selected: sample00")
        expect(tiles.nth(0)).to_have_attribute("aria-selected", "true")
        assert selected(tiles) == [0]

    def test_a_tile_shows_what_it_was_given(self, tiles: Locator) -> None:
        expect(tiles.nth(3)).to_have_accessible_name(
            re.compile(r"digit 3.*wrong.*digits/0003.*true 3.*predicted 4, 63 %", re.DOTALL)
        )
        image = tiles.nth(3).locator("img")
        expect(image).to_have_attribute("alt", "digit 3")
        assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"

        # A file's name is text, never markup.
        expect(tiles.nth(2)).to_contain_text("<img src=x onerror=alert(1)>.png")
        assert tiles.nth(2).locator("img").count() == 1

        # An image that cannot be loaded says so, and its place was kept.
        expect(tiles.nth(5)).to_contain_text("This image cannot be shown")
        box = tiles.nth(5).locator(".frame").bounding_box()
        assert box is not None
        assert box["width"] == pytest.approx(box["height"], abs=1)

    @pytest.mark.parametrize("width", [400, 800, 1800])
    def test_nothing_is_wider_than_the_screen(self, visit: Any, address: str, width: int) -> None:
        page = visit(f"{address}/?show=gallery", width=width)
        expect(page.get_by_role("option")).to_have_count(30, timeout=PATIENCE)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_an_empty_gallery_says_what_to_do(self, visit: Any, address: str) -> None:
        page = visit(f"{address}/?show=gallery&empty=1")
        says(page, "No image matches these filters. Widen the confidence or choose another class.")
        expect(page.get_by_role("option")).to_have_count(0)
        expect(page.get_by_role("button", name="Select page")).to_be_hidden()


class TestMatrix:
    @pytest.fixture
    def page(self, visit: Any, address: str) -> Page:
        page: Page = visit(f"{address}/?show=matrix")
        expect(page.get_by_role("gridcell")).to_have_count(100, timeout=PATIENCE)
        return page

    def cell(self, page: Page, true: int, predicted: int) -> Locator:
        return page.locator(f".cell[data-true='{true}'][data-predicted='{predicted}']")

    def test_a_click_selects_a_cell_and_another_clears(self, page: Page) -> None:
        self.cell(page, 9, 2).click()
        says(page, "cell: 9 2")
        expect(self.cell(page, 9, 2)).to_have_attribute("aria-selected", "true")
        expect(page.locator(".chosen")).to_be_visible()
        self.cell(page, 9, 2).click()
        says(page, "cell: None None")
        expect(page.locator(".chosen")).to_be_hidden()

    def test_a_click_on_a_name_selects_the_class(self, page: Page) -> None:
        page.get_by_role("rowheader", name="4").click()
        says(page, "cell: 4 None")
        page.get_by_role("columnheader", name="7").click()
        says(page, "cell: None 7")

    def test_the_keyboard_does_the_same(self, page: Page) -> None:
        page.get_by_role("grid").focus()
        page.keyboard.press("Control+End")
        page.keyboard.press("ArrowUp")
        spoken = page.locator("[aria-live=polite]")
        expect(spoken).to_have_text("true 8, predicted 9: 2 images, 3 % of true 8")
        page.keyboard.press("Enter")
        says(page, "cell: 8 9")
        page.keyboard.press("Enter")
        says(page, "cell: None None")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowLeft")
        expect(spoken).to_have_text("true 8: 61 images, 56 predicted right (92 %)")
        page.keyboard.press("Enter")
        says(page, "cell: 8 None")

    def test_shares_and_a_hidden_diagonal(self, page: Page) -> None:
        expect(self.cell(page, 8, 8)).to_have_text("56")
        page.get_by_role("radio", name="row").or_(page.get_by_text("row", exact=True)).first.click()
        expect(self.cell(page, 8, 8)).to_have_text("92", timeout=PATIENCE)
        page.get_by_text("Hide the diagonal").click()
        expect(self.cell(page, 8, 8)).to_have_text("", timeout=PATIENCE)
        expect(self.cell(page, 8, 9)).to_have_text("3")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_numbers_can_be_read_on_their_colours(
        self, visit: Any, address: str, scheme: str
    ) -> None:
        page = visit(f"{address}/?show=matrix&k=30", color_scheme=scheme)
        expect(page.get_by_role("gridcell")).to_have_count(900, timeout=PATIENCE)
        worst = page.locator(".cell").evaluate_all(
            """cells => {
              const light = (text) => {
                const [r, g, b] = text.match(/[\\d.]+/g).map((level) => {
                  const share = level / 255;
                  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const contrasts = cells.filter((cell) => cell.textContent).map((cell) => {
                const style = getComputedStyle(cell);
                const [text, fill] = [light(style.color), light(style.backgroundColor)];
                return (Math.max(text, fill) + 0.05) / (Math.min(text, fill) + 0.05);
              });
              return Math.min(...contrasts);
            }"""
        )
        assert worst >= 4.5

    def test_two_hundred_classes_can_be_pointed_at(self, visit: Any, address: str) -> None:
        page = visit(f"{address}/?show=matrix&k=200", height=1200)
        board = page.get_by_role("application")
        expect(board).to_be_visible(timeout=PATIENCE)
        geometry = board.evaluate("board => ({...board.dataset})")
        cell, left, top = (float(geometry[name]) for name in ("cell", "left", "top"))
        assert cell >= 3
        place = {"x": left + 70.5 * cell, "y": top + 45.5 * cell}
        board.hover(position=place)
        expect(page.locator(".readout")).to_contain_text(
            "true species of plant 45, predicted species of plant 70:"
        )
        assert page.locator(".float").all_text_contents() == [
            "species of plant 45",
            "species of plant 70",
        ]
        board.click(position=place)
        says(page, "cell: 45 70")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        says(page, "cell: 45 71")

    def test_heavy_confusions_stand_out_among_two_hundred_classes(
        self, visit: Any, address: str
    ) -> None:
        page = visit(f"{address}/?show=matrix&k=200", height=1200)
        expect(page.get_by_role("application")).to_be_visible(timeout=PATIENCE)
        inked = """(canvas, [from, to]) => {
          const cell = canvas.width / 200;
          const part = [cell * from, cell * 60, cell * (to - from), cell * 15];
          const { data } = canvas.getContext("2d").getImageData(...part);
          const alphas = data.filter((_, index) => index % 4 === 3);
          return alphas.filter((alpha) => alpha > 0).length / alphas.length;
        }"""
        canvas = page.locator(".board canvas")
        assert canvas.evaluate(inked, [60, 75]) > 0.7
        assert canvas.evaluate(inked, [120, 135]) < 0.1

    @pytest.mark.parametrize(("width", "k"), [(400, 10), (800, 40), (800, 200)])
    def test_it_fits_the_screen(self, visit: Any, address: str, width: int, k: int) -> None:
        page = visit(f"{address}/?show=matrix&k={k}", width=width)
        board = page.locator(".board")
        expect(board).to_be_visible(timeout=PATIENCE)
        box = board.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width


class TestViewer:
    @pytest.fixture
    def page(self, visit: Any, address: str) -> Page:
        page: Page = visit(f"{address}/?show=viewer")
        expect(page.get_by_role("img", name="digit 2")).to_be_visible(timeout=PATIENCE)
        return page

    def test_arrow_keys_and_buttons_move(self, page: Page) -> None:
        expect(page.get_by_text("3 of 38")).to_be_visible()
        page.keyboard.press("ArrowRight")
        says(page, "place: 3")
        expect(page.get_by_text("4 of 38")).to_be_visible()
        page.get_by_role("button", name="Previous image").click()
        says(page, "place: 2")
        page.keyboard.press("ArrowLeft")
        says(page, "place: 1")
        page.keyboard.press("ArrowLeft")
        says(page, "place: 0")
        expect(page.get_by_role("button", name="Previous image")).to_be_disabled()

    @pytest.mark.parametrize("speed", ["", "&slow=1"])
    def test_quick_presses_all_count_up_to_the_end(
        self, visit: Any, address: str, speed: str
    ) -> None:
        page = visit(f"{address}/?show=viewer{speed}")
        expect(page.get_by_role("img", name="digit 2")).to_be_visible(timeout=PATIENCE)
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        says(page, "place: 6")
        for _ in range(9):
            page.keyboard.press("ArrowLeft")
        says(page, "place: 0")

    def test_arrow_keys_in_a_field_stay_there(self, page: Page) -> None:
        field = page.get_by_label("A field")
        field.fill("abc")
        field.press("ArrowLeft")
        field.press("Escape")
        page.wait_for_timeout(700)
        says(page, "place: 2")

    def test_escape_closes_and_gives_the_focus_back(self, page: Page) -> None:
        page.keyboard.press("Escape")
        says(page, "viewer: closed")
        opener = page.get_by_role("button", name="Open again")
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("img", name="digit 2")).to_be_visible(timeout=PATIENCE)
        page.keyboard.press("ArrowRight")
        says(page, "place: 3")

    def test_keys_do_nothing_once_it_is_gone(self, page: Page) -> None:
        page.get_by_role("button", name="Close").click()
        # Until the run is over the page still holds the viewer, and its ear for keys.
        page.get_by_text("viewer: closed").wait_for()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_text("place: 2")).to_be_hidden(timeout=PATIENCE)
        page.get_by_role("button", name="Open again").click()
        says(page, "place: 2")

    def test_a_region_is_dragged_and_a_pixel_clicked(self, page: Page) -> None:
        box = page.locator(".picture").bounding_box()
        assert box is not None
        pixel = box["width"] / 8
        assert pixel == int(pixel), "pixels of a small image are equally large"

        def go(x: int, y: int) -> None:
            page.mouse.move(box["x"] + (x + 0.5) * pixel, box["y"] + (y + 0.5) * pixel)

        go(5, 6)
        page.mouse.down()
        go(3, 4)
        go(2, 4)
        page.mouse.up()
        says(page, "region: (2, 4, 6, 7)")
        expect(page.locator(".readout")).to_contain_text("region x 2 to 5, y 4 to 6 (4 × 3)")
        go(7, 0)
        expect(page.locator(".readout")).to_contain_text("x 7, y 0")
        page.mouse.down()
        page.mouse.up()
        says(page, "region: (7, 0, 8, 1)")
        page.get_by_role("button", name="Clear the region").click()
        says(page, "region: None")

    def test_a_region_is_picked_by_keyboard(self, page: Page) -> None:
        page.locator(".stage").focus()
        for key in ["ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowDown"]:
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        says(page, "region: (1, 1, 3, 3)")
        says(page, "place: 2")

    def test_a_map_lies_over_the_picture(self, visit: Any, address: str) -> None:
        page = visit(f"{address}/?show=viewer&map=1")
        overlay = page.locator("canvas.overlay")
        expect(overlay).to_be_visible(timeout=PATIENCE)
        expect(overlay).to_have_css("opacity", "0.6")
        box = page.locator(".picture").bounding_box()
        assert box is not None
        pixel = box["width"] / 8
        page.mouse.move(box["x"] + 2.5 * pixel, box["y"] + 5.5 * pixel)
        reading = page.locator(".reading")
        expect(reading).to_have_text(
            re.compile(r"Patch at row 2, column 1: probability 0\.\d\d; without a patch 0\.97")
        )
        patch = page.locator(".patch").bounding_box()
        assert patch is not None
        assert patch["x"] == pytest.approx(box["x"] + 2 * pixel, abs=0.1)
        assert patch["width"] == pytest.approx(2 * pixel, abs=0.1)
        painted = overlay.evaluate(
            "canvas => [...canvas.getContext('2d').getImageData(3, 5, 1, 1).data].slice(0, 3)"
        )
        assert painted[2] > painted[0], "a low value has the first colours of the scale"
        expect(page.get_by_text("Probability of 2 with the patch there")).to_be_visible()
        before = overlay.get_attribute("aria-label")
        page.get_by_label("Map opacity").fill("35")
        page.get_by_role("button", name="Next image").click()
        expect(page.get_by_text("Probability of 3 with the patch there")).to_be_visible()
        assert overlay.get_attribute("aria-label") != before
        expect(overlay).to_have_css("opacity", "0.35")
        expect(reading).to_have_text("Point at the picture to read the map.")

    def test_it_zooms_and_a_large_image_is_smooth(self, visit: Any, address: str) -> None:
        page = visit(f"{address}/?show=viewer&large=1", width=800)
        image = page.get_by_role("img", name="digit 2")
        expect(image).to_be_visible(timeout=PATIENCE)
        assert image.evaluate("image => getComputedStyle(image).imageRendering") == "auto"
        before = image.bounding_box()
        page.get_by_role("button", name="Zoom in").click()
        after = image.bounding_box()
        assert after["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
        page.get_by_role("button", name="Zoom to fit").click()
        assert image.bounding_box()["width"] == pytest.approx(before["width"], abs=1)
