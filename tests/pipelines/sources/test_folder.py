from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import SourceError
from pipelines.methods.pixels import decode
from pipelines.sources.base import Loaded
from pipelines.sources.folder import load, signature


def put(root: Path, *places: str) -> Path:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), len(place), np.uint8)).save(path, "PNG")
    return root


def read(root: Path, group: str | None = None, table: Path | None = None) -> Loaded:
    return load(SimpleNamespace(root=root, group=group, table=table), lambda done, total: None)


def tell(folder: Path, text: str) -> Path:
    path = folder.parent / "known.csv"
    path.write_text(text, encoding="utf-8")
    return path


def reasons(loaded: Loaded) -> dict[str, str]:
    return {item.path: item.reason for item in loaded.rejected}


def test_class_folders(tmp_path: Path) -> None:
    loaded = read(put(tmp_path, "cat/1.png", "cat/2.JPG", "dog/a/b/3.png"))
    records = loaded.records.set_index("place")
    assert records["label"].to_dict() == {
        "cat/1.png": "cat",
        "cat/2.JPG": "cat",
        "dog/a/b/3.png": "dog",
    }
    assert records["split"].isna().all()
    assert records["group"].isna().all()
    assert records["source"].tolist() == ["", "", "a"]
    assert loaded.classes == ("cat", "dog")
    assert loaded.images is None
    assert loaded.simulated is None
    assert loaded.rejected == []
    assert loaded.root is not None
    for place in records.index:
        assert decode(loaded.root / place).shape == (4, 4, 1)


@pytest.mark.parametrize("val", ["val", "valid", "VALIDATION", "Val"])
def test_split_folders(tmp_path: Path, val: str) -> None:
    places = [f"{split}/{name}/1.png" for split in ("Train", val, "test") for name in "ab"]
    records = read(put(tmp_path, *places)).records
    assert sorted(records["split"]) == ["test"] * 2 + ["train"] * 2 + ["val"] * 2
    assert sorted(records["label"]) == ["a"] * 3 + ["b"] * 3


def test_splits_beside_classes_are_explained(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "cats/1.png")
    with pytest.raises(SourceError, match=r"mixes splits and classes.*'train'.*'cats'"):
        read(tmp_path)


def test_hidden_files_are_ignored(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", ".git/x.png", "a/.hidden.png", "__MACOSX/a/._1.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (tmp_path / "a" / name).write_bytes(b"x")
    loaded = read(tmp_path)
    assert list(loaded.records["place"]) == ["a/1.png", "b/1.png"]
    assert loaded.rejected == []


def test_unicode_and_spaces(tmp_path: Path) -> None:
    composed, apart = "caf\u00e9 au lait", "cafe\u0301 au lait"
    put(tmp_path, f"train/{composed}/une photo.png", f"test/{apart}/猫 🐈.png")
    put(tmp_path, "train/thé vert/1 2\t3.png", "test/thé vert/\u202ertl.png")
    loaded = read(tmp_path)
    assert loaded.classes == (composed, "thé vert")
    assert len(loaded.records) == 4
    assert loaded.root is not None
    for place in loaded.records["place"]:
        assert decode(loaded.root / place).shape == (4, 4, 1)


def test_name_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    name = os.fsencode(tmp_path / "a") + b"/\xff\xfe.png"
    Path(os.fsdecode(name)).write_bytes(b"x")
    loaded = read(tmp_path)
    assert len(loaded.records) == 2
    (item,) = loaded.rejected
    item.path.encode()
    assert "UTF-8" in item.reason
    assert signature(SimpleNamespace(root=tmp_path, table=None))


def test_other_files_are_rejected_with_a_reason(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "train/loose.png", "looser.png")
    for place in ("README.md", "train/labels.csv", "train/a/box.xml", "train/b/noending"):
        (tmp_path / place).write_text("x")
    loaded = read(tmp_path)
    found = reasons(loaded)
    assert set(found) == {"looser.png", "train/loose.png", "train/a/box.xml", "train/b/noending"}
    assert "directly in the root folder" in found["looser.png"]
    assert "directly in a split folder" in found["train/loose.png"]
    assert "ends in '.xml'" in found["train/a/box.xml"]
    assert "no ending" in found["train/b/noending"]
    by_path = {item.path: item for item in loaded.rejected}
    assert (by_path["train/a/box.xml"].split, by_path["train/a/box.xml"].label) == ("train", "a")
    assert (by_path["train/loose.png"].split, by_path["train/loose.png"].label) == ("train", None)


def test_empty_class_is_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "empty").mkdir()
    loaded = read(tmp_path)
    assert loaded.classes == ("a", "b")
    (item,) = loaded.rejected
    assert (item.path, item.label) == ("empty", "empty")
    assert "no images" in item.reason


def test_empty_class_that_leaves_one_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"at least two classes.*'a'.*empty: the class folder"):
        read(tmp_path)


def test_one_folder_too_high_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "data/cat/1.png", "data/dog/1.png")
    with pytest.raises(SourceError, match=r"1 classes \('data'\).*dataset\.root"):
        read(tmp_path)
    assert read(tmp_path / "data").classes == ("cat", "dog")


@pytest.mark.parametrize("kind", ["empty", "missing", "file"])
def test_no_folder_of_images(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "data"
    if kind == "empty":
        root.mkdir()
    elif kind == "file":
        root.write_text("x")
    with pytest.raises(SourceError, match=r"Received.*dataset\.root"):
        read(root)


def test_link_loops_end(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "dead").symlink_to(tmp_path / "nothing")
    (tmp_path / "b" / "round.png").symlink_to(tmp_path / "b" / "round.png")
    loaded = read(tmp_path)
    assert list(loaded.records["place"]) == ["a/1.png", "b/1.png"]
    found = reasons(loaded)
    assert set(found) == {"a/up", "a/self", "b/dead", "b/round.png"}
    assert "read already" in found["a/up"]
    assert "link to nothing" in found["b/dead"]


def test_links_that_lead_elsewhere_are_followed_once(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere", "x/1.png", "2.png")
    root = put(tmp_path / "root", "a/1.png", "b/1.png")
    (root / "a" / "first").symlink_to(elsewhere)
    (root / "b" / "second").symlink_to(elsewhere)
    (root / "b" / "one.png").symlink_to(elsewhere / "2.png")
    loaded = read(root)
    assert list(loaded.records["place"]) == [
        "a/1.png",
        "a/first/2.png",
        "a/first/x/1.png",
        "b/1.png",
        "b/one.png",
    ]
    assert set(reasons(loaded)) == {"b/second"}


def test_link_does_not_take_a_class_from_its_own_folder(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    assert list(read(tmp_path).records["label"]) == ["a", "b"]


def test_linked_root_and_class(tmp_path: Path) -> None:
    put(tmp_path / "real", "a/1.png")
    put(tmp_path / "other", "1.png")
    (tmp_path / "real" / "b").symlink_to(tmp_path / "other")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert read(tmp_path / "root").classes == ("a", "b")


def test_group_is_the_captured_text_or_the_match(tmp_path: Path) -> None:
    put(tmp_path, "a/person12_1.png", "a/person12_2.png", "b/person7_1.png", "b/other.png")
    assert read(tmp_path, r"person(\d+)_").records["group"].tolist() == ["12", "12", None, "7"]
    assert read(tmp_path, r"person\d+").records["group"].tolist() == [
        "person12",
        "person12",
        None,
        "person7",
    ]
    assert read(tmp_path, r"person(\d+)|(other)").records["group"].tolist() == [
        "12",
        "12",
        "other",
        "7",
    ]


def test_group_that_matches_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    with pytest.raises(SourceError, match=r"matches none of 2 paths.*patient.*'a/1\.png'"):
        read(tmp_path, r"patient(\d+)")


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    put(tmp_path, *(f"{i}/1.png" for i in range(12)), "02/1.png")
    assert read(tmp_path).classes == (
        "0", "1", "02", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11",
    )  # fmt: skip


def test_progress_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    told: list[tuple[int, int]] = []
    options = SimpleNamespace(root=tmp_path, group=None, table=None)
    load(options, lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)


def test_signature_follows_the_content(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    options = SimpleNamespace(root=tmp_path, table=None)
    first = signature(options)
    assert signature(options) == first
    put(tmp_path, "a/2.png")
    second = signature(options)
    (tmp_path / "a/2.png").rename(tmp_path / "b/2.png")
    third = signature(options)
    os.utime(tmp_path / "b/2.png", ns=(1, 1))
    fourth = signature(options)
    (tmp_path / "c").mkdir()
    fifth = signature(options)
    assert len({first, second, third, fourth, fifth}) == 5


def test_signature_of_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"):
        signature(SimpleNamespace(root=tmp_path / "nothing", table=None))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_tells_what_else_is_known(tmp_path: Path, separator: str) -> None:
    root = put(tmp_path / "root", "cafe\u0301/1.png", "b/day/2.png", "b/3.png", "b/4.png")
    (root / "b" / "notes.txt").write_text("x")
    rows = [
        ["\ufeffpath", "Group", "source", "Date of scan", "age", "again"],
        ["caf\u00e9/1.png", "007", "north", "2018-03-14", "61", "True"],
        ["b\\day\\2.png", "008", "", "2018-03-15", "", "False"],
        ["./b/3.png", "", " south ", "", "58.5", "True"],
        ["b/none.png", "009", "", "", "", ""],
        ["b/notes.txt", "", "", "", "", ""],
    ]
    table = tell(root, "\n".join(separator.join(row) for row in rows))
    loaded = read(root, table=table)
    records = loaded.records.set_index("place")
    records = records.loc[["cafe\u0301/1.png", "b/day/2.png", "b/3.png", "b/4.png"]]
    assert records["group"].tolist() == ["007", "008", None, None]
    assert records["source"].tolist() == ["north", "", "south", ""]
    assert records["meta_Date_of_scan"].tolist() == ["2018-03-14", "2018-03-15", None, None]
    np.testing.assert_array_equal(records["meta_age"], [61, np.nan, 58.5, np.nan])
    assert records["meta_again"].tolist() == ["True", "False", "True", None]
    assert "has a row of it, but there is no such image" in reasons(loaded)["b/none.png"]
    assert set(reasons(loaded)) == {"b/none.png", "b/notes.txt"}
    assert "ends in '.txt'" in reasons(loaded)["b/notes.txt"]
    assert "known from the table known.csv. 1 of 4 images have no row" in loaded.description


def test_without_sources_in_the_table_those_of_the_folders_stay(tmp_path: Path) -> None:
    root = put(tmp_path / "root", "a/day/1.png", "b/1.png")
    loaded = read(root, group="(a)", table=tell(root, "path,night\na/day/1.png,3\nb/1.png,4\n"))
    assert loaded.records["source"].tolist() == ["day", ""]
    assert loaded.records["group"].tolist() == ["a", None]
    assert loaded.records["meta_night"].tolist() == [3, 4]
    assert "no row" not in loaded.description


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be CSV in UTF-8"),
        ("path,night\na/1.png,3,4\n", "more fields than names"),
        ("file,night\na/1.png,3\n", r"a column 'path'.*Received: \['file', 'night'\]"),
        ("path\na/1.png\n", "further columns"),
        ("path,night\na/1.png,3\n,4\n", r"Received: 1 without \(first rows: 3\)"),
        ("path,night\na/1.png,3\na/1.png,4\n", r"one row for each image.*\['a/1.png'\], 1 in all"),
        ("path,by night,by-night\na/1.png,3,4\n", r"different names.*\['by_night'\]"),
        ("path,night\nroot/a/1.png,3\n", r"no row of any of 2 images.*'root/a/1.png'.*'a/1.png'"),
        ("path,group\na/1.png,x\n", r"groups must come from one place.*'\(a\)'.*Take away"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    root = put(tmp_path / "root", "a/1.png", "b/1.png")
    table = tell(root, text)
    with pytest.raises(SourceError, match=message) as caught:
        read(root, group="(a)", table=table)
    assert str(table) in str(caught.value)


def test_a_table_belongs_to_the_signature(tmp_path: Path) -> None:
    root = put(tmp_path / "root", "a/1.png", "b/1.png")
    alone = signature(SimpleNamespace(root=root, table=None))
    table = tell(root, "path,night\na/1.png,3\n")
    options = SimpleNamespace(root=root, table=table)
    first = signature(options)
    tell(root, "path,night\na/1.png,34\n")
    assert len({alone, first, signature(options)}) == 3
    table.unlink()
    with pytest.raises(SourceError, match=r"table of the images cannot be opened.*dataset\.table"):
        signature(options)
