from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cache import Workspace
from dashboard import data, export


def archive(content: bytes) -> zipfile.ZipFile:
    opened = zipfile.ZipFile(io.BytesIO(content))
    assert opened.testzip() is None
    return opened


def listed(opened: zipfile.ZipFile, name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(opened.read(name)), dtype={"sample_id": str})


def test_the_table_has_ids_labels_predictions_and_probabilities(
    workspaces: dict[str, Workspace],
) -> None:
    rows = data.answers(workspaces["shapes"].run("plain")).iloc[[7, 3]]
    text = export.predictions_csv(rows, workspaces["shapes"].dataset.classes)
    table = pd.read_csv(io.BytesIO(text), dtype={"sample_id": str})
    assert table["sample_id"].tolist() == rows["sample_id"].tolist()
    for column in ("split", "label", "predicted", "correct"):
        assert table[column].tolist() == rows[column].tolist()
    assert {"confidence", "margin", "loss", "path", "group", "leaked"} <= set(table.columns)
    given = table[["p circle", "p cross", "p square"]].to_numpy()
    assert given == pytest.approx(rows[["p_0", "p_1", "p_2"]].to_numpy(), rel=1e-5)


def test_images_without_files_become_png_with_the_same_pixels(
    workspaces: dict[str, Workspace],
) -> None:
    workspace = workspaces["shapes"]
    rows = data.answers(workspace.run("plain")).iloc[[5, 0]]
    opened = archive(export.images_zip(workspace, rows))
    names = [
        f"{row['split']}/{row['label']}/{row['predicted']}/{row['sample_id']}.png"
        for _, row in rows.iterrows()
    ]
    assert opened.namelist() == [*names, "predictions.csv"]
    images = workspace.images()
    assert images is not None
    for name, place in zip(names, (5, 0), strict=True):
        shown = np.asarray(Image.open(io.BytesIO(opened.read(name))))
        assert np.array_equal(shown, images[place, ..., 0])
    assert listed(opened, "predictions.csv")["sample_id"].tolist() == rows["sample_id"].tolist()


def test_every_channel_becomes_a_picture(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["stamps"]
    rows = data.answers(workspace.run("hits")).iloc[[0]]
    names = archive(export.images_zip(workspace, rows)).namelist()
    stem = rows["sample_id"].iloc[0]
    assert [Path(name).name for name in names] == [
        f"{stem} template.png",
        f"{stem} science.png",
        "predictions.csv",
    ]


def test_what_is_not_predicted_yet_can_be_downloaded(workspaces: dict[str, Workspace]) -> None:
    workspace = workspaces["shapes"]
    rows = data.samples(workspace).iloc[[5, 0]]
    opened = archive(export.images_zip(workspace, rows))
    images = [f"{row['split']}/{row['label']}/{row['sample_id']}.png" for _, row in rows.iterrows()]
    assert opened.namelist() == [*images, "samples.csv"]
    table = listed(opened, "samples.csv")
    assert table["sample_id"].tolist() == rows["sample_id"].tolist()
    assert set(table.columns) == {"sample_id", "split", "label", "path", "group", "leaked"}


@pytest.fixture
def from_files(workspaces: dict[str, Workspace], tmp_path: Path) -> tuple[Workspace, pd.DataFrame]:
    """A workspace whose samples came as files, the second of which is gone."""
    root = tmp_path / "photographs"
    (root / "a b").mkdir(parents=True)
    (root / "a b" / "é 1.JPG").write_bytes(b"the very bytes of the file")
    workspace = workspaces["shapes"]
    document = workspace.folder / "samples" / "dataset.json"
    fields = json.loads(document.read_text(encoding="utf-8")) | {"root": str(root)}
    document.write_text(json.dumps(fields), encoding="utf-8")
    rows = data.answers(workspace.run("plain")).iloc[:2]
    return Workspace(workspace.name, workspace.folder), rows.assign(
        path=["a b/é 1.JPG", "a b/gone.png"]
    )


def test_original_files_go_in_as_they_are(from_files: tuple[Workspace, pd.DataFrame]) -> None:
    workspace, rows = from_files
    opened = archive(export.images_zip(workspace, rows))
    first = next(name for name in opened.namelist() if name.endswith(".JPG"))
    assert Path(first).stem == rows["sample_id"].iloc[0]
    assert opened.read(first) == b"the very bytes of the file"


def test_what_is_left_out_is_listed_with_its_reason(
    from_files: tuple[Workspace, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, rows = from_files
    missing = listed(archive(export.images_zip(workspace, rows)), "left_out.csv")
    assert missing["sample_id"].tolist() == [rows["sample_id"].iloc[1]]
    assert "gone.png" in missing["reason"].iloc[0]
    monkeypatch.setattr(export, "MOST_IMAGES", 1)
    missing = listed(archive(export.images_zip(workspace, rows)), "left_out.csv")
    assert missing["reason"].tolist() == ["beyond the 1 images of one archive"]
    monkeypatch.setattr(export, "MOST_BYTES", 0)
    opened = archive(export.images_zip(workspace, rows))
    assert sorted(opened.namelist()) == ["left_out.csv", "predictions.csv"]
    assert len(listed(opened, "predictions.csv")) == 2


@pytest.mark.parametrize(
    ("label", "folder"),
    [("../up", "_up"), ("a/b\\c", "a_b_c"), ("..", "_"), ('x:y*?"<>|', "x_y_"), ("ß 1", "ß 1")],
)
def test_names_of_classes_are_one_folder_each(
    workspaces: dict[str, Workspace], label: str, folder: str
) -> None:
    workspace = workspaces["shapes"]
    rows = data.answers(workspace.run("plain")).iloc[[0]]
    names = archive(export.images_zip(workspace, rows.assign(label=label))).namelist()
    assert names[0].split("/")[1] == folder
    assert names[0].count("/") == 3
