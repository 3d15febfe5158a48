from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from cache.verdicts import DECISION, decided, judgements, pace, progress

Row = tuple[str, str, str, str | None, str]


def standing(*rows: Row) -> pd.DataFrame:
    """Standing verdicts, oldest first: image, reviewer, verdict, decided label, note. All cats."""
    names = ["sample_id", "reviewer", "verdict", "decided", "note"]
    frame = pd.DataFrame(rows, columns=names).astype("str")
    return frame.assign(given="cat", id=range(1, len(rows) + 1))


def test_one_verdict_decides() -> None:
    table = decided(
        standing(
            ("s4", "Anna", "bad", None, ""),
            ("s1", "Anna", "right", None, "sure"),
            ("s3", "ben", "undecidable", None, ""),
            ("s2", "Anna", "wrong", "dog", ""),
        )
    )
    assert list(table.columns) == list(DECISION)
    assert table["sample_id"].tolist() == ["s1", "s2", "s3", "s4"]
    assert table["verdict"].tolist() == ["right", "wrong", "undecidable", "bad"]
    assert table["decided"].fillna("-").tolist() == ["cat", "dog", "-", "-"]
    assert table["note"].tolist() == ["sure", "", "", ""]


def test_where_reviewers_disagree_nothing_is_decided() -> None:
    table = decided(
        standing(
            ("s1", "zoe", "wrong", "dog", "a dog"),
            ("s1", "Anna", "wrong", "fox", "a fox"),
            ("s2", "zoe", "wrong", "dog", ""),
            ("s2", "Anna", "wrong", "dog", "surely"),
            ("s2", "ben", "wrong", "dog", ""),
            ("s3", "zoe", "bad", None, ""),
            ("s3", "Anna", "undecidable", None, ""),
        )
    )
    assert table["verdict"].tolist() == ["disputed", "wrong", "disputed"]
    assert table["decided"].fillna("-").tolist() == ["-", "dog", "-"]
    assert table["reviewers"].tolist() == ["Anna, zoe", "Anna, ben, zoe", "Anna, zoe"]
    assert table["note"].tolist() == ["Anna: a fox\nzoe: a dog", "Anna: surely", ""]


def test_a_label_that_was_changed_in_between_can_still_be_agreed_on() -> None:
    latest = standing(("s1", "Anna", "wrong", "dog", ""), ("s1", "ben", "right", None, ""))
    latest["given"] = ["cat", "dog"]
    assert judgements(latest).tolist() == ["label dog", "label dog"]
    (row,) = decided(latest).to_dict("records")
    assert (row["given"], row["decided"], row["verdict"]) == ("dog", "dog", "right")
    (row,) = decided(latest.iloc[::-1]).to_dict("records")
    assert (row["given"], row["decided"], row["verdict"]) == ("dog", "dog", "right")
    latest["id"] = [2, 1]
    (row,) = decided(latest).to_dict("records")
    assert (row["given"], row["decided"], row["verdict"]) == ("cat", "dog", "wrong")


def test_a_label_may_bear_the_name_of_a_verdict() -> None:
    latest = standing(("s1", "Anna", "wrong", "bad", ""), ("s1", "ben", "bad", None, ""))
    assert decided(latest)["verdict"].tolist() == ["disputed"]


def test_progress_counts_images_and_judgements() -> None:
    told = progress(
        standing(
            ("s1", "zoe", "right", None, ""),
            ("s2", "zoe", "wrong", "dog", ""),
            ("s2", "Anna", "right", None, ""),
        )
    )
    assert told.reviewed == 2
    assert told.verdicts == {"right": 1, "wrong": 0, "undecidable": 0, "bad": 0, "disputed": 1}
    assert told.by_reviewer == {"Anna": 1, "zoe": 2}


def test_nothing_is_reviewed_at_first() -> None:
    nothing = standing()
    assert decided(nothing).empty and list(decided(nothing).columns) == list(DECISION)
    assert progress(nothing).reviewed == 0


@pytest.mark.parametrize(
    ("seconds", "median"),
    [
        ([], None),
        ([0], None),
        ([0, 4], 4.0),
        ([0, 2, 6, 14], 4.0),
        ([0, 10, 1000, 1030], 20.0),
        ([0, 10, 5, 20], 12.5),
        ([0, 1000], None),
        ([0, 0, 0], None),
        ([0, 10, 20, 32, 32, 32, 32], 3.0),
        ([0, 10, 20, 32, 32], 8.0),
    ],
)
def test_pace_shares_time_and_leaves_pauses_and_steps_back_out(
    seconds: list[int], median: float | None
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = pd.DataFrame(
        {
            "reviewer": "Anna",
            "verdict": "right",
            "at": pd.Series(
                [start + timedelta(seconds=each) for each in seconds], dtype="datetime64[us, UTC]"
            ),
        }
    )
    others = rows.assign(reviewer="ben", at=rows["at"] + timedelta(seconds=1))
    undone = rows.assign(verdict="undone", at=rows["at"] + timedelta(seconds=1))
    mixed = pd.concat([rows, others, undone]).sort_index(kind="stable")
    assert pace(mixed, "Anna") == median
