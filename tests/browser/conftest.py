"""A real server and a real browser.

Every page opened through ``visit`` is watched: a test fails if the console shows an error or if a
request leaves the machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright

PROJECT = Path(__file__).parents[2]
START_SECONDS = 90.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Serve = Callable[..., str]
Visit = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here ``browser``."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Not longer than a module: while Playwright runs, nothing else may run an event loop here.
@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserContext]:
    """A profile of Debian's Chromium, without a window.

    One for a module: each profile is a browser of its own, and loads Streamlit's scripts anew.
    """
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no 'chromium' on the path: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser.new_context()
        browser.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a Streamlit server: ``serve(script, CENTAURO_CACHE=...)`` returns its address."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(script: Path, **environment: str) -> str:
        port, folder = free_port(), tmp_path_factory.mktemp("server")
        processes.append(launch(script, port, folder, **environment))
        return f"http://127.0.0.1:{port}"

    yield start
    for process in processes:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@pytest.fixture
def visit(chromium: BrowserContext) -> Iterator[Visit]:
    """Open an address in a page of its own: ``visit(url, width=800, color_scheme="dark")``."""
    pages = []
    errors: list[str] = []
    strangers: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not is_probe(message.location.get("url", "")):
            errors.append(message.text)

    def watch(url: str) -> None:
        if leaves(url):
            strangers.append(url)

    def open_page(url: str, *, width: int = 1440, height: int = 900, **media: Any) -> Page:
        page = chromium.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(**{"color_scheme": "light", **media})
        page.on("console", hear)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: watch(request.url))
        page.on("websocket", lambda connection: watch(connection.url))
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not errors, f"The browser's console shows errors: {errors}"
    assert not strangers, f"Requests left the machine: {strangers}"


def launch(script: Path, port: int, folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a Streamlit server, and wait until it answers; whoever calls this ends it.

    Args:
        script: What it shows.
        port: Of 127.0.0.1.
        folder: Where what it prints is written to.
        **environment: Variables beside those of this process.
    """
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    options: Mapping[str, object] = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    log = folder / "output.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    wait_until_ready(process, f"http://127.0.0.1:{port}", log)
    return process


def leaves(url: str) -> bool:
    """Whether an address is on another machine."""
    parts = urlsplit(url)
    return parts.scheme not in ("blob", "data", "about") and parts.hostname != "127.0.0.1"


def is_probe(url: str) -> bool:
    """Whether Streamlit's front end asks if its server lives under the page's own path.

    Opened at ``/errors`` it asks ``/errors/_stcore/health`` and ``host-config`` beside the right
    addresses; the 404 tells it no.
    """
    path = urlsplit(url).path
    return path.endswith(("/_stcore/health", "/_stcore/host-config")) and path.count("/") > 2


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until a server answers; fail with what it printed if it does not."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    state = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
    printed = log.read_text(encoding="utf-8", errors="replace")
    pytest.fail(f"The server {state}. It printed:\n{printed}")
