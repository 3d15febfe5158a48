"""The page Labels in a real browser: by keyboard alone, past a killed server, and with a lasso."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from cache import Workspace
from cache.issues import open_label_issues
from cache.reviews import open_reviews
from dashboard import suspects, triage
from dashboard.widgets.scatter import inside, parse_outline
from pipelines import labels
from tests.browser.conftest import free_port, launch
from tests.browser.test_embeddings import draw, ready
from tests.browser.test_errors import PATIENCE, PROJECT, query
from tests.dashboard.conftest import make_workspace

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    root = tmp_path / "workspaces"
    monkeypatch.setenv("CENTAURO_CACHE", str(root))
    monkeypatch.delenv("CENTAURO_REVIEWS", raising=False)
    monkeypatch.delenv("CENTAURO_REVIEWER", raising=False)
    return make_workspace(root, "shapes", issues={"head": "autoencoder"})


@pytest.fixture
def queue(workspace: Workspace) -> pd.DataFrame:
    """The suspects in their order."""
    judged = open_label_issues(workspace.run("plain"), "head").table()
    return judged[judged["why"] != "none"].astype({"label": "str", "suggested": "str"})


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(workspace: Workspace, port: int, tmp_path: Path) -> Iterator[Start]:
    """Start the dashboard, always on the same port."""
    started: list[subprocess.Popen[bytes]] = []

    def again() -> subprocess.Popen[bytes]:
        started.append(launch(PROJECT / "dashboard" / "app.py", port, tmp_path))
        return started[-1]

    yield again
    for process in started:
        process.kill()
        process.wait(15)


@pytest.fixture
def page(chromium: BrowserContext) -> Iterator[Page]:
    """A page that may miss its server."""
    opened = chromium.new_page()
    opened.set_viewport_size({"width": 1440, "height": 900})
    yield opened
    opened.close()


def stored() -> list[tuple[str, str, str | None, str]]:
    """What stands: image, verdict, label and note, read by a connection of its own."""
    with open_reviews() as reviews:
        rows = reviews.latest("shapes")
    decided = rows["decided"].astype(object).where(rows["decided"].notna(), None)
    return list(zip(rows["sample_id"], rows["verdict"], decided, rows["note"], strict=True))


def expect_place(page: Page, place: int, total: int) -> None:
    """Wait until an image of the queue is on screen, and ready to be judged."""
    viewer = page.get_by_role("group", name="The image whose label is reviewed")
    expect(viewer.get_by_text(f"{place} of {total}", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(viewer.locator(".told")).to_have_text("", timeout=PATIENCE)
    expect(viewer.locator(".picture img")).to_have_js_property("complete", True)
    page.wait_for_timeout(150)


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    pytest.fail("Tab does not reach it.")


def test_a_review_by_keyboard_alone_to_the_export_and_a_killed_server(
    page: Page, start: Start, port: int, workspace: Workspace, queue: pd.DataFrame
) -> None:
    server = start()
    n = 8
    least = 100 * queue["suspicion"].iloc[n - 1 : n + 1].mean()
    page.goto(f"http://127.0.0.1:{port}/labels?workspace=shapes&min_suspicion={least:.3f}")
    queue = queue.head(n)
    ids, suggested, given = (queue[name].tolist() for name in ("sample_id", "suggested", "label"))
    expect(page.get_by_text("Who reviews?")).to_be_visible(timeout=PATIENCE)
    expect_place(page, 1, n)
    page.keyboard.press("r")
    tab_to(page, page.get_by_role("combobox", name="Reviewer"))
    # Letters of the name are no verdicts.
    page.keyboard.type("Burr Bu")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Who reviews?")).to_be_hidden(timeout=PATIENCE)
    assert stored() == [], "nobody had said who reviews, and a name is no verdict"
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="r Right:")).to_be_enabled(timeout=PATIENCE)

    for place, key in enumerate("rwub", start=2):
        page.keyboard.press(key)
        expect_place(page, place, n)
    wanted: list[tuple[str, str, str | None, str]] = [
        (ids[0], "right", None, ""),
        (ids[1], "wrong", suggested[1], ""),
        (ids[2], "undecidable", None, ""),
        (ids[3], "bad", None, ""),
    ]
    assert stored() == wanted
    page.keyboard.press("z")
    expect(page.get_by_text(f"Took back “bad” on {ids[3]}")).to_be_visible(timeout=PATIENCE)
    expect_place(page, 4, n)
    assert stored() == wanted[:3]

    # To the next one and back without a verdict, then another label with a note.
    page.keyboard.press("n")
    expect_place(page, 5, n)
    page.keyboard.press("p")
    expect_place(page, 4, n)
    page.keyboard.press("t")
    page.keyboard.type("burnt zoo")
    page.keyboard.press("Escape")
    names = list(workspace.dataset.classes)
    other = next(name for name in names if name not in (given[3], suggested[3]))
    page.keyboard.press(str(names.index(other) + 1))
    expect_place(page, 5, n)
    wanted[3] = (ids[3], "wrong", other, "burnt zoo")
    assert stored() == wanted

    # The next image shows, so the verdict is on disk: whatever happens to the server now.
    page.keyboard.press("b")
    expect_place(page, 6, n)
    server.kill()
    server.wait(15)
    wanted.append((ids[4], "bad", None, ""))
    assert stored() == wanted

    # A verdict that met no server is given again, and stored once.
    page.keyboard.press("r")
    again = page.get_by_text("The server has not answered. Give it again")
    expect(again).to_be_visible(timeout=PATIENCE)
    back: list[object] = []
    page.on("websocket", lambda socket: back.append(socket))
    start()
    for _ in range(600):
        if back:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(1500)
    page.keyboard.press("r")
    expect_place(page, 7, n)
    wanted.append((ids[5], "right", None, ""))
    assert stored() == wanted
    with open_reviews() as reviews:
        assert len(reviews.rows("shapes")) == len(wanted) + 2, "a verdict, and its undoing"

    # To the end of the queue, and on by the command that the page then names.
    page.keyboard.press("w")
    expect_place(page, 8, n)
    page.keyboard.press("u")
    wanted += [(ids[6], "wrong", suggested[6], ""), (ids[7], "undecidable", None, "")]
    command = page.locator("code", has_text="labels export")
    expect(command).to_be_visible(timeout=PATIENCE)
    program, *words = command.inner_text().split()
    assert program == "python"
    subprocess.run([sys.executable, *words], cwd=PROJECT, check=True, timeout=60)
    path = workspace.folder / labels.FOLDER / "shapes-labels.csv"
    table = labels.read(path, workspace.dataset.classes).set_index("sample_id").loc[ids]
    told = zip(table.index, table["verdict"], table["note"], strict=True)
    assert list(told) == [(sample_id, verdict, note) for sample_id, verdict, _, note in wanted]
    assert set(table["reviewers"]) == {"Burr Bu"}
    decided = [given[0], suggested[1], None, other, None, given[5], suggested[6], None]
    assert [None if pd.isna(each) else each for each in table["decided"]] == decided


def test_a_lasso_on_the_square_shows_exactly_its_images(
    page: Page, start: Start, port: int, workspace: Workspace
) -> None:
    start()
    page.goto(f"http://127.0.0.1:{port}/labels?workspace=shapes&work=many+at+once")
    draw(page, ready(page), [(0.3, 0.05), (0.97, 0.05), (0.97, 0.5), (0.3, 0.5)])
    page.wait_for_function("location.search.includes('triage=')", timeout=PATIENCE)
    outline = parse_outline(query(page)["triage"][0])
    assert outline is not None
    issues = open_label_issues(workspace.run("plain"), "head")
    judged = suspects.read(issues)
    square = triage.square(judged, issues.document("issues")["neighbours"]["k"])
    wanted = judged["sample_id"][inside(square.places, outline)[judged["row"].to_numpy()]]
    assert 5 < len(wanted) < len(judged)
    expect(page.get_by_text(f"{len(wanted)} images", exact=True)).to_be_visible(timeout=PATIENCE)
    shown = wanted.head(30).tolist()
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(len(shown), timeout=PATIENCE)
    assert tiles.evaluate_all("all => all.map(each => each.dataset.id)") == shown
    page.get_by_role("button", name="Outline nothing").click()
    page.wait_for_function("!location.search.includes('triage=')", timeout=PATIENCE)
