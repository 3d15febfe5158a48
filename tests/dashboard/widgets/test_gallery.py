from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets.gallery import Tile, gallery, page_of


def kept_by_gallery() -> None:
    import streamlit as st

    from dashboard.widgets.gallery import Tile, gallery

    if not st.session_state.get("elsewhere"):
        numbers = st.session_state.get("numbers", range(4))
        tiles = [Tile(f"s{i}", f"/{i}.png", f"image {i}", mark="wrong") for i in numbers]
        event = gallery(tiles, key="g", label="Images", empty="Nothing here.")
        st.session_state["event"] = event
        if event.opened:
            st.session_state["opened"] = [*st.session_state.get("opened", []), event.opened]


def kept_by_caller() -> None:
    import streamlit as st

    from dashboard.widgets.gallery import Tile, gallery

    tiles = [Tile(f"s{i}", f"/{i}.png", f"image {i}") for i in range(3)]
    mine = st.session_state.get("mine", ("s9", "s1"))
    st.session_state["event"] = gallery(
        tiles, key="g", label="Images", empty="Nothing here.", selected=mine
    )
    st.session_state["mine"] = st.session_state["event"].selected


def paged() -> None:
    import streamlit as st

    from dashboard.widgets.gallery import page_of

    items = list(range(st.session_state.get("count", 25)))
    st.session_state["page_of"] = page_of(items, key="page", per_page=10)


def start(script: Any) -> AppTest:
    return AppTest.from_function(script, default_timeout=20).run()


def test_tiles_reach_the_browser_as_given(shown: Any) -> None:
    data = shown(start(kept_by_gallery), "g")
    assert [tile["id"] for tile in data["tiles"]] == ["s0", "s1", "s2", "s3"]
    assert data["tiles"][1] == {
        "id": "s1",
        "src": "/1.png",
        "alt": "image 1",
        "title": "",
        "lines": [],
        "mark": "wrong",
    }
    assert (data["selected"], data["elsewhere"], data["heard"]) == ([], 0, 0)


def test_opening_happens_once(fire: Any) -> None:
    at = fire(start(kept_by_gallery), "g", {"n": 1, "added": [], "removed": [], "opened": "s2"})
    assert at.session_state["event"].opened == "s2"
    at.run()
    assert at.session_state["event"].opened is None
    assert at.session_state["opened"] == ["s2"]


def test_an_event_of_a_gallery_gone_does_not_happen_later(fire: Any) -> None:
    at = start(kept_by_gallery)
    at.session_state["elsewhere"] = True
    at = fire(at, "g", {"n": 1, "added": ["s1"], "removed": [], "opened": "s2"})
    at.session_state["elsewhere"] = False
    at.run()
    assert at.session_state["event"].opened is None
    assert at.session_state["event"].selected == ()


def test_the_gallery_keeps_a_selection_by_itself(fire: Any, shown: Any) -> None:
    at = fire(start(kept_by_gallery), "g", {"n": 1, "added": ["s1", "s3"], "removed": []})
    assert at.session_state["event"].selected == ("s1", "s3")
    assert at.session_state["event"].changed
    assert shown(at, "g")["heard"] == 1
    at = fire(at, "g", {"n": 2, "added": ["s0"], "removed": ["s1"]})
    assert at.session_state["event"].selected == ("s3", "s0")
    at.run()
    assert at.session_state["event"].selected == ("s3", "s0")
    assert not at.session_state["event"].changed


def test_an_event_repeated_changes_nothing_more(fire: Any) -> None:
    # The browser sends everything since Python last spoke, so quick events overlap.
    at = fire(start(kept_by_gallery), "g", {"n": 1, "added": ["s1"], "removed": []})
    at = fire(at, "g", {"n": 2, "added": ["s1", "s2"], "removed": []})
    assert at.session_state["event"].selected == ("s1", "s2")


def test_a_selection_outlives_the_page_it_was_made_on(fire: Any, shown: Any) -> None:
    at = fire(start(kept_by_gallery), "g", {"n": 1, "added": ["s1", "s2"], "removed": []})
    at.session_state["numbers"] = range(2, 6)
    at.run()
    assert shown(at, "g")["selected"] == ["s2"]
    assert shown(at, "g")["elsewhere"] == 1
    at = fire(at, "g", {"n": 2, "added": [], "removed": ["s2"], "clear": True})
    assert at.session_state["event"].selected == ()


def test_the_caller_may_keep_the_selection(fire: Any, shown: Any) -> None:
    at = start(kept_by_caller)
    assert shown(at, "g")["selected"] == ["s1"]
    assert shown(at, "g")["elsewhere"] == 1
    at = fire(at, "g", {"n": 1, "added": ["s0"], "removed": ["s1"]})
    assert at.session_state["mine"] == ("s9", "s0")
    at.session_state["mine"] = ("s2",)
    at.run()
    assert shown(at, "g")["selected"] == ["s2"]
    assert not at.session_state["event"].changed


@pytest.mark.parametrize(
    "payload",
    [
        {"n": 1, "added": "s1", "removed": {"s2": 1}, "opened": 7},
        {"n": 1, "added": [1, None, ["s1"]], "opened": ["s1"]},
        {"n": "1", "added": ["s1"], "opened": "s1"},
    ],
)
def test_what_no_gallery_sends_is_ignored(fire: Any, payload: dict[str, Any]) -> None:
    at = fire(start(kept_by_gallery), "g", payload)
    assert not at.exception
    assert at.session_state["event"].selected == ()
    assert at.session_state["event"].opened is None


def test_tiles_need_different_ids() -> None:
    tiles = [Tile("s1", "/1.png", "one"), Tile("s1", "/2.png", "two")]
    with pytest.raises(ValueError, match="2 tiles with 1 ids"):
        gallery(tiles, key="g", label="Images", empty="Nothing here.")


def test_pages_follow_the_url() -> None:
    at = AppTest.from_function(paged, default_timeout=20)
    at.query_params["page"] = "3"
    at.run()
    page = at.session_state["page_of"]
    assert (list(page.items), page.caption) == ([20, 21, 22, 23, 24], "21 to 25 of 25")


def test_a_list_grown_short_shows_its_first_page() -> None:
    at = AppTest.from_function(paged, default_timeout=20)
    at.query_params["page"] = "3"
    at.run()
    at.session_state["count"] = 15
    at.run()
    assert not at.exception
    assert at.session_state["page_of"].caption == "1 to 10 of 15"


@pytest.mark.parametrize(("count", "caption"), [(0, "none"), (1, "all 1"), (10, "all 10")])
def test_a_short_list_has_no_pager(count: int, caption: str) -> None:
    page = page_of(list(range(count)), key="page", per_page=10)
    assert (len(page.items), page.caption) == (count, caption)


def fixed() -> None:
    import streamlit as st

    from dashboard.widgets.gallery import Tile, gallery

    tiles = [Tile(f"s{i}", f"/{i}.png", f"image {i}") for i in range(3)]
    st.session_state["event"] = gallery(
        tiles, key="g", label="Images", empty="Nothing here.", selectable=False
    )


def test_without_selection_tiles_only_open(fire: Any, shown: Any) -> None:
    at = start(fixed)
    assert not shown(at, "g")["selectable"]
    at = fire(at, "g", {"n": 1, "added": ["s1"], "opened": "s2"})
    assert at.session_state["event"].selected == ()
    assert at.session_state["event"].opened == "s2"
