from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.artefact import Artefact, Manifest, read_json, recover, staging, write_json
from cache.errors import CorruptArtefactError, MissingArtefactError

ROOT = Path(__file__).parents[2]

OLD = Manifest(
    stage="samples",
    fingerprint="0" * 32,
    digest="1" * 32,
    version=1,
    settings={"seed": 0, "name": "Übung"},
    inputs={"source": "2" * 32},
    rows=7,
    seconds=1.5,
    versions={"python": "3.11"},
    created="2026-01-02T03:04:05+00:00",
)
NEW = dataclasses.replace(OLD, fingerprint="3" * 32)


def write(target: Path, manifest: Manifest, text: str) -> Artefact:
    with staging(target) as place:
        (place.folder / "data.txt").write_text(text)
        place.commit(manifest)
    return Artefact(target, "make it")


@pytest.fixture
def artefact(tmp_path: Path) -> Artefact:
    return write(tmp_path / "space" / "samples", OLD, "old")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestCommit:
    def test_what_was_written_is_read(self, artefact: Artefact) -> None:
        assert artefact.exists
        assert artefact.manifest == OLD
        assert artefact.path("data.txt").read_text() == "old"
        assert files(artefact.folder.parent) == {"samples/data.txt", "samples/manifest.json"}

    def test_a_new_one_replaces_all_of_the_old(self, artefact: Artefact) -> None:
        with staging(artefact.folder) as place:
            (place.folder / "other.txt").write_text("new")
            assert artefact.manifest == OLD, "the old one stands until the commit"
            place.commit(NEW)
        assert artefact.manifest == NEW
        assert files(artefact.folder.parent) == {"samples/other.txt", "samples/manifest.json"}

    def test_folders_inside_it_come_along(self, tmp_path: Path) -> None:
        with staging(tmp_path / "a") as place:
            (place.folder / "deep" / "er").mkdir(parents=True)
            (place.folder / "deep" / "er" / "x").write_text("1")
            place.commit(OLD)
        assert files(tmp_path) == {"a/manifest.json", "a/deep/er/x"}

    def test_without_a_commit_nothing_appears(self, tmp_path: Path) -> None:
        with staging(tmp_path / "runs" / "a" / "train") as place:
            (place.folder / "data.txt").write_text("x")
        assert files(tmp_path) == set()

    def test_an_error_leaves_the_old_one(self, artefact: Artefact) -> None:
        with pytest.raises(ZeroDivisionError), staging(artefact.folder) as place:
            (place.folder / "data.txt").write_text("new")
            _ = 1 / 0
        assert artefact.manifest == OLD
        assert files(artefact.folder.parent) == {"samples/data.txt", "samples/manifest.json"}

    def test_a_manifest_that_json_cannot_hold_leaves_the_old_one(self, artefact: Artefact) -> None:
        nan = dataclasses.replace(NEW, seconds=float("nan"))
        with pytest.raises(ValueError, match="JSON"):
            write(artefact.folder, nan, "new")
        assert artefact.manifest == OLD
        assert artefact.path("data.txt").read_text() == "old"

    def test_rests_of_a_broken_staging_are_not_mixed_in(self, artefact: Artefact) -> None:
        rest = artefact.folder.with_name(".samples.new")
        rest.mkdir()
        (rest / "stale.txt").write_text("stale")
        write(artefact.folder, NEW, "new")
        assert files(artefact.folder.parent) == {"samples/data.txt", "samples/manifest.json"}


KILLER = """
import json, os, signal, sys
from pathlib import Path
from cache.artefact import Manifest, staging

target, manifest = Path(sys.argv[1]), Manifest(**json.loads(sys.argv[2]))

def replace(last):
    steps = 0

    def counted(event, arguments):
        # Every change of the file system announces itself here before it happens.
        nonlocal steps
        changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree")
        if changes or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1

    sys.addaudithook(counted)
    with staging(target) as place:
        (place.folder / "data.txt").write_text("new")
        place.commit(manifest)

for line in sys.stdin:
    child = os.fork()
    if not child:
        replace(int(line))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_before_each_step(target: Path) -> Iterator[int]:
    """Replace the artefact again and again, each time killed one step later, until it is done."""
    manifest = json.dumps(dataclasses.asdict(NEW))
    with subprocess.Popen(
        [sys.executable, "-c", KILLER, str(target), manifest],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for step in range(100):
            process.stdin.write(f"{step}\n")
            process.stdin.flush()
            ended = int(process.stdout.readline())
            if ended == 0:
                break
            assert ended == -signal.SIGKILL
            yield step
        process.stdin.close()


@pytest.mark.parametrize("before", ["nothing", "an old one"])
def test_a_writer_killed_at_any_step_leaves_old_new_or_none(tmp_path: Path, before: str) -> None:
    space = tmp_path / "space"
    artefact = Artefact(space / "samples", "make it")
    seen = set()
    space.mkdir()
    if before == "an old one":
        write(artefact.folder, OLD, "old")
    for step in killed_before_each_step(artefact.folder):
        found = look(artefact)
        recover(space)
        recovered = look(artefact)
        # A reader in between may find none; once tidied up, the old one is never lost.
        assert recovered in ("new", "old" if before == "an old one" else "none"), step
        assert found in (recovered, "none"), step
        assert {path.name for path in space.iterdir()} <= {"samples"}, f"rests of step {step}"
        seen.add(found)
        if recovered == "new":
            # Start each attempt from the same state.
            if before == "an old one":
                write(artefact.folder, OLD, "old")
            else:
                remove(artefact)
    assert look(artefact) == "new"
    assert seen >= ({"old", "none", "new"} if before == "an old one" else {"none"})


def look(artefact: Artefact) -> str:
    """Which artefact a reader finds; whatever it finds must be whole."""
    if not artefact.exists:
        return "none"
    text = artefact.path("data.txt").read_text()
    assert artefact.manifest == {"old": OLD, "new": NEW}[text]
    return text


def remove(artefact: Artefact) -> None:
    for path in artefact.folder.iterdir():
        path.unlink()
    artefact.folder.rmdir()


def test_recover_reaches_the_artefacts_of_runs(tmp_path: Path) -> None:
    broken = tmp_path / "runs" / "a"
    write(broken / "train", OLD, "old")
    (broken / "train").rename(broken / ".train.old")
    (broken / ".train.new").mkdir()
    (broken / ".train.new" / "model.keras").write_text("half")
    keep = broken / ".train.work" / "epochs" / "00001"
    keep.mkdir(parents=True)
    (keep.parent / ".00002.new").mkdir()
    recover(tmp_path)
    assert look(Artefact(broken / "train", "")) == "old"
    assert sorted(path.name for path in broken.iterdir()) == [".train.work", "train"]
    assert [path.name for path in keep.parent.iterdir()] == ["00001"]


class TestErrors:
    def test_a_missing_artefact_says_how_to_make_it(self, tmp_path: Path) -> None:
        artefact = Artefact(tmp_path / "samples", "python -m pipelines run digits")
        for ask in (lambda: artefact.manifest, lambda: artefact.path("dataset.json")):
            with pytest.raises(MissingArtefactError) as caught:
                ask()
            assert "'samples'" in str(caught.value)
            assert str(tmp_path) in str(caught.value)
            assert "Make it: python -m pipelines run digits" in str(caught.value)

    def test_a_folder_without_a_manifest_is_no_artefact(self, artefact: Artefact) -> None:
        (artefact.folder / "manifest.json").unlink()
        assert not artefact.exists
        with pytest.raises(MissingArtefactError):
            artefact.path("data.txt")

    def test_a_missing_file_is_named(self, artefact: Artefact) -> None:
        (artefact.folder / "data.txt").unlink()
        with pytest.raises(MissingArtefactError, match=r"'data\.txt'.*make it --force"):
            artefact.path("data.txt")

    @pytest.mark.parametrize("content", ["", "{", "\xff", '{"stage": "samples"', "not json"])
    def test_a_corrupt_manifest_is_named_with_a_remedy(
        self, artefact: Artefact, content: str
    ) -> None:
        path = artefact.folder / "manifest.json"
        path.write_text(content, encoding="latin-1")
        with pytest.raises(CorruptArtefactError) as caught:
            _ = artefact.manifest
        assert f"The file {path} cannot be read" in str(caught.value)
        assert f"Delete the folder {artefact.folder} and run its recipe again" in str(caught.value)

    @pytest.mark.parametrize("document", [{}, {"stage": "samples"}, [], "text", None, 3])
    def test_a_manifest_of_another_version_is_named(
        self, artefact: Artefact, document: object
    ) -> None:
        (artefact.folder / "manifest.json").write_text(json.dumps(document))
        with pytest.raises(CorruptArtefactError, match=r"manifest\.json.*another version.*make it"):
            _ = artefact.manifest

    def test_the_remedy_for_a_file_beside_the_artefacts_spares_them(
        self, artefact: Artefact
    ) -> None:
        path = artefact.folder.parent / "workspace.json"
        path.write_text("{")
        with pytest.raises(CorruptArtefactError, match=r"Delete this file and run") as caught:
            read_json(path)
        assert f"The file {path} cannot be read" in str(caught.value)


class TestWriteJson:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        value = {"Größe": [1, 2.5, None, True], "deep": {"a": []}}
        write_json(tmp_path / "new" / "a.json", value)
        assert read_json(tmp_path / "new" / "a.json") == value

    def test_an_error_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        write_json(path, {"value": 1})
        for bad in ({"value": float("nan")}, {"value": {1, 2}}):
            with pytest.raises((ValueError, TypeError)):
                write_json(path, bad)
            assert read_json(path) == {"value": 1}
        assert files(tmp_path) == {"a.json"}
