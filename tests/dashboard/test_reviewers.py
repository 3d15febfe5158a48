"""What is told of two reviewers' agreement."""

from __future__ import annotations

import pytest

from dashboard.reviewers import sentence
from pipelines.methods.agreement import cohen_kappa


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (["a", "a", "b", "b"], ["a", "a", "b", "a"], "3 of them alike: Cohen's kappa 0.50 (95"),
        (["a", "a", "b", "b"], ["a", "a", "b", "a"], "to 1.00, n = 4)."),
        (["a"] * 4, ["a", "a", "a", "b"], "3 of them alike; Cohen's kappa says nothing, for one"),
        (["a"] * 4, ["a"] * 4, "4 of them alike; Cohen's kappa is not defined, for they used"),
    ],
)
def test_kappa_is_told_where_it_says_something(
    first: list[str], second: list[str], told: str
) -> None:
    said = sentence(("Anna", "Ben"), cohen_kappa(first, second))
    assert said.startswith("**Anna** and **Ben** judged 4 images both, ")
    assert told in said
