"""An upload in a real browser, through a real encoder: the image of a sample finds that sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cache import open_workspace
from pipelines.methods.pixels import encode, to_display
from tests.browser.test_embeddings import LONG, ready, tiles
from tests.browser.test_errors import PATIENCE, PROJECT

Visit = Callable[..., Page]


@pytest.mark.slow
def test_an_upload_gets_its_neighbours_and_a_place_on_the_map(
    visit: Visit, serve: Callable[..., str], real_digits: Path
) -> None:
    address = serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(real_digits))
    workspace = open_workspace("digits", real_digits)
    images, samples = workspace.images(), workspace.samples()
    assert images is not None
    page = visit(f"{address}/similarity?workspace=digits")
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    files = [
        {
            "name": f"digit {row}.png",
            "mimeType": "image/png",
            "buffer": encode(to_display(np.asarray(images[row])), lossless=True),
        }
        for row in (5, 1234)
    ]
    page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]
    heading = page.get_by_text("images nearest to this upload in pixels are labelled")
    expect(heading).to_be_visible(timeout=LONG)
    expect(page.get_by_text("digit 1234.png").first).to_be_visible()
    wall = page.get_by_role("listbox", name="Nearest images in pixels")
    nearest = wall.locator(".tile").first
    expect(nearest).to_have_attribute("data-id", samples["sample_id"][1234], timeout=PATIENCE)
    page.get_by_role("button", name="On the map").click()
    ready(page, LONG)
    expect(page.get_by_text("25 of 1,797 images")).to_be_visible(timeout=PATIENCE)
    assert not list(real_digits.rglob("*digit 1234*"))
