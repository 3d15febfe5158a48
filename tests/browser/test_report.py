"""The report opened from disk, with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from cache import Workspace
from pipelines.reporting import write


@pytest.fixture
def offline(chromium: BrowserContext) -> Iterator[BrowserContext]:
    """The profile without a network, for one test."""
    chromium.set_offline(True)
    yield chromium
    chromium.set_offline(False)


def test_it_opens_from_disk_and_asks_for_nothing(
    offline: BrowserContext,
    real_digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'none.sqlite'}")
    made = write(Workspace("digits", real_digits / "digits"), tmp_path / "report.html")
    page: Page = offline.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for width, scheme in ((400, "dark"), (1200, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(made.path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter(image => !image.complete || !image.naturalWidth)"
        assert page.evaluate(f"{broken}.length") == 0
    page.get_by_role("link", name="Provenance").click()
    assert page.get_by_role("heading", name="Provenance").is_visible()
    assert page.get_by_role("table", name="Figures by split").count() == 1
    page.close()
    assert not said
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} == {
        made.path.as_uri()
    }
