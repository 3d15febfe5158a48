"""Artefacts: folders that are there whole or not at all.

An artefact is written into a hidden folder beside its place, its manifest last, flushed to disk
and renamed into place. Whatever kills the writer, the next reader finds the old artefact, the
new one, or none; never a part of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import CorruptArtefactError, MissingArtefactError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What made an artefact.

    Attributes:
        stage: Name of the stage that wrote it.
        fingerprint: Names everything that went in (see :mod:`cache.fingerprint`).
        digest: Names what came out, for the stages that read it. Equal to the fingerprint unless
            the stage can tell that the same result came from other inputs.
        version: The stage's own version.
        settings: Its part of the recipe, as plain data.
        inputs: Digest of each artefact it read, by key.
        rows: How many rows (samples, epochs) it made.
        seconds: Wall time.
        versions: Versions of Python and of the libraries that matter.
        created: Time of writing, ISO 8601 with time zone.
    """

    stage: str
    fingerprint: str
    digest: str
    version: int
    settings: Any
    inputs: dict[str, str]
    rows: int
    seconds: float
    versions: dict[str, str]
    created: str


@dataclass(frozen=True)
class Artefact:
    """One folder of the cache, written by one stage.

    Attributes:
        folder: Where it is, or would be.
        command: What to run to make it, for error messages.
    """

    folder: Path
    command: str

    @property
    def exists(self) -> bool:
        """Whether it is there. What is there is whole."""
        return (self.folder / MANIFEST).is_file()

    @property
    def manifest(self) -> Manifest:
        """What made it.

        Raises:
            MissingArtefactError: It is not there.
            CorruptArtefactError: Its manifest cannot be read.
        """
        path = self.path(MANIFEST)
        document = read_json(path)
        try:
            return Manifest(**document)
        except TypeError as error:
            raise CorruptArtefactError(
                f"The manifest {path} was written by another version of Centauro ({error}). "
                f"Make it again: {self.command}"
            ) from error

    def path(self, name: str) -> Path:
        """Path of one of its files.

        Raises:
            MissingArtefactError: The artefact, or this file of it, is not there.
        """
        if not self.exists:
            raise MissingArtefactError(
                f"There is no artefact '{self.folder.name}' in {self.folder.parent}. "
                f"Make it: {self.command}"
            )
        path = self.folder / name
        if not path.is_file():
            raise MissingArtefactError(
                f"The artefact {self.folder} holds no '{name}': somebody removed it, or another "
                f"version of Centauro wrote it. Make it again: {self.command} --force"
            )
        return path


@dataclass(frozen=True)
class Staging:
    """A folder being filled, on its way to become an artefact."""

    folder: Path
    target: Path

    def commit(self, manifest: Manifest) -> None:
        """Write the manifest, flush everything and move the folder into place."""
        write_json(self.folder / MANIFEST, dataclasses.asdict(manifest))
        for path in self.folder.rglob("*"):
            if path.is_file():
                _flush(path)
        _flush(self.folder)
        old = _beside(self.target, "old")
        shutil.rmtree(old, ignore_errors=True)
        if self.target.exists():
            self.target.rename(old)
        self.folder.rename(self.target)
        _flush(self.target.parent)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """Open a hidden folder to fill; it becomes ``target`` only when committed.

    An error, or leaving without a commit, removes it and leaves what was at ``target`` as it is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = staging_folder(target)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield Staging(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recover(workspace: Path) -> None:
    """Tidy what a killed writer left in a workspace: finish or undo its last rename.

    Call it only while holding the workspace's lock.
    """
    for old in sorted(workspace.rglob(".*.old")):
        target = old.with_name(old.name[1 : -len(".old")])
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)
    for new in sorted(workspace.rglob(".*.new")):
        shutil.rmtree(new)


def read_json(path: Path) -> Any:
    """Read a JSON file of the cache.

    Raises:
        CorruptArtefactError: It is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, why: object) -> CorruptArtefactError:
    """The error for a file of the cache that cannot be read.

    An artefact is made again as a whole; a file beside the artefacts alone, so that following the
    advice never costs the artefacts.
    """
    of_artefact = (path.parent / MANIFEST).is_file()
    what = f"the folder {path.parent}" if of_artefact else "this file"
    return CorruptArtefactError(
        f"The file {path} cannot be read ({why}). Delete {what} and run its recipe again."
    )


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole: beside, flush, rename. A failure leaves nothing beside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def staging_folder(target: Path) -> Path:
    """Hidden folder in which an artefact is written; it is there only while its stage works."""
    return _beside(target, "new")


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{suffix}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
