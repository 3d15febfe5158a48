from __future__ import annotations

import asyncio
import io
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Route

from cache import Workspace
from cache.artefact import MANIFEST, read_json, write_json
from cache.errors import CacheError
from cache.tables import write_table
from dashboard.images import image_url, pixels, routes, thumbnail_url, view_shown
from pipelines.methods.pixels import content_hash, decode
from tests.dashboard.conftest import make_workspace


def get(url: str, there: list[Route] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a request to the routes, as the server gives them."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(url),
        "raw_path": url.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
    }
    asyncio.run(Starlette(routes=there or routes())(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:])


def decoded(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def ids(workspace: Workspace) -> list[str]:
    return list(workspace.samples()["sample_id"])


@pytest.fixture
def photos(workspaces: dict[str, Workspace], tmp_path: Path) -> Workspace:
    """The first workspace, its samples changed to files: one large, one small, one 16-bit."""
    workspace = workspaces["shapes"]
    folder = workspace.folder / "samples"
    root = tmp_path / "photos"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (1500, 3000), dtype=np.uint8)
    Image.fromarray(noise).save(root / "large ü.jpg", quality=60)
    Image.fromarray(noise[:40, :30]).save(root / "small.png")
    Image.fromarray(noise[:40, :30].astype(np.uint16) * 7).save(root / "deep.png")
    names = ["large ü.jpg", "small.png", "deep.png", "gone.png"]
    samples = workspace.samples()
    samples["path"] = [names[row % len(names)] for row in range(len(samples))]
    hashes = {name: content_hash(decode(root / name)) for name in names[:3]} | {"gone.png": ""}
    samples["content_hash"] = samples["path"].map(hashes)
    samples["row"] = -1
    write_table(samples, folder / "samples.parquet", "samples", workspace.dataset.classes)
    (folder / "images.npy").unlink()
    document = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    changed = {"root": str(root), "shape": None, "dtype": "uint16"}
    write_json(folder / "dataset.json", {**document, **changed})
    return Workspace(workspace.name, workspace.folder)


@pytest.mark.parametrize("name", ["shapes", "stamps"])
@pytest.mark.parametrize("link", [thumbnail_url, image_url])
def test_every_view_of_a_sample_is_delivered_pixel_by_pixel(
    workspaces: dict[str, Workspace], name: str, link: Any
) -> None:
    workspace = workspaces[name]
    for row in (0, 7, 149):
        for place, view in enumerate(workspace.dataset.views):
            status, _, body = get(link(workspace, ids(workspace)[row], view))
            assert status == 200
            assert (decoded(body) == workspace.images()[row, ..., place]).all()


def test_pictures_made_beforehand_are_delivered_as_they_are(
    workspaces: dict[str, Workspace],
) -> None:
    workspace = workspaces["stamps"]
    folder, views = workspace.folder / "thumbnails", workspace.dataset.views
    made = [f"{row} {view}".encode() for row in range(len(workspace.samples())) for view in views]
    (folder / "thumbnails.bin").write_bytes(b"".join(made))
    np.save(folder / "offsets.npy", np.cumsum([0, *map(len, made)]))
    write_json(folder / "thumbnails.json", {"kept": True})
    for row in (0, 7, 149):
        for view in views:
            assert get(thumbnail_url(workspace, ids(workspace)[row], view))[2] == (
                f"{row} {view}".encode()
            )


def test_the_first_view_is_the_one_without_a_name(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["stamps"]
    sample = ids(workspace)[3]
    assert thumbnail_url(workspace, sample) == thumbnail_url(workspace, sample, "template")


@pytest.mark.parametrize("link", [thumbnail_url, image_url])
def test_browsers_may_keep_an_image_for_good(workspaces: dict[str, Workspace], link: Any) -> None:
    _, headers, _ = get(link(workspaces["shapes"], ids(workspaces["shapes"])[0]))
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "image/png"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_link_changes_with_its_artefact(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["shapes"]
    sample = ids(workspace)[0]
    before = thumbnail_url(workspace, sample)
    path = workspace.folder / "thumbnails" / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**manifest, "fingerprint": "0123456789abcdef" * 2})
    assert thumbnail_url(workspace, sample) != before
    status, headers, body = get(before)
    assert (status, headers["cache-control"]) == (404, "no-store")
    assert b"Reload the page" in body
    assert get(thumbnail_url(workspace, sample))[0] == 200


def test_names_are_quoted_in_links(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["stamps"]
    odd = Workspace("ä/b ?#", workspace.folder)
    url = image_url(odd, "0" * 16, "snr difference/2")
    assert url.startswith("/images/%C3%A4%2Fb%20%3F%23/")
    assert url.endswith(f"/snr%20difference%2F2/{'0' * 16}")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("shapes", "nothing", "no workspace 'nothing'"),
        ("shapes", "..", "no workspace '..'"),
        ("shapes", "%2e%2e", "no workspace '..'"),
        ("shapes", "shapes%00", "no workspace"),
        ("/image/", "/depth/", "no view 'depth'"),
        ("/image/", "/..%2f..%2fimage/", "no view"),
        ("0000000000000007", "ffffffffffffffff", "no sample 'ffffffffffffffff'"),
        ("0000000000000007", "000000000000000", "no sample"),
        ("0000000000000007", "%2e%2e", "no sample '..'"),
        ("0000000000000007", "0000000000000007%00", "no sample"),
        ("0000000000000007", "größe", "no sample"),
    ],
)
@pytest.mark.parametrize("link", [thumbnail_url, image_url])
def test_what_is_not_there_is_said_in_words(
    workspaces: dict[str, Workspace], link: Any, old: str, new: str, words: str
) -> None:
    url = link(workspaces["shapes"], "0000000000000007")
    status, headers, body = get(url.replace(old, new))
    assert status == 404
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert words in body.decode()


def test_thumbnails_of_other_samples_are_refused(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["shapes"]
    path = workspace.folder / "samples" / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**manifest, "digest": "0" * 32})
    status, _, body = get(thumbnail_url(workspace, ids(workspace)[0]))
    assert status == 404
    assert b"other samples" in body


def test_missing_thumbnails_name_the_command(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["shapes"]
    (workspace.folder / "thumbnails" / MANIFEST).unlink()
    with pytest.raises(CacheError, match="python -m pipelines run shapes"):
        thumbnail_url(workspace, ids(workspace)[0])


def test_large_files_are_shrunk_for_the_screen(photos: Workspace) -> None:
    _, headers, body = get(image_url(photos, ids(photos)[0]))
    assert headers["content-type"] == "image/webp"
    assert decoded(body).shape[:2] == (1024, 2048)


@pytest.mark.parametrize("row", [1, 2])
def test_small_files_are_shown_without_loss(photos: Workspace, row: int) -> None:
    _, headers, body = get(image_url(photos, ids(photos)[row]))
    assert headers["content-type"] == "image/png"
    assert decoded(body).shape == (40, 30)


def test_a_file_gone_since_is_said_in_words(photos: Workspace) -> None:
    status, _, body = get(image_url(photos, ids(photos)[3]))
    assert status == 404
    assert "gone.png" in body.decode()


def test_pixels_are_those_of_the_memory_map(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["stamps"]
    found = pixels(workspace, ids(workspace)[11])
    assert (found == workspace.images()[11]).all()
    with pytest.raises(CacheError, match="no sample 'abc'"):
        pixels(workspace, "abc")


def test_pixels_of_a_file_have_the_dtype_of_the_dataset(photos: Workspace) -> None:
    found = pixels(photos, ids(photos)[2])
    assert (found.dtype, found.shape) == (np.uint16, (40, 30, 1))


def test_beside_what_a_run_says_stands_the_view_that_its_model_reads(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "stamps", channels=("template", "science"))
    run = workspace.run("plain")
    path = run.artefact("train").path("run.json")
    write_json(path, {**read_json(path), "channels": ["science"]})
    assert view_shown(workspace.run("plain")) == "science"
    shutil.rmtree(path.parent)
    assert view_shown(workspace.run("plain")) == "template"
