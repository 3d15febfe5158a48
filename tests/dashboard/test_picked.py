from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.picked import MOST_IN_URL, Choice, parse, write

NAMES = st.from_regex(r"[a-z][a-z0-9_:.-]{0,15}", fullmatch=True)
CORNERS = st.tuples(st.integers(-5000, 15000), st.integers(-5000, 15000))
OUTLINES = st.lists(CORNERS, min_size=3, max_size=30).map(tuple)
CHOICES = st.one_of(
    st.builds(
        Choice,
        st.just("outline"),
        NAMES,
        st.sampled_from(["umap", "pca"]),
        outlines=st.lists(OUTLINES, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Choice,
        st.just("cluster"),
        NAMES,
        st.sampled_from(["hdbscan", "kmeans"]),
        st.integers(0, 500).map(lambda number: (str(number),)),
    ),
    st.builds(Choice, st.just("near"), NAMES, values=st.just(("00000000000000a1",))),
    st.builds(
        Choice,
        st.just("samples"),
        part=st.sampled_from(["test images, wrong answers", ""]),
        values=st.lists(st.from_regex(r"[0-9a-f]{16}", fullmatch=True), max_size=20).map(tuple),
    ),
)


@given(CHOICES)
def test_a_choice_comes_back_from_the_url(choice: Choice) -> None:
    text = write(choice)
    assert text is not None
    assert parse(text) == choice


def test_a_long_list_stays_out_of_the_url() -> None:
    ids = tuple(f"{n:016x}" for n in range(MOST_IN_URL + 1))
    assert write(Choice("samples", values=ids)) is None
    assert write(Choice("samples", values=ids[1:])) is not None


@pytest.mark.parametrize(
    "text",
    ["", "x", "outline~a~umap~1_2_3", "outline~a~tsne~0_0_1_0_1_1", "cluster~a~hdbscan~x",
     "cluster~a~other~1", "near~a~~b.c", "outline~a~umap~0_0_a_0_1_1", "a~b~c~d~e"],
)  # fmt: skip
def test_what_means_nothing_picks_nothing(text: str) -> None:
    assert parse(text) is None
