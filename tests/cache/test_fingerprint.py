from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.fingerprint import fingerprint, stage_fingerprint

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


@settings(max_examples=50)
@given(PLAIN)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert fingerprint(value) == fingerprint(reordered(value))


@given(st.lists(st.integers(), min_size=2, unique=True))
def test_the_order_of_lists_does(values: list[int]) -> None:
    assert fingerprint(values) != fingerprint(values[::-1])


@settings(max_examples=50)
@given(st.dictionaries(st.text(), PLAIN, min_size=1, max_size=5), st.data())
def test_any_changed_value_shows(document: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(document)))
    other = data.draw(PLAIN.filter(lambda value: repr(value) != repr(document[key])))
    changed = {**document, key: other}
    without = {name: value for name, value in document.items() if name != key}
    assert len({fingerprint(some) for some in (document, changed, without)}) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, True),
        (0, None),
        ("", None),
        ([], {}),
        ([1, [2]], [[1], 2]),
        ("ab", ["a", "b"]),
    ],
)
def test_kinds_of_values_are_told_apart(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_it_is_a_stable_name() -> None:
    # Written down: fingerprints of other processes and other days must be the same.
    assert fingerprint({"b": [1, 2.5, None], "a": "ü"}) == "c239a4a8c77eaa057e329e97f7c35441"


def test_what_is_not_plain_data_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        fingerprint({"classes": {"a", "b"}})


def test_each_part_of_a_stage_counts() -> None:
    parts: dict[str, Any] = {
        "stage": "train",
        "version": 1,
        "settings": "00",
        "inputs": {"samples": "a", "inputs": "b"},
    }
    names = {
        stage_fingerprint(**{**parts, **change})
        for change in (
            {},
            {"stage": "predictions"},
            {"version": 2},
            {"settings": "01"},
            {"inputs": {"samples": "a"}},
            {"inputs": {"samples": "a", "inputs": "c"}},
            {"inputs": {"samples": "b", "inputs": "a"}},
        )
    }
    assert len(names) == 7
    other_order = {"inputs": {"inputs": "b", "samples": "a"}}
    assert stage_fingerprint(**parts) == stage_fingerprint(**{**parts, **other_order})
