"""Decided labels by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cache.tables import conform
from pipelines.methods.decided_labels import accuracy, applicable, emptied, in_use
from pipelines.methods.intervals import rate

CLASSES = ["cat", "dog"]


def labelled(*labels: str) -> pd.Series:
    return pd.Series(pd.Categorical(labels, CLASSES))


def decisions(**verdicts: tuple[str, str | None, str]) -> pd.DataFrame:
    """Of each image: the given label, the decided one, the verdict."""
    rows = [
        {"sample_id": name, "given": given, "decided": decided, "verdict": verdict}
        for name, (given, decided, verdict) in verdicts.items()
    ]
    return pd.DataFrame(rows).astype("str")


@pytest.fixture
def samples() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": list("abcdef"),
            "split": ["train", "train", "train", "val", "test", "test"],
            "label": labelled("cat", "dog", "cat", "dog", "cat", "dog"),
        }
    )


def applied(samples: pd.DataFrame, **verdicts: tuple[str, str | None, str]) -> pd.DataFrame:
    kept, _ = applicable(decisions(**verdicts), samples)
    return conform(kept, "decisions", CLASSES)


def test_only_what_was_said_of_the_label_that_stands_applies(samples: pd.DataFrame) -> None:
    table = decisions(
        a=("cat", "dog", "wrong"),
        b=("cat", "dog", "wrong"),
        c=("cat", None, "bad"),
        z=("cat", "cat", "right"),
    )
    kept, left_out = applicable(table, samples)
    assert kept["sample_id"].tolist() == ["a", "c"]
    assert kept["keep"].tolist() == [True, False]
    assert left_out == {
        "image no longer in the workspace": 1,
        "given label changed since the verdict": 1,
    }


def test_train_and_val_are_learnt_by_decided_labels_and_test_keeps_its_own(
    samples: pd.DataFrame,
) -> None:
    used = in_use(
        samples,
        applied(
            samples,
            a=("cat", "dog", "wrong"),
            b=("dog", None, "disputed"),
            c=("cat", None, "undecidable"),
            d=("dog", "cat", "wrong"),
            e=("cat", "dog", "wrong"),
            f=("dog", None, "bad"),
        ),
    )
    assert used.labels.tolist() == [1, 1, 0, 0, 0, 1]
    assert used.keep.tolist() == [True, True, False, True, True, True]
    assert used.changed.tolist() == [True, False, False, True, False, False]


def test_without_decisions_labels_are_as_given(samples: pd.DataFrame) -> None:
    used = in_use(samples, None)
    assert used.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert used.keep.all() and not used.changed.any()


def test_what_is_left_without_images_is_named(samples: pd.DataFrame) -> None:
    used = in_use(
        samples,
        applied(samples, b=("dog", "cat", "wrong"), d=("dog", None, "bad")),
    )
    assert emptied(samples, used) == ["the class 'dog' of train", "the split val"]
    # Another label may take the place of a class, and one that was never there is not missed.
    used = in_use(
        samples,
        applied(
            samples, a=("cat", "dog", "wrong"), b=("dog", "cat", "wrong"), c=("cat", None, "bad")
        ),
    )
    assert emptied(samples, used) == []
    only_cats = samples[samples["sample_id"] != "b"].reset_index(drop=True)
    assert emptied(only_cats, in_use(only_cats, None)) == []


def test_accuracy_by_decided_labels() -> None:
    predictions = pd.DataFrame(
        {
            "sample_id": list("abcdef"),
            "label": labelled("cat", "cat", "dog", "dog", "cat", "dog"),
            "predicted": labelled("dog", "cat", "dog", "cat", "dog", "dog"),
        }
    )
    told = applied(
        predictions,
        a=("cat", "dog", "wrong"),  # right by the decided label
        c=("dog", "dog", "right"),
        d=("dog", None, "bad"),  # left out, although it was answered wrongly
        e=("cat", None, "disputed"),  # counts as given
    )
    found = accuracy(predictions, told)
    assert found is not None
    assert found.accuracy == rate(4, 5)
    assert (found.images, found.decided, found.changed, found.left_out) == (6, 3, 1, 1)
    assert accuracy(predictions, told[told["verdict"] == "disputed"]) is None
    assert np.isclose(found.accuracy.value, 0.8)
