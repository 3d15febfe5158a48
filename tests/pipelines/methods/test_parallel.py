"""Reading ahead: in order, one ahead, and errors come out where they belong."""

from __future__ import annotations

import pytest

from pipelines.methods.parallel import one_ahead


def test_results_come_in_order_and_one_ahead() -> None:
    begun: list[int] = []

    def call(index: int) -> int:
        begun.append(index)
        return index * index

    results = []
    for result in one_ahead(call, 5):
        results.append(result)
        assert len(begun) <= len(results) + 1
    assert results == [0, 1, 4, 9, 16]
    assert begun == [0, 1, 2, 3, 4]
    assert list(one_ahead(call, 0)) == []


def test_an_error_stops_it() -> None:
    def call(index: int) -> int:
        if index == 2:
            raise ValueError("the third")
        return index

    there = one_ahead(call, 5)
    assert [next(there), next(there)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(there)
