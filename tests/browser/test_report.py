"""The report opened from disk, with the network off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from cache import Workspace
from pipelines.reporting import write
from tests.dashboard.conftest import make_workspace


@pytest.fixture
def offline(chromium: BrowserContext) -> Iterator[BrowserContext]:
    """The profile without a network, for one test."""
    chromium.set_offline(True)
    yield chromium
    chromium.set_offline(False)


@pytest.fixture(params=["one run, as the pipelines make it", "two runs, labels flipped"])
def workspace(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'none.sqlite'}")
    if request.param.startswith("one"):
        return Workspace("digits", request.getfixturevalue("real_digits") / "digits")
    return make_workspace(tmp_path, "shapes", issues={"head": "autoencoder"}, flipped=9)


def test_it_opens_from_disk_and_asks_for_nothing(
    offline: BrowserContext, workspace: Workspace, tmp_path: Path
) -> None:
    made = write(workspace, tmp_path / "report.html")
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
    runs = len(workspace.runs())
    assert page.get_by_role("table", name="Figures by split").count() == runs
    # What is there only where runs can be compared, and where the truth is known.
    assert page.get_by_role("link", name="Comparison").count() == (runs > 1)
    noisy = workspace.dataset.label_noise is not None
    assert page.get_by_role("table", name="flipped on purpose are found").count() == noisy
    if runs > 1:
        page.get_by_role("link", name="Comparison").click()
        row = page.get_by_role("table", name="Every two runs on 30 test images").get_by_role("row")
        assert "plain and wide" in row.last.inner_text()
        page.get_by_role("link", name="Labels").click()
        flipped = page.get_by_role("table", name="How well the 9 labels of train flipped")
        assert flipped.is_visible() and flipped.get_by_role("row").count() == 3
    page.close()
    assert not said
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} == {
        made.path.as_uri()
    }
