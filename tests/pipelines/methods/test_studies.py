from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.studies import batch_protocol


def test_a_case_counted_by_hand() -> None:
    # On a line: a a b | b. Nearest two of each, itself first: (a, a), (a, a), (b, a), (b, b).
    vectors = np.array([[0.0], [1.0], [2.5], [9.0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    found = batch_protocol(vectors, labels, batch=4, k=2, queries=4000)
    asked = found.answers / 2
    assert found.queries == asked.sum() == 4000
    assert found.hits[0] == 2 * asked[0]
    # Half of the second class's queries find the other class beside themselves.
    assert found.hits[1] / found.answers[1] == pytest.approx(0.75, abs=0.02)
    assert found.value == pytest.approx(found.hits.sum() / 8000)
    assert found.without_query == pytest.approx((found.hits.sum() - 4000) / 4000)


def test_the_query_counts_for_itself_even_where_nothing_else_is_right() -> None:
    vectors = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    found = batch_protocol(vectors, np.arange(64), batch=64, k=4)
    assert found.value == pytest.approx(1 / 4)
    assert found.without_query == 0


def test_copies_of_the_query_do_not_push_it_out() -> None:
    found = batch_protocol(np.zeros((8, 3), np.float32), np.arange(8), batch=8, k=2)
    assert found.value == pytest.approx(1 / 2)


def test_a_small_last_batch_is_left_out_and_a_large_one_counts() -> None:
    vectors = np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32)
    labels = np.arange(100) % 2
    assert batch_protocol(vectors, labels, batch=45, k=5, queries=10).queries == 20
    assert batch_protocol(vectors, labels, batch=60, k=5, queries=10).queries == 20
    assert batch_protocol(vectors, labels, batch=500, k=5, queries=10).batch == 100


@pytest.mark.parametrize("k", [1, 41])
def test_a_k_that_cannot_be_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"between 2 and the images.*k={k}, 40 images"):
        batch_protocol(np.zeros((40, 2), np.float32), np.zeros(40, int), batch=256, k=k)


def test_the_same_seed_gives_the_same_figures() -> None:
    vectors = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    labels = np.arange(300) % 3
    first, second, other = (
        batch_protocol(vectors, labels, batch=128, k=10, seed=seed).value for seed in (3, 3, 4)
    )
    assert first == second != other
