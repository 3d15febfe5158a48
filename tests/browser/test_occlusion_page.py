"""The page Occlusion in a real browser, on a run that was really trained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from cache import Run, open_workspace
from pipelines.methods.feeding import open_inputs, open_model, to_probabilities
from pipelines.methods.pixels import encode, to_display
from tests.browser.test_embeddings import LONG
from tests.browser.test_errors import PATIENCE, PROJECT

Visit = Callable[..., Page]

SIDE = 8

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(real_digits: Path) -> Run:
    return open_workspace("digits", real_digits).run("hits")


@pytest.fixture(scope="module")
def address(serve: Callable[..., str], real_digits: Path) -> str:
    return serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(real_digits))


@pytest.fixture
def page(visit: Visit, address: str) -> Page:
    """The page on the mistakes of test, whose first one is shown."""
    page = visit(f"{address}/occlusion?workspace=digits&queries=mistakes+of+test")
    expect(board(page)).to_be_visible(timeout=LONG)
    return page


def board(page: Page) -> Locator:
    return page.get_by_role("application").first


def titles(page: Page) -> Locator:
    return board(page).locator(".title")


def notes(page: Page) -> Locator:
    return board(page).locator(".note")


def mistakes(run: Run) -> list[str]:
    answers = run.predictions()
    wrong = answers[~answers["correct"] & (answers["split"] == "test")]
    return [str(each) for each in wrong["sample_id"]]


def expect_image(page: Page, sample_id: str) -> None:
    """Wait until the link names an image."""
    page.wait_for_function(
        "wanted => new URLSearchParams(location.search).get('image') === wanted",
        arg=sample_id,
        timeout=PATIENCE,
    )


def at_pixel(page: Page, row: int, column: int) -> None:
    """Put the pointer on a pixel of the first map."""
    picture = board(page).locator(".picture").nth(1)
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    pixel = box["width"] / SIDE
    page.mouse.move(box["x"] + (column + 0.5) * pixel, box["y"] + (row + 0.5) * pixel)


def with_patch(run: Run, sample_id: str, row: int, column: int, patch: int) -> np.ndarray:
    """Probabilities of every class with a patch there, by one inference."""
    place = run.predictions()["sample_id"].tolist().index(sample_id)
    image = open_inputs(run.workspace, run.name).batch(np.array([place]))
    top, left = max(0, row - patch // 2), max(0, column - patch // 2)
    image[0, top : row - patch // 2 + patch, left : column - patch // 2 + patch] = 0
    return to_probabilities(open_model(run)(image, training=False).numpy())[0]


def predicted(run: Run, sample_id: str) -> int:
    answers = run.predictions().set_index("sample_id")
    return int(answers.loc[sample_id, "predicted"])


def test_exact_and_estimate_stand_side_by_side_and_follow_the_pointer(page: Page, run: Run) -> None:
    sample_id = mistakes(run)[0]
    wanted = ["Image", "Exact", "Estimate", "Estimate less exact"]
    for place, title in enumerate(wanted):
        expect(titles(page).nth(place)).to_have_text(title, timeout=LONG)
    expect(notes(page).nth(1)).to_have_text(re.compile(r", 64 positions in [\d.]+ m?s$"))
    expect(notes(page).nth(2)).to_have_text(re.compile(r"^by ours, one pass in [\d.]+ ms$"))
    at_pixel(page, 3, 4)
    readout = page.locator(".readout").first
    expect(readout).to_contain_text("Patch at row 3, column 4: exact ", timeout=PATIENCE)
    told = re.search(r"exact ([\d.]+), estimate ([\d.]+)", readout.inner_text())
    assert told is not None
    probability = with_patch(run, sample_id, 3, 4, 5)[predicted(run, sample_id)]
    assert float(told[1]) == pytest.approx(probability, abs=0.006)


def test_keys_step_through_the_mistakes_and_the_patch_changes_live(page: Page, run: Run) -> None:
    first, second, *_ = mistakes(run)
    page.keyboard.press("n")
    expect_image(page, second)
    page.keyboard.press("p")
    expect_image(page, first)
    page.get_by_label("Patch, pixels").fill("3")
    page.get_by_label("Patch, pixels").press("Enter")
    expect(notes(page).first).to_have_text("8 × 8, patch 3 × 3", timeout=LONG)
    assert parse_qs(urlsplit(page.url).query)["patch"] == ["3"]
    # No network has learnt such maps: the class alone stands there, and its true one.
    answer = predicted(run, first)
    expect(titles(page).nth(1)).to_have_text(str(answer), timeout=PATIENCE)
    at_pixel(page, 2, 5)
    readout = page.locator(".readout").first
    expect(readout).to_contain_text("Patch at row 2, column 5", timeout=PATIENCE)
    told = re.search(rf"column 5: {answer} ([\d.]+)", readout.inner_text())
    assert told is not None
    assert float(told[1]) == pytest.approx(with_patch(run, first, 2, 5, 3)[answer], abs=0.006)


def test_a_click_on_a_badly_drawn_map_brings_its_image_into_sight(page: Page) -> None:
    worst = page.get_by_role("listbox", name="that are worst by Pearson").locator(".tile").first
    worst.scroll_into_view_if_needed(timeout=LONG)
    expect(board(page)).not_to_be_in_viewport()
    sample_id = worst.get_attribute("data-id")
    assert sample_id is not None
    worst.click()
    expect_image(page, sample_id)
    expect(board(page)).to_be_in_viewport(timeout=PATIENCE)


def test_an_upload_goes_the_same_way(page: Page, run: Run) -> None:
    images = run.workspace.images()
    assert images is not None
    sample_id = str(run.predictions()["sample_id"][7])
    content = encode(to_display(np.asarray(images[7])), lossless=True)
    page.locator("input[type=file]").set_input_files(
        [{"name": "seven.png", "mimeType": "image/png", "buffer": content}]
    )
    expect(page.get_by_text(f"An upload, predicted {predicted(run, sample_id)}")).to_be_visible(
        timeout=LONG
    )
    expect(board(page)).to_have_attribute("aria-label", "Occlusion maps of the upload")
    expect(titles(page).nth(2)).to_have_text("Estimate", timeout=PATIENCE)
    at_pixel(page, 4, 4)
    readout = page.locator(".readout").first
    expect(readout).to_contain_text("Patch at row 4, column 4: exact ", timeout=PATIENCE)
    told = re.search(r"exact ([\d.]+)", readout.inner_text())
    assert told is not None
    wanted = with_patch(run, sample_id, 4, 4, 5)[predicted(run, sample_id)]
    assert float(told[1]) == pytest.approx(wanted, abs=0.006)
