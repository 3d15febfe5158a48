"""The map in a real browser: from a lasso to its images, to one image and to its neighbours."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from cache import Run, open_workspace
from cache.embeddings import open_embedding
from dashboard.points import MOST_POINTS, open_map
from dashboard.widgets.scatter import inside
from tests.browser.test_errors import PATIENCE, PROJECT, expect_query, query
from tests.dashboard.conftest import make_workspace

Visit = Callable[..., Page]

MANY = MOST_POINTS + 1_000

# Loading that many points on a busy machine without a graphics card.
LONG = 90_000

NOTING = """
import os, sys, tempfile

folder = tempfile.gettempdir()
notes = os.open(folder + "/opened", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def note(event, given):
    if event == "open" and str(given[0]).startswith(folder):
        os.write(notes, f"{given[0]}\\n".encode())

sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspaces")
    make_workspace(folder, "shapes", count=1_800)
    return folder


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder of temporary files; every file opened there is noted in ``opened``.

    To list it would not do: the temporary files of Python have no names.
    """
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(
    serve: Callable[..., str], root: Path, temporary: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    hooks = tmp_path_factory.mktemp("hooks")
    (hooks / "sitecustomize.py").write_text(NOTING, encoding="utf-8")
    return serve(
        PROJECT / "dashboard" / "app.py",
        CENTAURO_CACHE=str(root),
        TMPDIR=str(temporary),
        PYTHONPATH=os.pathsep.join([str(hooks), str(PROJECT)]),
    )


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return open_workspace("shapes", root).run("plain")


def ready(page: Page, patience: float = PATIENCE) -> Locator:
    """The map, once its points are drawn."""
    expect(page.locator(".root[data-ready]").first).to_be_attached(timeout=patience)
    return page.locator(".stage").first


def draw(page: Page, stage: Locator, corners: list[tuple[float, float]]) -> None:
    """Drag a lasso over a map, corners in parts of its width and height."""
    box = stage.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in [*at[1:], at[0]]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def picked(page: Page, run: Run) -> list[str]:
    """Ids of all samples that lie inside of the outline, once it is in the URL."""
    page.wait_for_function("location.search.includes('picked=outline')", timeout=LONG)
    kind, embedding, projection, outline = query(page)["picked"][0].split("~")
    assert kind == "outline"
    numbers = [int(value) for value in outline.split("_")]
    places = open_map(open_embedding(run, embedding), projection).places
    within = inside(places, tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    return run.workspace.samples()["sample_id"][within].tolist()


def tiles(page: Page) -> Locator:
    return page.locator(".tile")


def picked_ids(page: Page, patience: float = PATIENCE) -> list[str]:
    """Ids in the gallery of what is picked."""
    gallery = page.get_by_role("listbox", name="Images that are picked")
    expect(gallery).to_be_visible(timeout=patience)
    found: list[str] = gallery.locator(".tile").evaluate_all(
        "all => all.map(each => each.dataset.id)"
    )
    return found


def shown_ids(page: Page) -> list[str]:
    found: list[str] = tiles(page).evaluate_all("all => all.map(each => each.dataset.id)")
    return found


def nearest_ids(run: Run, sample_id: str) -> list[str]:
    """The 25 nearest of an image, the nearest first."""
    samples = run.workspace.samples()["sample_id"]
    row = samples.tolist().index(sample_id)
    near = open_embedding(run, "penultimate").neighbours().positions[row, :25]
    found: list[str] = samples.iloc[near].tolist()
    return found


LASSO = [(0.15, 0.15), (0.6, 0.1), (0.7, 0.55), (0.4, 0.8), (0.1, 0.5)]


def test_from_a_lasso_to_its_images_to_the_neighbours_of_one(
    visit: Visit, address: str, run: Run
) -> None:
    page = visit(f"{address}/embeddings?workspace=shapes")
    stage = ready(page)
    expect(page.get_by_text("Nothing is picked")).to_be_visible()
    draw(page, stage, LASSO)
    wanted = picked(page, run)
    assert 24 < len(wanted) < 1_800
    expect(page.get_by_text(f"{len(wanted):,} of 1,800 images")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text(f"1,800 images · {len(wanted):,} selected")).to_be_visible()
    assert picked_ids(page) == wanted[:24]

    # Coloured anew, what is picked stays.
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="confidence", exact=True).click()
    expect_query(page, colour="confidence")
    expect(page.locator(".strip")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text(f"1,800 images · {len(wanted):,} selected")).to_be_visible()
    assert picked_ids(page) == wanted[:24]

    # A link shows the same in another session.
    copied = visit(page.url)
    ready(copied)
    expect(copied.get_by_text(f"1,800 images · {len(wanted):,} selected")).to_be_visible(
        timeout=PATIENCE
    )

    tiles(page).nth(2).click()
    expect(page.get_by_role("heading", name="Similarity")).to_be_visible(timeout=PATIENCE)
    expect_query(page, image=wanted[2], workspace="shapes")
    expect(tiles(page)).to_have_count(25, timeout=PATIENCE)
    assert shown_ids(page) == nearest_ids(run, wanted[2])
    page.keyboard.press("ArrowRight")
    page.wait_for_function("id => !location.search.includes(id)", arg=wanted[2], timeout=PATIENCE)


def test_a_click_picks_a_point_and_escape_picks_nothing(
    visit: Visit, address: str, run: Run
) -> None:
    page = visit(f"{address}/embeddings?workspace=shapes")
    stage = ready(page)
    box = stage.bounding_box()
    assert box is not None
    places = open_map(open_embedding(run, "penultimate"), "umap").places
    width, height = places.max(axis=0)
    scale = 0.94 * min(box["width"] / width, box["height"] / height)
    # The point farthest from all others cannot be missed.
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(places)) * 9
    row = int(gaps.min(axis=1).argmax())
    x = box["x"] + box["width"] / 2 + (places[row, 0] - width / 2) * scale
    y = box["y"] + box["height"] / 2 - (places[row, 1] - height / 2) * scale
    x, y = float(x), float(y)
    page.mouse.move(x, y)
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    sample = run.workspace.samples().iloc[row]
    expect(tip).to_contain_text(sample["label"])
    assert sample["sample_id"] in (tip.locator("img").get_attribute("src") or "")
    page.mouse.click(x, y)
    expect_query(page, picked=f"near~penultimate~~{sample['sample_id']}")
    expect(tiles(page)).to_have_count(24, timeout=PATIENCE)
    assert shown_ids(page)[0] == sample["sample_id"]
    stage.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing is picked")).to_be_visible(timeout=PATIENCE)
    expect_query(page, picked=None)
    page.keyboard.press("v")
    expect(page.get_by_text("1,800 of 1,800 images")).to_be_visible(timeout=PATIENCE)


def test_without_webgl_a_plain_canvas_draws_the_points(
    visit: Visit, address: str, run: Run
) -> None:
    page = visit(f"{address}/embeddings?workspace=shapes")
    ready(page)
    first = page.locator(".root[data-painter]")
    kind = first.get_attribute("data-painter")
    if kind == "webgl":
        page.locator(".stage canvas").first.evaluate(
            "canvas => canvas.getContext('webgl').getExtension('WEBGL_lose_context').loseContext()"
        )
    expect(first).to_have_attribute("data-painter", "canvas")
    inked = """canvas => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, i) => i % 4 === 3 && value > 0);
    }"""
    page.wait_for_timeout(200)
    assert page.locator(".stage canvas").first.evaluate(inked)
    draw(page, page.locator(".stage").first, LASSO)
    wanted = picked(page, run)
    expect(page.get_by_text(f"{len(wanted):,} of 1,800 images")).to_be_visible(timeout=PATIENCE)
    assert picked_ids(page) == wanted[:24]


def test_what_is_no_image_is_refused_on_the_page_and_never_written(
    visit: Visit, address: str, temporary: Path
) -> None:
    page = visit(f"{address}/similarity?workspace=shapes")
    expect(tiles(page).first).to_be_visible(timeout=PATIENCE)
    page.locator("input[type=file]").set_input_files(
        [{"name": "words.png", "mimeType": "image/png", "buffer": b"only words" * 200_000}]
    )
    expect(page.get_by_text("words.png was not taken: its content is text")).to_be_visible(
        timeout=PATIENCE
    )
    assert (temporary / "opened").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (800, "dark")])
@pytest.mark.parametrize("place", ["embeddings", "similarity", "retrieval"])
def test_the_pages_fit_their_width(
    address: str, visit: Visit, place: str, width: int, scheme: str
) -> None:
    page = visit(f"{address}/{place}?workspace=shapes", width=width, color_scheme=scheme)
    expect(page.get_by_role("tab").or_(tiles(page)).first).to_be_visible(timeout=PATIENCE)
    sideways = page.get_by_test_id("stMain").evaluate("e => e.scrollWidth - e.clientWidth")
    assert sideways == 0


@pytest.mark.slow
def test_a_lasso_among_many_points_finds_all_that_lie_inside(
    visit: Visit, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("many")
    embeddings = {"penultimate": {"kind": "layer", "spread": 0.6}}
    make_workspace(folder, "many", count=MANY, embeddings=embeddings)
    address = serve(PROJECT / "dashboard" / "app.py", CENTAURO_CACHE=str(folder))
    run = open_workspace("many", folder).run("plain")
    page = visit(f"{address}/embeddings?workspace=many")
    stage = ready(page, LONG)
    expect(page.get_by_text(f"{MANY:,} images · 20,000 drawn, a random sample")).to_be_visible()
    draw(page, stage, LASSO)
    wanted = picked(page, run)
    assert 5_000 < len(wanted) < MANY
    expect(page.get_by_text(f"{len(wanted):,} of {MANY:,} images")).to_be_visible(timeout=LONG)
    assert picked_ids(page) == wanted[:24]

    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="confidence", exact=True).click()
    expect(page.locator(".strip")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(f"{len(wanted):,} of {MANY:,} images")).to_be_visible(timeout=LONG)
    assert picked_ids(page) == wanted[:24]

    tiles(page).nth(2).click()
    expect(page.get_by_role("heading", name="Similarity")).to_be_visible(timeout=LONG)
    expect_query(page, image=wanted[2])
    expect(tiles(page)).to_have_count(25, timeout=LONG)
    assert shown_ids(page) == nearest_ids(run, wanted[2])
