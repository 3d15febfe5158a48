"""Uploads in a real browser, through a real encoder: the image of a sample finds that sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from cache import Workspace, open_workspace
from pipelines import cli
from pipelines.methods.pixels import encode, to_display
from tests.browser.test_embeddings import LONG, ready, tiles
from tests.browser.test_errors import PATIENCE, PROJECT, expect_query

Visit = Callable[..., Page]

MANY = 24_000


def upload(page: Page, workspace: Workspace, *rows: int) -> None:
    """Upload the images of some samples, as ``digit 5.png``."""
    images = workspace.images()
    assert images is not None
    files = [
        {
            "name": f"digit {row}.png",
            "mimeType": "image/png",
            "buffer": encode(to_display(np.asarray(images[row])), lossless=True),
        }
        for row in rows
    ]
    page.locator("input[type=file]").set_input_files(files)  # type: ignore[arg-type]


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Many random images, and their neighbours by their pixels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (MANY, 8, 8), np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.arange(MANY) % 3)
    document = {
        "name": "many",
        "dataset": {"source": "arrays", "path": str(tmp_path / "many.npz")},
        "runs": {"a": {"model": "hits_cnn", "embeddings": {"pixels": {"dim": 16}}}},
    }
    recipe = tmp_path / "many.yaml"
    recipe.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    for stage in ("samples", "thumbnails", "inputs", "vectors", "neighbours"):
        made = CliRunner().invoke(cli.app, ["run", str(recipe), "--only", stage])
        assert made.exit_code == 0, made.output
    return open_workspace("many")


@pytest.mark.slow
def test_an_upload_among_many_images_gets_its_neighbours(
    visit: Visit, serve: Callable[..., str], many: Workspace
) -> None:
    address = serve(PROJECT / "dashboard" / "app.py")
    page = visit(f"{address}/similarity?workspace=many")
    expect(tiles(page).first).to_be_visible(timeout=LONG)
    row = 21_098
    upload(page, many, row)
    own = many.samples()["sample_id"][row]
    wall = page.get_by_role("listbox", name="Nearest images in pixels")
    expect(wall.locator(".tile").first).to_have_attribute("data-id", own, timeout=LONG)
    wall.locator(".tile").first.click()
    expect_query(page, image=own)


@pytest.mark.slow
def test_an_upload_gets_its_neighbours_and_a_place_on_the_map(
    visit: Visit, serve: Callable[..., str], real_digits: Path
) -> None:
    address = serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(real_digits))
    workspace = open_workspace("digits", real_digits)
    samples = workspace.samples()
    page = visit(f"{address}/similarity?workspace=digits")
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    upload(page, workspace, 5, 1234)
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
