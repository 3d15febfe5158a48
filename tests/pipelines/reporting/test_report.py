"""The report: whole, offline, escaped, and with the figures of the artefacts."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cache import SPLITS, Workspace
from cache.artefact import read_json, write_json
from cache.embeddings import open_embedding
from cache.issues import label_issues
from cache.reviews import Verdict, open_reviews
from cache.tables import write_table
from pipelines import cli
from pipelines.methods import data_faults, number
from pipelines.methods.intervals import Rate
from pipelines.reporting import embedded, pictures
from pipelines.reporting.reading import Source
from pipelines.reporting.report import document
from tests.dashboard.conftest import make_workspace

VOID = ("meta", "img", "br")
HOSTILE = ('<script>alert("1")</script>', "a' onload='x", "&lt;b&gt;\x00\u202e")


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), "an attribute is there twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(autouse=True)
def no_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty place for reviews."""
    monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path / 'reviews.sqlite'}")


@pytest.fixture(scope="module")
def real(real_digits: Path) -> Page:
    """The report of a workspace as the pipelines make it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CENTAURO_CACHE", str(real_digits))
        return Page(document(Workspace("digits", real_digits / "digits")))


def asks_for_nothing(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "form", "base"} & {
        tag for tag, _ in page.tags
    }
    anchors = {attributes.get("id") for _, attributes in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "srcset"]
        href, src = attributes.get("href"), attributes.get("src")
        assert href is None or (href.startswith("#") and href[1:] in anchors)
        assert src is None or re.match(r"data:image/(png|webp);base64,[\w+/=]+$", src)
        style = attributes.get("style")
        assert style is None or "url(" not in style


def test_the_page_is_whole_asks_for_nothing_and_says_what_pictures_show(real: Page) -> None:
    asks_for_nothing(real)
    style = real.words
    assert "@import" not in style and "url(" not in style
    assert all(image.get("alt") is not None for image in real.of("img"))
    assert all(drawn.get("aria-label") for drawn in real.of("svg"))
    assert len(real.of("h1")) == 1
    policy = [each for each in real.of("meta") if each.get("http-equiv")]
    assert policy[0]["content"] and policy[0]["content"].startswith("default-src 'none'")


def test_figures_are_those_of_the_artefacts(real: Page, real_digits: Path) -> None:
    workspace = Workspace("digits", real_digits / "digits")
    run = workspace.run("hits")
    for split, told in run.metrics().items():
        figure = Rate(**told["accuracy"])
        assert f"{split}{figure.n:,}{number.short_rate(figure)}" in "".join(real.text)
    found = run.predictions()
    wrong = int((~found["correct"][found["split"] == "test"]).sum())
    assert f"{min(24, wrong)} of {wrong} mistakes on test" in real.words
    assert f"{run.document['parameters']['total']:,}" in real.words
    retrieval = read_json(run.folder / "embeddings/pixels/retrieval/retrieval.json")
    macro = Rate(**retrieval["pairs"]["test_train"]["macro"]["10"])
    assert number.short_rate(macro) in "".join(real.text)
    estimators = read_json(run.folder / "occlusion/five/estimators/estimators.json")
    mean = estimators["estimators"]["ours"]["fidelity"]["means"]["pearson"]
    assert f"{mean['value']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})" in real.words
    assert workspace.artefact("samples").manifest.fingerprint[:12] in real.words


def test_other_faults_of_the_data_are_told(real: Page, real_digits: Path) -> None:
    (issues,) = label_issues(Workspace("digits", real_digits / "digits").run("hits"))
    found = issues.document("quality")
    assert data_faults.finding(found) in real.words
    for kind, splits in found["odd"].items():
        counts = "".join(number.count(splits[split]) for split in SPLITS)
        told = f"{kind}: {data_faults.MEANS[kind]}{counts}"
        assert (told in "".join(real.text)) == any(splits.values())
    assert data_faults.nearly(found) in real.words
    assert issues.duplicates().empty and "images of pairs" not in real.words
    assert "Groups with images" not in real.words


def test_slices_out_of_line_and_pairs_are_told(real_digits: Path, tmp_path: Path) -> None:
    copy = Workspace("digits", Path(shutil.copytree(real_digits / "digits", tmp_path / "digits")))
    (issues,) = label_issues(copy.run("hits"))
    artefact = issues.artefact("quality")
    rate = {"value": 0.5, "low": 0.377, "high": 0.623, "n": 60, "count": 30}
    odd = {"column": "meta_by_night", "value": "<i>2018", "errors": rate, "others": rate}
    told = [{**odd, "p_value": 1e-9, "out_of_line": True}]
    told.append({**odd, "value": "usual", "p_value": 0.9, "out_of_line": False})
    content = {**issues.document("quality"), "slices": told, "unsliced": ["meta_scan_file"]}
    write_json(artefact.path("quality.json"), content)
    first, second = copy.samples().iloc[:2].to_dict("records")
    pair = {"sample_id": first["sample_id"], "other": second["sample_id"], "kind": "near"}
    pair |= {"split": first["split"], "other_split": second["split"]}
    pair |= {"label": first["label"], "other_label": second["label"]}
    path, classes = artefact.path("duplicates.parquet"), copy.dataset.classes
    write_table(pd.DataFrame([pair]), path, "duplicates", classes)
    samples = copy.samples()
    crossing = samples.groupby("split", observed=True).head(2).index
    groups = pd.Series(None, samples.index, dtype=object)
    groups[crossing] = "<i>patient"
    grouped = samples.assign(group=groups)
    write_table(grouped, copy.artefact("samples").path("samples.parquet"), "samples", classes)
    quality = issues.quality().assign(crosses=groups.notna())
    write_table(quality, artefact.path("quality.parquet"), "quality", classes)
    page = Page(document(copy))
    assert "<i>patient2226" in "".join(page.text)
    assert "neither numbers nor dates such as 2018-03-14: scan file." in page.words
    assert "1 slice of 2 with an error rate out of line" in page.words
    assert "by night: <i>2018" in page.words and "by night: usual" not in page.words
    assert f"Pair 1, nearly the same: {first['label']}, {first['split']}." in page.words
    assert "2 of 2 images of pairs" in page.words


def test_random_weights_are_told_and_few_neighbours_counted(tmp_path: Path) -> None:
    guess = {"kind": "backbone", "spread": 1.0, "random": True, "neighbours": 6}
    made = make_workspace(tmp_path, "odd", embeddings={"guess": guess})
    told = Page(str(embedded.tell(Source(made)))).words
    retrieval = open_embedding(made.run("plain"), "guess").document("retrieval")
    figure = number.short_rate(Rate(**retrieval["pairs"]["test_train"]["macro"]["5"]))
    assert "plain / guess (random weights)" in told
    assert f"{figure} (@5)".replace(number.SPACE, " ") in told


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    made = make_workspace(tmp_path, "odd", classes=HOSTILE, positive=HOSTILE[0], simulated="<i>x")
    page = Page(document(made))
    asks_for_nothing(page)
    assert HOSTILE[0] in page.words and HOSTILE[1] in page.words
    assert "&lt;b&gt;\N{REPLACEMENT CHARACTER}" in page.words and "<i>x" in page.words
    assert any(HOSTILE[0] in str(image["alt"]) for image in page.of("img"))
    assert "\x00" not in document(made)


def test_runs_are_compared_in_pairs_and_the_positive_class_is_named(tmp_path: Path) -> None:
    made = make_workspace(tmp_path, "odd", positive="cross")
    page = Page(document(made))
    plain, wide = (run.predictions() for run in made.runs())
    test = (plain["split"] == "test").to_numpy()
    only = (plain["correct"] & ~wide["correct"])[test].sum()
    both = (plain["correct"] & wide["correct"])[test].sum()
    cells = "".join(page.text)
    assert f"plain and wide{number.UNKNOWN}" not in cells and "plain and wide" in cells
    assert re.search(rf"plain and wide[^p]*points \([^)]*\){only}\d+{both}", cells)
    assert "The positive class: cross" in page.words
    assert "without leaked images" in page.words


@pytest.mark.parametrize("stage", ["train", "predictions", "embeddings/pixels/retrieval"])
def test_what_is_missing_says_what_to_run(tmp_path: Path, stage: str) -> None:
    made = make_workspace(tmp_path, "odd")
    folder = made.folder / "runs" / "plain" / stage
    shutil.rmtree(folder if folder.exists() else next((folder.parents[1]).glob("*/retrieval")))
    page = Page(document(made))
    assert "not made yet. Run:python -m pipelines run odd" in page.words.replace("Run: ", "Run:")
    assert "missing: runs/plain/" in page.words


def test_predictions_of_other_samples_are_refused(tmp_path: Path) -> None:
    made = make_workspace(tmp_path, "odd")
    path = made.folder / "samples" / "manifest.json"
    write_json(path, {**read_json(path), "digest": "another"})
    words = Page(document(Workspace("odd", made.folder))).words
    assert "were made from other samples" in words and "No run has predictions yet" in words


def test_a_large_report_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_workspace(tmp_path, "odd", runs={"bad": {"skill": 0.0, "epochs": 2}})
    room = 1_000
    shown = pictures.Pictures(made, room)
    drawn = [shown.picture(row, "x") for row in range(24)]
    assert any(each is None for each in drawn)
    assert sum(len(each) for each in drawn if each) < room + 24 * 60
    monkeypatch.setattr("pipelines.reporting.report.BYTES", room)
    assert "left out because the report would become too large" in Page(document(made)).words


def test_reviews_are_counted_and_none_are_made(tmp_path: Path) -> None:
    made = make_workspace(tmp_path, "odd")
    assert "No label was reviewed yet" in Page(document(made)).words
    assert not (tmp_path / "reviews.sqlite").exists()
    sample = made.samples().iloc[0]
    with open_reviews() as reviews:
        said = Verdict("odd", sample["sample_id"], str(sample["label"]), "bad", "<b>Anna")
        reviews.add(said)
        other = made.samples().iloc[1]
        reviews.add(Verdict("odd", other["sample_id"], "of another label", "bad", "Ben"))
    words = Page(document(made)).words
    assert "1 image reviewed by 1 reviewer" in words and "Anna" not in words


def test_the_command_writes_a_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_workspace(tmp_path / "cache", "odd")
    runner: Any = CliRunner()
    cache = ["--cache", str(tmp_path / "cache")]
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    found = runner.invoke(cli.app, ["report", "odd", *cache])
    assert found.exit_code == 0 and "report.html" in found.output
    Page((made.folder / "report.html").read_text(encoding="utf-8"))
    beside = tmp_path / "elsewhere" / "told.html"
    assert runner.invoke(cli.app, ["report", "odd", "--out", str(beside), *cache]).exit_code == 0
    assert beside.stat().st_size > 10_000
    beside.parent.joinpath("taken").mkdir()
    refused = runner.invoke(cli.app, ["report", "odd", "--out", str(beside.parent / "taken")])
    assert refused.exit_code == 1 and "Give another file with --out" in refused.output
    assert not [path for path in beside.parent.iterdir() if path.name.startswith(".")]
    assert runner.invoke(cli.app, ["report", "none", *cache]).exit_code == 1


def test_a_confusion_matrix_holds_its_counts() -> None:
    from pipelines.reporting import charts

    drawn = Page(charts.confusion(np.array([[5, 2], [0, 7]]), ["a", "<b>"], "matrix"))
    assert [text for text in drawn.text if text.isdigit()] == ["5", "2", "7"]
    assert "<b>" in drawn.text
