"""Two runs compared in a real browser: from a cell to exactly its images, and to a link."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import make_workspace

PROJECT = Path(__file__).parents[2]
PATIENCE = 20_000


def test_a_click_on_only_one_right_shows_exactly_those_images(
    serve: Callable[..., str],
    visit: Callable[..., Page],
    tmp_path: Path,
) -> None:
    workspace = make_workspace(tmp_path, "shapes", count=300, embeddings={})
    first, second = (
        workspace.run(name).predictions().query("split == 'test'") for name in ("plain", "wide")
    )
    right, right_wide = first["correct"].to_numpy(), second["correct"].to_numpy()
    address = serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(tmp_path))
    page = visit(f"{address}/compare?workspace=shapes&which=both")
    page.get_by_role("button", name="only wide right").click()
    page.wait_for_url(
        lambda url: parse_qs(urlsplit(url).query).get("which") == ["second"], timeout=PATIENCE
    )
    wanted = set(first["sample_id"][right_wide & ~right])
    assert wanted, "the made-up runs must differ"
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(len(wanted), timeout=PATIENCE)
    assert {tile.get_attribute("data-id") for tile in tiles.all()} == wanted
    tiles.first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("wide right:")).to_be_visible(timeout=PATIENCE)
    expect(dialog.get_by_text("plain wrong:")).to_be_visible()

    copied = visit(page.url, width=400, color_scheme="dark")
    expect(copied.get_by_role("dialog").get_by_text("plain wrong:")).to_be_visible(timeout=PATIENCE)
    sideways = copied.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth")
    assert sideways == 0
