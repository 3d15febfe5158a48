from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import Workspace
from cache.errors import VerdictError
from cache.reviews import Reviews, open_reviews
from dashboard import data, reviews
from tests.postgresql import Server


def page() -> None:
    """A page that reviews: a name, two keys, and what stands."""
    import streamlit as st

    from dashboard import data, reviews, selection
    from dashboard.widgets.messages import told

    with told():
        workspace = selection.workspace()
        st.text(f"by {reviews.choose_reviewer()}")
        first, second = data.samples(workspace)["sample_id"].head(2)
        if st.button("right"):
            reviews.add(workspace, [first, second], "right")
        if st.button("undo"):
            undone = reviews.undo(workspace)
            st.text(f"undone {[each.sample_id for each in undone]}")
        st.text(f"{len(reviews.standing(workspace))} stand, pace {reviews.pace(workspace)}")


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without settings of the machine, and with no connection left open."""
    for name in ("CENTAURO_REVIEWS", "CENTAURO_REVIEWER"):
        monkeypatch.delenv(name, raising=False)
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
def shapes(workspaces: dict[str, Workspace]) -> Workspace:
    return workspaces["shapes"]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One person uses the dashboard."""
    monkeypatch.setenv("CENTAURO_REVIEWER", "Anna")


def ids(workspace: Workspace, count: int = 3) -> list[str]:
    return data.samples(workspace)["sample_id"].head(count).tolist()


def texts(at: AppTest) -> list[str]:
    assert not at.exception
    return [element.value for element in at.text]


class TestPage:
    def test_a_name_is_asked_for_and_remembered(self, shapes: Workspace) -> None:
        at = AppTest.from_function(page).run()
        assert texts(at) == ["by None", "0 stand, pace None"]
        at.button[0].click().run()
        assert "This verdict was not stored" in at.markdown[0].value
        assert "Say who you are" in texts(at)[1]
        # As a browser sends a name that is typed; AppTest knows only options that are there.
        at.selectbox(reviews.REVIEWER).options.append(" Zo\u00eb  Ann")
        at.selectbox(reviews.REVIEWER).set_value(" Zo\u00eb  Ann").run()
        at.button[0].click().run()
        assert texts(at) == ["by Zo\u00eb Ann", "2 stand, pace None"]
        at.button[1].click().run()
        assert texts(at) == [
            "by Zo\u00eb Ann",
            f"undone {ids(shapes, 2)[::-1]}",
            "0 stand, pace None",
        ]
        assert reviews.REVIEWER not in at.query_params, "a copied link has no reviewer"
        # The next person finds the names there are.
        other = AppTest.from_function(page).run()
        assert other.selectbox(reviews.REVIEWER).options == ["Zo\u00eb Ann"]
        assert texts(other) == ["by None", "0 stand, pace None"]

    def test_a_setting_names_the_one_reviewer(self, shapes: Workspace, named: None) -> None:
        at = AppTest.from_function(page).run()
        assert texts(at)[0] == "by Anna"
        at.button[0].click().run()
        assert reviews.store().reviewers() == ["Anna"]

    def test_a_database_that_is_not_there_is_told(
        self, shapes: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CENTAURO_REVIEWS", "postgresql://ann:secret@127.0.0.1:1/team")
        at = AppTest.from_function(page).run()
        assert "The reviews cannot be reached" in at.markdown[0].value
        (message,) = texts(at)
        assert "'team' on 127.0.0.1:1 cannot be opened" in message
        assert "secret" not in message
        monkeypatch.delenv("CENTAURO_REVIEWS")
        assert texts(at.run()) == ["by None", "0 stand, pace None"]

    def test_a_team_shares_a_postgresql_database(
        self,
        shapes: Workspace,
        postgresql: Server,
        monkeypatch: pytest.MonkeyPatch,
        named: None,
    ) -> None:
        monkeypatch.setenv("CENTAURO_REVIEWS", postgresql.database())
        at = AppTest.from_function(page).run()
        at.button[0].click().run()
        assert texts(at)[1].startswith("2 stand")
        with open_reviews() as elsewhere:
            elsewhere.undo("shapes", "Anna")
        assert texts(at.run())[1].startswith("0 stand"), "what another server stored shows"


class TestStoring:
    def test_a_verdict_is_on_disk_when_add_returns(self, shapes: Workspace, named: None) -> None:
        first = data.samples(shapes).iloc[0]
        decided = next(name for name in shapes.dataset.classes if name != first["label"])
        (row,) = reviews.add(shapes, [first["sample_id"]], "wrong", decided=decided, note="hm")
        assert (row.given, row.decided) == (first["label"], decided)
        with open_reviews() as other:
            assert other.rows("shapes")["token"].tolist() == [row.token]

    def test_an_event_that_comes_twice_is_stored_once(self, shapes: Workspace, named: None) -> None:
        for _ in range(2):
            reviews.add(shapes, ids(shapes), "bad", token="event 1")
        assert len(reviews.store().rows("shapes")) == 3

    def test_what_was_given_at_once_is_taken_back_at_once(
        self, shapes: Workspace, named: None
    ) -> None:
        first = ids(shapes, 5)
        reviews.add(shapes, first[3:], "right")
        reviews.add(shapes, first[:3], "bad")
        back = reviews.undo(shapes, "event 2")
        assert [each.sample_id for each in back] == first[2::-1]
        assert reviews.undo(shapes, "event 2") == back, "the same event again"
        assert sorted(reviews.standing(shapes)["sample_id"]) == first[3:]
        reviews.undo(shapes)
        assert reviews.undo(shapes) == []

    def test_each_image_may_get_a_label_of_its_own(self, shapes: Workspace, named: None) -> None:
        labels = data.samples(shapes).set_index("sample_id")["label"].astype("str").head(3)
        classes = shapes.dataset.classes
        decided = {
            sample_id: classes[(classes.index(label) + 1) % 3]
            for sample_id, label in labels.items()
        }
        reviews.add(shapes, list(decided), "wrong", decided=decided, seen=labels.to_dict())
        stands = reviews.standing(shapes).set_index("sample_id")["decided"]
        assert stands.to_dict() == decided
        with pytest.raises(VerdictError, match=r"bore the label 'wolf' when it was shown"):
            reviews.add(shapes, ids(shapes, 1), "right", seen={ids(shapes)[0]: "wolf"})

    def test_an_unknown_image_or_class_is_refused(self, shapes: Workspace, named: None) -> None:
        with pytest.raises(VerdictError, match=r"no image 'of-old'.*open the image again"):
            reviews.add(shapes, [*ids(shapes), "of-old"], "right")
        with pytest.raises(VerdictError, match=r"'wolf'.*Choose one of circle, cross, square"):
            reviews.add(shapes, ids(shapes), "wrong", decided="wolf")
        assert reviews.standing(shapes).empty

    def test_a_file_that_was_removed_takes_no_verdict_with_it(
        self, shapes: Workspace, named: None, cache_folder: Path
    ) -> None:
        reviews.add(shapes, ids(shapes), "right")
        for path in cache_folder.glob("reviews.sqlite*"):
            path.unlink()
        reviews.add(shapes, ids(shapes, 1), "bad")
        with open_reviews() as other:
            assert other.rows("shapes")["verdict"].tolist() == ["bad"]
