from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import SourceError
from pipelines.methods.splits import leaked, make_splits

BOTH = {"val": 0.15, "test": 0.15}


def many(counts: dict[str, int]) -> np.ndarray:
    return np.repeat(list(counts), list(counts.values())).astype(object)


def share(splits: np.ndarray, name: str) -> float:
    return float((splits == name).mean())


def test_fractions_are_kept_to_the_sample() -> None:
    labels = many({"a": 3000, "b": 1211, "c": 789})
    splits, made = make_splits(labels, [None] * 5000, None, None, BOTH, 0)
    assert made.all()
    assert Counter(splits.tolist()) == {"train": 3500, "val": 750, "test": 750}
    for name in "abc":
        own = splits[labels == name]
        assert share(own, "val") == pytest.approx(0.15, abs=1 / len(own))
        assert share(own, "test") == pytest.approx(0.15, abs=1 / len(own))


def test_rounding_of_small_classes_does_not_add_up() -> None:
    labels = many({f"class {i}": 10 for i in range(100)})
    splits, _ = make_splits(labels, [None] * 1000, None, None, BOTH, 0)
    assert Counter(splits.tolist()) == {"train": 700, "val": 150, "test": 150}


def test_seed_decides() -> None:
    labels = many({"a": 60, "b": 40})
    first, again, other = (
        make_splits(labels, [None] * 100, None, None, BOTH, seed)[0] for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_fraction_zero_makes_no_split() -> None:
    labels = many({"a": 60, "b": 40})
    splits, _ = make_splits(labels, [None] * 100, None, None, {"val": 0.2, "test": 0}, 0)
    assert Counter(splits.tolist()) == {"train": 80, "val": 20}


def test_groups_stay_together_and_fractions_hold() -> None:
    rng = np.random.default_rng(0)
    groups = np.array([f"patient {i}" for i in rng.integers(0, 1500, 3000)], dtype=object)
    labels = np.where(rng.random(3000) < 0.26, "sick", "well").astype(object)
    splits, _ = make_splits(labels, [None] * 3000, groups, None, BOTH, 0)
    assert pd.Series(splits).groupby(groups).nunique().max() == 1
    assert share(splits, "val") == pytest.approx(0.15, abs=0.002)
    assert share(splits[labels == "sick"], "test") == pytest.approx(0.15, abs=0.005)


def test_made_splits_take_large_and_small_groups_alike() -> None:
    sizes = np.arange(1, 41)
    groups = np.repeat([f"group {size}" for size in sizes], sizes).astype(object)
    labels = many({"a": len(groups)})
    taken = [
        {name for name, split in zip(groups, splits, strict=True) if split == "val"}
        for seed in range(20)
        for splits in [make_splits(labels, [None] * len(groups), groups, None, BOTH, seed)[0]]
    ]
    mean_size = np.mean([np.mean([int(name.split()[1]) for name in some]) for some in taken])
    assert mean_size > 12  # the mean of all groups is 20.5; only the smallest would be near 7


def test_identical_pixels_stay_together_across_groups() -> None:
    labels = many({"a": 40, "b": 40})
    groups = np.array([f"g{i // 2}" for i in range(80)], dtype=object)
    hashes = np.array([f"h{i}" for i in range(80)], dtype=object)
    hashes[[1, 2]] = "twin"  # joins g0 and g1
    hashes[[3, 4]] = "other twin"  # and g2
    for seed in range(5):
        splits, _ = make_splits(labels, [None] * 80, groups, hashes, BOTH, seed)
        assert len(set(splits[:6])) == 1
        assert not leaked(splits, groups, hashes).any()


def test_a_split_that_came_is_not_touched() -> None:
    labels = many({"a": 100, "b": 100})
    came = np.array((["train"] * 80 + ["test"] * 20) * 2, dtype=object)
    splits, made = make_splits(labels, came, None, None, {"val": 0.25, "test": 0.5}, 0)
    assert (splits[came == "test"] == "test").all()
    assert Counter(splits.tolist()) == {"train": 120, "val": 40, "test": 40}
    assert (made == (splits == "val")).all()


def test_all_splits_came() -> None:
    came = ["train", "val", "test"] * 2
    splits, made = make_splits(["a", "b"] * 3, came, None, None, BOTH, 0)
    assert splits.tolist() == came
    assert not made.any()


def test_samples_without_a_split_join_train_and_what_is_missing() -> None:
    labels = many({"a": 100, "b": 100})
    came = np.array(([None] * 60 + ["train"] * 20 + ["test"] * 20) * 2, dtype=object)
    splits, made = make_splits(labels, came, None, None, BOTH, 0)
    assert Counter(splits.tolist()) == {"train": 136, "val": 24, "test": 40}
    unasked = pd.isna(came)
    assert made[unasked].all()
    assert not made[came == "test"].any()
    assert not made[(came == "train") & (splits == "train")].any()


def test_missing_values_of_pandas_mean_no_split() -> None:
    came = pd.Series(["train", "test", None, None], dtype="str")
    splits, made = make_splits(["a", "a", "a", "a"], came, None, None, {"val": 0, "test": 0}, 0)
    assert splits.tolist() == ["train", "test", "train", "train"]
    assert made.tolist() == [False, False, True, True]


def test_small_class_is_named_with_its_count_and_a_remedy() -> None:
    with pytest.raises(SourceError) as caught:
        make_splits(many({"cat": 50, "dog": 2}), [None] * 52, None, None, BOTH, 0)
    message = str(caught.value)
    assert "'dog' (2 samples)" in message
    assert "cat" not in message
    assert "at least 3" in message
    assert "dataset.classes" in message


def test_small_class_suffices_for_fewer_splits() -> None:
    labels = many({"cat": 50, "dog": 2})
    splits, _ = make_splits(labels, [None] * 52, None, None, {"val": 0.1, "test": 0}, 0)
    assert sorted(splits[50:]) == ["train", "val"]


def test_one_group_cannot_be_divided() -> None:
    labels = many({"cat": 50, "dog": 20})
    groups = [None] * 50 + ["rex"] * 20
    with pytest.raises(SourceError, match=r"'dog' \(20 samples, 1 of them independent\)"):
        make_splits(labels, [None] * 70, groups, None, BOTH, 0)


@pytest.mark.parametrize("came", [["test"] * 4, ["val", "test"] * 2, []])
def test_nothing_to_train_on(came: list[str]) -> None:
    with pytest.raises(SourceError, match="nothing to train on"):
        make_splits(["a"] * len(came), came, None, None, BOTH, 0)


def test_class_that_train_does_not_have() -> None:
    came = ["train"] * 3 + ["val", "test", "test"]
    with pytest.raises(SourceError, match=r"no sample in train.*'b' \(2 samples\)"):
        make_splits(["a", "a", "a", "a", "b", "b"], came, None, None, BOTH, 0)


def test_strange_name_of_a_split() -> None:
    with pytest.raises(SourceError, match=r"Received: \['holdout'\]"):
        make_splits(["a", "b"], ["train", "holdout"], None, None, BOTH, 0)


def test_leaks_are_those_that_train_also_has() -> None:
    splits = ["train", "train", "val", "test", "test", "val", "test"]
    groups = ["g", None, "g", None, "x", "x", None]
    hashes = ["1", "2", "3", "2", "4", "5", "5"]
    assert leaked(splits, groups, hashes).tolist() == [
        False,
        False,
        True,  # shares g with train
        True,  # has the pixels of a train sample
        False,  # shares x with val only
        False,
        False,  # has the pixels of a val sample only
    ]
    assert not leaked(splits, None, None).any()


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_promises_hold_for_any_dataset(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))

    def column(values: list[str | None]) -> np.ndarray:
        drawn = data.draw(st.lists(st.sampled_from(values), min_size=count, max_size=count))
        return np.array(drawn, dtype=object)

    labels = column(["a", "b", "c"][: data.draw(st.integers(1, 3))])
    came = column(data.draw(st.sampled_from([[None], ["train"], ["train", "test"], [None, "val"]])))
    groups = column([None, *(f"g{i}" for i in range(data.draw(st.integers(0, 30))))])
    hashes = column([f"h{i}" for i in range(data.draw(st.integers(1, 60)))])
    fractions = {
        "val": data.draw(st.floats(0, 0.45, allow_subnormal=False)),
        "test": data.draw(st.floats(0, 0.45, allow_subnormal=False)),
    }
    try:
        splits, made = make_splits(labels, came, groups, hashes, fractions, 7)
    except SourceError:
        return
    assert set(splits) <= {"train", "val", "test"}
    assert (splits == "train").any()
    for name in ("val", "test"):
        assert (splits[came == name] == name).all()
        if name not in came:
            assert (name in splits) == (fractions[name] > 0)
    # What was divided shares neither group nor pixels across the line.
    divided = pd.isna(came) | (came == "train")
    own, own_groups, own_hashes = splits[divided], groups[divided], hashes[divided]
    if set(came) & {"val", "test"} == set():
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            for values in (own_groups, own_hashes):
                shared = set(values[own == one]) & set(values[own == other])
                assert shared <= {None}
    for label in set(labels[divided]):
        assert label in set(labels[splits == "train"])
    assert (made == (pd.isna(came) | (splits != came))).all()


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(3, 400), min_size=1, max_size=5),
    val=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 99),
)
def test_single_samples_are_stratified_exactly(
    sizes: list[int], val: float, test: float, seed: int
) -> None:
    labels = many({f"c{i}": size for i, size in enumerate(sizes)})
    fractions = {"val": val, "test": test}
    splits, _ = make_splits(labels, [None] * len(labels), None, None, fractions, seed)
    for name, fraction in fractions.items():
        slack = len(sizes) + 0.5  # each class may be rounded up to its one sample
        assert abs((splits == name).sum() - fraction * len(labels)) <= slack
        for label, size in zip(dict.fromkeys(labels), sizes, strict=True):
            got = ((splits == name) & (labels == label)).sum()
            assert got >= 1
            assert abs(got - fraction * size) < 1.01
