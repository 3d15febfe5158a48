"""A PostgreSQL server of the tests' own: made, started and removed by them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

SECONDS = 30.0
"""How long to wait for the server to answer."""

USER = "reviewers"


def programs() -> Path | None:
    """Folder of ``initdb`` and ``postgres``, or None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    paths = [*([Path(found).resolve()] if found else []), *reversed(debian)]
    return paths[0].parent if paths else None


class Server:
    """A running server; it listens on a socket in its own folder and on nothing else."""

    def __init__(self, folder: Path, binaries: Path, account: dict[str, Any]) -> None:
        self.folder = folder
        self._binaries = binaries
        self._account = account
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # The tests kill processes, not machines: what a process wrote outlives it unflushed too.
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    *("-D", self.folder / "data", "-k", self.folder),
                    *("-c", "listen_addresses=", "-c", "shared_buffers=16MB", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                **self._account,
            )
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self._run("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals) -> None:
        """Stop it: with SIGINT orderly, with SIGQUIT at once, as if it had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)

    def database(self) -> str:
        """URL of a new, empty database."""
        self._made += 1
        self._run(f"CREATE DATABASE made_{self._made}")
        return f"postgresql://{USER}@/made_{self._made}?host={self.folder}"

    def _run(self, command: str) -> None:
        with psycopg.connect(
            f"host={self.folder} user={USER} dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(command.encode())


@contextlib.contextmanager
def running(binaries: Path) -> Iterator[Server]:
    """Make a server in a temporary folder and run it.

    PostgreSQL refuses to run as root: then it runs as the user that Debian made for it, or as
    nobody.
    """
    # Not below pytest's folder: that one is closed to other users, and its path is too long for
    # the name of a socket.
    folder = Path(tempfile.mkdtemp(prefix="centauro-"))
    try:
        account: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            account |= _unprivileged()
            os.chown(folder, account["user"], account["group"])
        subprocess.run(
            [
                *(binaries / "initdb", "-D", folder / "data", "--auth", "trust", "--no-sync"),
                *("--username", USER, "--encoding", "UTF8", "--locale", "C.UTF-8"),
            ],
            check=True,
            capture_output=True,
            **account,
        )
        server = Server(folder, binaries, account)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder)


def _unprivileged() -> dict[str, Any]:
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("There is neither a user 'postgres' nor 'nobody' to run PostgreSQL as.")
