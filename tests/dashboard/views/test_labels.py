from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.embeddings import open_embedding
from cache.issues import open_label_issues
from cache.reviews import Reviews, Verdict, open_reviews
from dashboard import review_queue, suspects, triage
from dashboard.label_case import BESIDE
from dashboard.points import MOST_POINTS
from dashboard.widgets.scatter import inside
from tests.dashboard.conftest import Fire, Shown, make_workspace, parameter

Open = Callable[..., AppTest]

VIEWER = "labels_viewer"
GALLERY = "labels_gallery"
SQUARE = "labels_square"
UPPER = [[0, 5000], [10000, 5000], [10000, 10000], [0, 10000]]


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One person uses the dashboard, with the reviews beside the workspaces, closed at the end."""
    monkeypatch.delenv("CENTAURO_REVIEWS", raising=False)
    monkeypatch.setenv("CENTAURO_REVIEWER", "Anna")
    opened: list[Reviews] = []
    as_it_is = Reviews.__init__

    def noted(self: Reviews, *args: object) -> None:
        as_it_is(self, *args)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(Reviews, "__init__", noted)
    yield
    for each in opened:
        each.close()
    st.cache_resource.clear()


@pytest.fixture
def judged(workspaces: dict[str, Workspace]) -> pd.DataFrame:
    """Every label of ``shapes``, the most suspicious first."""
    return open_label_issues(workspaces["shapes"].run("plain"), "head").table()


@pytest.fixture
def queue(judged: pd.DataFrame) -> pd.DataFrame:
    """The suspects in their order."""
    return judged[judged["why"] != "none"].reset_index(drop=True)


@pytest.fixture
def page(open_page: Open, judged: pd.DataFrame) -> AppTest:
    return opened(open_page)


def opened(open_page: Open, **parameters: str) -> AppTest:
    at = open_page("labels", workspace="shapes", **parameters)
    assert not at.exception
    return at


def stored() -> pd.DataFrame:
    """What stands, read by a connection of its own."""
    with open_reviews() as reviews:
        return reviews.latest("shapes")


def say(*rows: pd.Series, reviewer: str, verdict: str, decided: str | None = None) -> None:
    """Store the same verdict of somebody else on some images."""
    with open_reviews() as reviews:
        reviews.add(
            *(
                Verdict("shapes", row["sample_id"], str(row["label"]), verdict, reviewer, decided)
                for row in rows
            )
        )


def verdict_on(row: pd.Series, verdict: str, n: int, **more: Any) -> dict[str, Any]:
    """The event of a verdict on an image, as the browser sends it."""
    return {
        "n": n,
        "action": "verdict",
        "verdict": verdict,
        "decided": None,
        "sample_id": row["sample_id"],
        "given": str(row["label"]),
        "note": "",
        "token": f"event{n}",
        **more,
    }


def markdown(at: AppTest) -> str:
    return "\n".join(each.value for each in at.markdown)


class TestQueue:
    def test_the_page_opens_with_how_many_are_suspected(
        self, page: AppTest, queue: pd.DataFrame, judged: pd.DataFrame, shown: Shown
    ) -> None:
        assert page.subheader[0].value == (
            f"{len(queue)} of {len(judged)} labels are suspected; none of them is reviewed yet."
        )
        data = shown(page, VIEWER)
        first = queue.iloc[0]
        assert parameter(page, "image") == first["sample_id"]
        assert (data["index"], data["total"], data["listed"]) == (0, len(queue), True)
        assert data["verdicts"]["given"] == first["label"]
        assert data["verdicts"]["suggested"] == first["suggested"]
        assert data["verdicts"]["standing"] is None
        assert not data["verdicts"]["undoable"]
        keys = {each["name"]: each["key"] for each in data["verdicts"]["labels"]}
        assert keys == {"circle": "1", "cross": "2", "square": "3"}
        assert "of its 20 nearest images" in markdown(page).lower()
        assert len(page.get("plotly_chart")) == 1

    def test_the_nearest_of_each_class_are_shown_where_none_is_among_the_neighbours(
        self, open_page: Open, judged: pd.DataFrame, workspaces: dict[str, Workspace], shown: Shown
    ) -> None:
        lonely = judged.loc[judged["neighbour_disagreement"].idxmax()]
        borne = round(20 * (1 - lonely["neighbour_disagreement"]))
        assert borne < BESIDE, "else the old neighbours would do"
        page = opened(open_page, image=lonely["sample_id"])
        run = workspaces["shapes"].run("plain")
        vectors, samples = open_embedding(run, "autoencoder").vectors(), run.workspace.samples()
        place = samples["sample_id"].tolist().index(lonely["sample_id"])
        far = pd.Series(np.linalg.norm(vectors - vectors[place], axis=1), samples["sample_id"])
        for key, kind in (("label", "Given"), ("suggested", "Suggested")):
            of = (samples["label"] == lonely[key]).to_numpy() & (np.arange(len(samples)) != place)
            tiles = [tile["id"] for tile in shown(page, f"labels_{key}")["tiles"]]
            assert tiles == far[of].nsmallest(BESIDE).index.tolist()
            start = f"{kind} label {lonely[key]}: the {BESIDE} nearest of {of.sum()} images."
            assert any(each.value.startswith(start) for each in page.caption)
        told = f"Among its 20 nearest of any label: {borne}"
        assert any(each.value.endswith(told) for each in page.caption)

    def test_what_the_threshold_rule_flags_is_told_beside_it(
        self, page: AppTest, judged: pd.DataFrame
    ) -> None:
        rule = judged["threshold_rule"]
        same = (rule & (judged["why"] != "none")).sum()
        told = f"flags {rule.sum()} of 150 labels; {same} of them are suspected here."
        assert any(each.value.endswith(told) for each in page.caption)
        assert not page.expander, "nobody knows the truth"

    def test_where_labels_were_flipped_it_is_told_how_well_they_are_found(
        self, open_page: Open, cache_folder: Path
    ) -> None:
        made = make_workspace(cache_folder, "noisy", issues={"head": "autoencoder"}, flipped=9)
        page = open_page("labels", workspace="noisy")
        assert not page.exception
        (told,) = page.expander
        assert told.label == "How well the 9 flipped labels of train are found"
        known = open_label_issues(made.run("plain"), "head").document("issues")["recovery"]
        rows = told.table[0].value.set_index("ranked by")["precision at 9"]
        found = known["methods"]["suspicion"]
        expected = f"{found['precision_at_n']:.3f} ({found['found_among_n']:.0f} of 9)"
        assert rows["suspicion"] == expected
        assert rows["the AJNA threshold rule"] == "0.430 (3.9 of 9)"

    def test_the_error_sheet_is_one_click_away(self, page: AppTest, queue: pd.DataFrame) -> None:
        page.button(key="labels_to_sheet").click().run()
        page.switch_page("views/sheet.py").run()
        assert not page.exception
        assert parameter(page, "image") == queue["sample_id"][0]

    def test_each_verdict_is_stored_before_the_next_image_shows(
        self, page: AppTest, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 1))
        second = queue.iloc[1]
        assert shown(page, VIEWER)["verdicts"]["sample_id"] == second["sample_id"]
        more = {"decided": str(second["suggested"]), "note": " a tail "}
        fire(page, VIEWER, verdict_on(second, "wrong", 2, **more))
        fire(page, VIEWER, verdict_on(queue.iloc[2], "undecidable", 3))
        fire(page, VIEWER, verdict_on(queue.iloc[3], "bad", 4))
        rows = stored()
        assert rows["verdict"].tolist() == ["right", "wrong", "undecidable", "bad"]
        assert rows["sample_id"].tolist() == queue["sample_id"].head(4).tolist()
        assert rows["decided"].tolist()[1] == second["suggested"]
        assert rows["note"].tolist()[1] == "a tail"
        assert set(rows["reviewer"]) == {"Anna"}
        assert shown(page, VIEWER)["verdicts"]["sample_id"] == queue["sample_id"][4]
        assert page.subheader[0].value.endswith(
            "4 of them are reviewed: 1 wrong, 1 right, 1 undecidable, 1 bad."
        )

    def test_an_event_that_comes_twice_is_stored_once(
        self, page: AppTest, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 1))
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 2, token="event1"))
        with open_reviews() as reviews:
            assert len(reviews.rows("shapes")) == 1
        assert shown(page, VIEWER)["verdicts"]["sample_id"] == queue["sample_id"][1]

    def test_undo_says_what_it_took_back_and_shows_it(
        self, page: AppTest, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        fire(page, VIEWER, verdict_on(queue.iloc[0], "bad", 1))
        assert shown(page, VIEWER)["verdicts"]["undoable"]
        fire(page, VIEWER, {"n": 2, "action": "undo", "token": "back"})
        assert stored().empty
        assert parameter(page, "image") == queue["sample_id"][0]
        assert f"Took back “bad” on {queue['sample_id'][0]}" in markdown(page)
        fire(page, VIEWER, {"n": 3, "action": "undo", "token": "more"})
        assert "no verdict of yours" in markdown(page)

    def test_it_goes_on_to_what_the_reviewer_has_not_judged(
        self, page: AppTest, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        say(queue.iloc[1], reviewer="Anna", verdict="right")
        say(queue.iloc[2], reviewer="Ben", verdict="right")
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 1))
        assert parameter(page, "image") == queue["sample_id"][2]
        assert "**Ben**: right" in markdown(page)
        fire(page, VIEWER, {"n": 2, "action": "previous"})
        data = shown(page, VIEWER)["verdicts"]
        assert data["sample_id"] == queue["sample_id"][1], "arrows pass over nothing"
        assert data["standing"] == {"verdict": "right", "decided": None, "note": ""}

    def test_what_was_said_of_another_label_is_shown_and_does_not_count(
        self, open_page: Open, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        first = queue.iloc[0].copy()
        first["label"] = first["suggested"]
        say(first, reviewer="Anna", verdict="bad")
        page = opened(open_page, unreviewed="true")
        assert page.subheader[0].value.endswith("none of them is reviewed yet.")
        data = shown(page, VIEWER)
        assert (data["total"], data["verdicts"]["sample_id"]) == (len(queue), first["sample_id"])
        assert data["verdicts"]["standing"] is None and data["verdicts"]["undoable"]
        told = f"**Anna**: bad (the given label was {first['label']} then: no longer counted)"
        assert told in markdown(page)
        fire(page, VIEWER, verdict_on(queue.iloc[1], "right", 1))
        page.toggle(key="unreviewed").set_value(False).run()
        assert page.subheader[0].value.endswith("1 of them is reviewed: 1 right.")
        page.segmented_control(key="work").set_value("reviewers").run()
        assert page.table[0].value["images"].tolist() == [1]

    def test_a_refused_verdict_is_told_and_the_image_stays(
        self, page: AppTest, queue: pd.DataFrame, fire: Fire
    ) -> None:
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 1, given="wolf"))
        assert "This verdict was not stored" in markdown(page)
        fire(page, VIEWER, verdict_on(queue.iloc[0], "splendid", 2, decided=7, note=None))
        assert "This verdict was not stored" in markdown(page)
        assert stored().empty
        assert parameter(page, "image") == queue["sample_id"][0]
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 3))
        assert "not stored" not in markdown(page)

    def test_when_all_are_reviewed_the_export_is_named(
        self, open_page: Open, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        say(*(row for _, row in queue.iloc[1:].iterrows()), reviewer="Anna", verdict="right")
        page = opened(open_page)
        fire(page, VIEWER, verdict_on(queue.iloc[0], "right", 1))
        assert "python -m pipelines labels export shapes" in page.success[0].value
        assert parameter(page, "image") == queue["sample_id"][0]

    def test_without_a_reviewer_nothing_can_be_said(
        self, open_page: Open, queue: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, shown: Shown
    ) -> None:
        monkeypatch.delenv("CENTAURO_REVIEWER")
        page = opened(open_page)
        assert "Who reviews?" in markdown(page)
        assert shown(page, VIEWER)["verdicts"]["disabled"]

    def test_a_link_opens_an_image_that_is_no_suspect(
        self, open_page: Open, judged: pd.DataFrame, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        calm = judged.iloc[-1]
        page = opened(open_page, image=calm["sample_id"])
        data = shown(page, VIEWER)
        assert not data["listed"]
        assert data["verdicts"]["sample_id"] == calm["sample_id"]
        assert "Not suspected" in markdown(page)
        fire(page, VIEWER, verdict_on(calm, "right", 1))
        assert parameter(page, "image") == queue["sample_id"][0]
        assert page.subheader[0].value.endswith(
            "none of them is reviewed yet; 1 other is reviewed too."
        )


class TestFilters:
    def test_the_url_says_what_is_left(
        self, open_page: Open, queue: pd.DataFrame, judged: pd.DataFrame, shown: Shown
    ) -> None:
        page = opened(open_page, label_split="train", given="cross", min_suspicion="60")
        wanted = queue.query("split == 'train' & label == 'cross' & suspicion >= .6")
        assert shown(page, VIEWER)["total"] == len(wanted) > 0
        assert parameter(page, "image") == wanted["sample_id"].iloc[0]
        page.button(key="labels_reset").click().run()
        assert shown(page, VIEWER)["total"] == len(queue)
        page.segmented_control(key="labels").set_value("all").run()
        assert shown(page, VIEWER)["total"] == len(judged)

    def test_only_mine_and_only_disputed(
        self, open_page: Open, queue: pd.DataFrame, shown: Shown
    ) -> None:
        say(queue.iloc[0], queue.iloc[1], reviewer="Anna", verdict="right")
        say(queue.iloc[1], reviewer="Ben", verdict="bad")
        page = opened(open_page, unreviewed="true")
        assert shown(page, VIEWER)["total"] == len(queue) - 2
        page.toggle(key="unreviewed").set_value(False).run()
        page.toggle(key="disputed").set_value(True).run()
        assert shown(page, VIEWER)["total"] == 1
        assert parameter(page, "image") == queue["sample_id"][1]
        assert page.subheader[0].value.endswith("1 right; two reviewers disagree on 1.")
        page.multiselect(key="given").set_value(["circle", "cross", "square"]).run()
        page.number_input(key="min_suspicion").set_value(100.0).run()
        assert "No label is left" in markdown(page)

    def test_other_issues_of_the_run(
        self, open_page: Open, workspaces: dict[str, Workspace]
    ) -> None:
        page = opened(open_page, issues="other")
        table = open_label_issues(workspaces["shapes"].run("plain"), "other").table()
        assert page.subheader[0].value.startswith(f"{(table['why'] != 'none').sum()} of ")
        assert "by pixels" in markdown(page)

    def test_a_run_without_issues_says_how_to_get_some(
        self, open_page: Open, workspaces: dict[str, Workspace]
    ) -> None:
        page = open_page("labels", workspace="stamps")
        assert "No labels of this run were judged" in markdown(page)
        assert "runs.hits.issues" in page.text[0].value
        assert page.code[0].value == "python -m pipelines run stamps"


class TestManyAtOnce:
    @pytest.fixture
    def many(self, open_page: Open, judged: pd.DataFrame) -> AppTest:
        return opened(open_page, work="many at once")

    def ids(self, shown: Shown, at: AppTest) -> list[str]:
        return [tile["id"] for tile in shown(at, GALLERY)["tiles"]]

    def test_what_is_outlined_is_in_the_gallery_and_the_queue(
        self,
        many: AppTest,
        judged: pd.DataFrame,
        workspaces: dict[str, Workspace],
        fire: Fire,
        shown: Shown,
    ) -> None:
        issues = open_label_issues(workspaces["shapes"].run("plain"), "head")
        table = suspects.read(issues)
        places = triage.square(table, 20).places
        within = inside(places, tuple(map(tuple, UPPER)))[table["row"]]  # type: ignore[arg-type]
        wanted = table["sample_id"][within].tolist()
        fire(many, SQUARE, {"n": 1, "outline": UPPER})
        assert shown(many, SQUARE)["selected_total"] == len(wanted) > 0
        assert self.ids(shown, many) == wanted[:30]
        assert parameter(many, "triage") == "0_5000_10000_5000_10000_10000_0_10000"
        many.segmented_control(key="work").set_value("one by one").run()
        assert shown(many, VIEWER)["total"] == len(wanted)
        many.button(key="labels_outline").click().run()
        assert shown(many, VIEWER)["total"] == (judged["why"] != "none").sum()

    def test_a_point_opens_its_image(
        self, many: AppTest, judged: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        fire(many, SQUARE, {"n": 1, "opened": judged["sample_id"].iloc[-1]})
        assert shown(many, VIEWER)["verdicts"]["sample_id"] == judged["sample_id"].iloc[-1]

    def test_one_verdict_for_all_that_are_ticked(
        self, many: AppTest, queue: pd.DataFrame, fire: Fire
    ) -> None:
        assert many.button(key="labels_many_0").disabled
        ticked = queue.head(3)
        fire(many, GALLERY, {"n": 1, "added": ticked["sample_id"].tolist()})
        assert "One verdict for 3 ticked images" in markdown(many)
        assert many.button(key="labels_many_1").label == "Wrong, as suggested: 3"
        many.button(key="labels_many_1").click().run()
        assert not many.exception
        rows = stored().set_index("sample_id")
        assert rows["decided"].to_dict() == dict(
            zip(ticked["sample_id"], ticked["suggested"].astype(str), strict=True)
        )
        assert rows["at"].nunique() == 1
        assert "Stored 3 verdicts" in markdown(many)
        assert many.button(key="labels_many_0").disabled, "nothing is ticked any more"
        undo = many.button(key="labels_many_undo")
        assert "The key z, or Undo" in markdown(many) and undo.proto.shortcut == "z"
        undo.click().run()
        assert stored().empty
        assert "Took back 3 verdicts that were given at once" in markdown(many)

    def test_a_note_and_a_label_are_for_one_batch_alone(
        self, many: AppTest, queue: pd.DataFrame, fire: Fire
    ) -> None:
        first, second = queue["sample_id"][:2]
        other = next(name for name in ("circle", "cross", "square") if name != queue["label"][0])
        fire(many, GALLERY, {"n": 1, "added": [first]})
        many.text_input(key="labels_note").set_value("smudged").run()
        many.selectbox(key="labels_class").set_value(other).run()
        many.button(key="labels_many_2").click().run()
        assert many.text_input(key="labels_note").value == ""
        assert many.selectbox(key="labels_class").value is None
        fire(many, GALLERY, {"n": 2, "added": [second]})
        many.button(key="labels_many_4").click().run()
        assert stored().set_index("sample_id")["note"].to_dict() == {first: "smudged", second: ""}

    def test_all_or_none(self, many: AppTest, queue: pd.DataFrame, fire: Fire) -> None:
        fire(many, GALLERY, {"n": 1, "added": queue["sample_id"].tolist()[:8]})
        many.selectbox(key="labels_class").set_value(str(queue["label"][0])).run()
        assert many.button(key="labels_many_2").disabled
        assert "bear this label already" in many.button(key="labels_many_2").help
        many.button(key="labels_many_3").click().run()
        assert stored()["verdict"].tolist() == ["undecidable"] * 8

    def test_a_tile_opens_its_image(
        self, many: AppTest, queue: pd.DataFrame, fire: Fire, shown: Shown
    ) -> None:
        fire(many, GALLERY, {"n": 1, "opened": queue["sample_id"][5]})
        assert shown(many, VIEWER)["index"] == 5

    def test_colours_tell_reviewed_ones_by_shape_too(
        self, open_page: Open, queue: pd.DataFrame, shown: Shown
    ) -> None:
        say(queue.iloc[0], reviewer="Ben", verdict="wrong", decided=str(queue["suggested"][0]))
        page = opened(open_page, work="many at once")
        names = [item["name"] for item in shown(page, SQUARE)["legend"]["items"]]
        why = suspects.WHY[str(queue["why"][0])]
        assert f"{why}, reviewed" in names
        assert names[-1] == "not suspected"
        page.segmented_control(key="triage_colour").set_value("verdict").run()
        items = shown(page, SQUARE)["legend"]["items"]
        assert [(item["name"], item["count"]) for item in items] == [
            ("wrong", "1"),
            ("suspected, not reviewed", str(len(queue) - 1)),
            ("neither suspected nor reviewed", str(150 - len(queue))),
        ]
        assert shown(page, SQUARE)["axes"] == list(triage.AXES)


def test_reviewers_are_compared_and_disputes_listed(
    open_page: Open, queue: pd.DataFrame, fire: Fire, shown: Shown
) -> None:
    page = opened(open_page, work="reviewers")
    assert "Nobody has reviewed a label yet" in markdown(page)
    say(*(queue.iloc[at] for at in range(6)), reviewer="Anna", verdict="right")
    say(*(queue.iloc[at] for at in range(5)), reviewer="Ben", verdict="right")
    say(queue.iloc[5], reviewer="Ben", verdict="bad")
    page.run()
    text = markdown(page)
    assert "**Anna** and **Ben** judged 6 images both, 5 of them alike: Cohen's kappa" in text
    assert "n = 6)" in text
    assert "1 image disputed" in text
    (tile,) = shown(page, "labels_disputes")["tiles"]
    assert tile["id"] == queue["sample_id"][5]
    assert tile["lines"] == ["Anna: right", "Ben: bad"]
    fire(page, "labels_disputes", {"n": 1, "opened": tile["id"]})
    assert shown(page, VIEWER)["verdicts"]["sample_id"] == tile["id"]


@pytest.mark.parametrize(
    ("work", "key"),
    [
        ("one by one", "labels_label"),
        ("many at once", GALLERY),
        ("reviewers", "labels_disputes"),
    ],
)
def test_every_gallery_leads_to_similar_images(
    open_page: Open, queue: pd.DataFrame, fire: Fire, shown: Shown, work: str, key: str
) -> None:
    say(queue.iloc[5], reviewer="Anna", verdict="right")
    say(queue.iloc[5], reviewer="Ben", verdict="bad")
    page = opened(open_page, work=work)
    wanted = shown(page, key)["tiles"][0]["id"]
    assert shown(page, key)["searchable"]
    fire(page, key, {"n": 1, "similar": wanted})
    assert page.title[0].value == "Similarity"
    assert parameter(page, "image") == wanted


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("similarity", "similarity_labels"),
        ("dataset", "dataset_to_labels"),
    ],
)
def test_the_way_here_from_any_image(
    open_page: Open, judged: pd.DataFrame, name: str, key: str, shown: Shown
) -> None:
    calm = str(judged["sample_id"].iloc[-1])
    at = (
        open_page(name, workspace="shapes", run="wide", image=calm)
        if name == "dataset"
        else (open_page(name, workspace="shapes", image=calm))
    )
    at.button(key=key).click().run()
    at.switch_page("views/labels.py").run()
    at.query_params["image"] = calm
    at.run()
    assert not at.exception
    assert at.selectbox(key="run").value == "plain"
    assert shown(at, VIEWER)["verdicts"]["sample_id"] == calm


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (("0", "7", "3"), {"0": "0", "7": "7", "3": "3"}),
        (("A", "C"), {"A": "a", "C": "c"}),
        (("r", "a"), {"r": "1", "a": "2"}),
        (tuple(f"k{place}" for place in range(10)), None),
    ],
)
def test_each_class_has_a_key_that_means_nothing_else(
    classes: tuple[str, ...], keys: dict[str, str] | None
) -> None:
    wanted = keys or dict(zip(classes, "1234567890", strict=True))
    assert review_queue.class_keys(classes) == wanted


def test_many_classes_have_no_keys() -> None:
    assert set(review_queue.class_keys([f"k{place}" for place in range(11)]).values()) == {None}


def test_a_large_square_is_a_stated_sample() -> None:
    n = MOST_POINTS + 1
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "row": rng.permutation(n),
            "p_suggested": rng.random(n),
            "neighbours_suggested": rng.integers(0, 21, n) / 20,
        }
    )
    shown = triage.square(table, 20)
    assert len(shown.drawn) == 20_000
    assert len(np.unique(shown.drawn)) == 20_000
    back = table.set_index("row").loc[np.arange(n)]
    assert np.allclose(shown.places[:, 0], back["p_suggested"])
    assert np.abs(shown.places[:, 1] - back["neighbours_suggested"]).max() <= 0.5 / 20 + 1e-6
