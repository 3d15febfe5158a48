"""What the reviews promise, on SQLite and on a real PostgreSQL server alike."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cache import review_database
from cache.errors import VerdictError
from cache.reviews import Review, Reviews, Verdict, new_token
from cache.verdicts import decided, pace


def verdict(sample_id: str = "s1", says: str = "right", by: str = "Anna", **more: Any) -> Verdict:
    """A verdict on a cat; 'wrong' makes a dog of it."""
    given = {"workspace": "photos", "given": "cat", "decided": "dog" if says == "wrong" else None}
    return Verdict(**{**given, "sample_id": sample_id, "verdict": says, "reviewer": by, **more})


def standing(reviews: Reviews) -> list[tuple[str, str, str]]:
    latest = reviews.latest("photos")
    return sorted(zip(latest["sample_id"], latest["reviewer"], latest["verdict"], strict=True))


def store(reviews: Reviews, **values: Any) -> None:
    """A row as another machine might have written it, with a clock of its own."""
    row = {
        "workspace": "photos",
        "sample_id": "s1",
        "given": "cat",
        "verdict": "right",
        "note": "",
        "reviewer": "Anna",
        "token": new_token(),
    }
    with reviews.engine.begin() as connection:
        connection.execute(review_database.reviews.insert().values(**row | values))


class TestAdding:
    def test_a_verdict_comes_back_as_it_was_given(self, reviews: Reviews) -> None:
        before = datetime.now(UTC)
        given = verdict(says="wrong", note=" blurred, but a dog \n")
        (row,) = reviews.add(given)
        assert before <= row.at <= datetime.now(UTC)
        assert row.at.tzinfo is UTC
        assert row == Review(
            id=row.id,
            workspace="photos",
            sample_id="s1",
            given="cat",
            verdict="wrong",
            decided="dog",
            note="blurred, but a dog",
            reviewer="Anna",
            at=row.at,
            token=given.token,
            undoes=None,
        )
        (read,) = reviews.rows("photos").to_dict("records")
        assert read["at"] == row.at and read["at"].utcoffset() == timedelta(0)
        assert read["decided"] == "dog" and read["id"] == row.id

    def test_a_verdict_sent_twice_is_stored_once(self, reviews: Reviews) -> None:
        given = verdict(note="again")
        first = reviews.add(given)
        assert reviews.add(given) == first
        assert len(reviews.rows("photos")) == 1

    def test_a_token_names_one_verdict(self, reviews: Reviews) -> None:
        given = verdict()
        reviews.add(given)
        with pytest.raises(VerdictError, match="new token for each"):
            reviews.add(verdict(sample_id="s2", token=given.token))
        with pytest.raises(VerdictError, match="new token for each"):
            reviews.undo("photos", "Anna", given.token)
        assert len(reviews.rows("photos")) == 1

    def test_several_are_stored_all_or_none(self, reviews: Reviews) -> None:
        stored = reviews.add(*(verdict(f"s{place}") for place in range(5)))
        assert [row.sample_id for row in stored] == [f"s{place}" for place in range(5)]
        taken = stored[0].token
        with pytest.raises(VerdictError):
            reviews.add(verdict("s5"), verdict("s6", token=taken))
        with pytest.raises(VerdictError):
            reviews.add(verdict("s5"), verdict("s6", says="maybe"))
        assert len(reviews.rows("photos")) == 5

    @pytest.mark.parametrize(
        "text",
        [
            "Zoë naïve 猫 🐈 العربية",
            "'; DROP TABLE reviews; --",
            '%s %(x)s :x ? " \\ {}',
            "=HYPERLINK(0)\ttab\nline\r\nline",
            "<script>alert(1)</script>",
        ],
    )
    def test_text_comes_back_letter_by_letter(self, reviews: Reviews, text: str) -> None:
        given = verdict(
            text, "wrong", workspace=text, given=text, decided=f"{text}!", note=f"a{text}b"
        )
        reviews.add(given)
        (row,) = reviews.rows(text).to_dict("records")
        assert (row["sample_id"], row["given"], row["decided"]) == (text, text, f"{text}!")
        assert row["note"] == f"a{text}b"

    def test_a_name_is_the_same_however_it_is_typed(self, reviews: Reviews) -> None:
        reviews.add(verdict(by="Zoe\u0308  Ann "))
        reviews.add(verdict("s2", by=" Zo\u00eb\tAnn"))
        assert reviews.reviewers() == ["Zo\u00eb Ann"]
        (undone,) = reviews.undo("photos", "Zoe\u0308 Ann")
        assert undone.sample_id == "s2"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"verdict": "maybe"}, "must be one of right, wrong, undecidable, bad.*'maybe'"),
            ({"verdict": "undone"}, "must be one of"),
            ({"verdict": "wrong", "decided": None}, "decided=None.*Choose the label"),
            ({"verdict": "wrong", "decided": ""}, "decided=''.*Choose the label"),
            ({"verdict": "right", "decided": "dog"}, "decided='dog'"),
            ({"verdict": "wrong", "decided": "cat"}, "Use the verdict 'right'"),
            ({"reviewer": " \n"}, "needs a reviewer"),
            ({"reviewer": "x" * 81}, "reviewer .* 80 characters.*81"),
            ({"note": "x" * 2001}, "note .* 2,000 characters.*2,001"),
            ({"sample_id": ""}, "nothing as sample_id"),
            ({"workspace": "", "token": ""}, "nothing as workspace, token"),
            ({"note": "a\0b"}, "note .* cannot be stored"),
            ({"given": "caf\udce9"}, "given .* cannot be stored"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, reviews: Reviews, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(VerdictError, match=message):
            reviews.add(verdict(**changes))
        assert reviews.rows("photos").empty


class TestStanding:
    def test_the_latest_verdict_of_each_reviewer_counts(self, reviews: Reviews) -> None:
        reviews.add(verdict(says="bad"), verdict(by="ben"), verdict("s2", "undecidable"))
        reviews.add(verdict(says="wrong"))
        assert standing(reviews) == [
            ("s1", "Anna", "wrong"),
            ("s1", "ben", "right"),
            ("s2", "Anna", "undecidable"),
        ]
        assert len(reviews.rows("photos")) == 4, "what was said before is still there"

    def test_workspaces_are_apart(self, reviews: Reviews) -> None:
        reviews.add(verdict(), verdict(workspace="stars"))
        assert len(reviews.latest("photos")) == len(reviews.latest("stars")) == 1
        reviews.undo("photos", "Anna")
        assert reviews.latest("photos").empty
        assert len(reviews.latest("stars")) == 1

    def test_the_order_of_the_database_counts_not_that_of_the_clocks(
        self, reviews: Reviews
    ) -> None:
        now = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
        store(reviews, at=now, verdict="bad")
        store(reviews, at=now - timedelta(hours=1), verdict="undecidable")
        later = now + timedelta(minutes=20)
        store(
            reviews, at=later.astimezone(timezone(timedelta(hours=5, minutes=30))), sample_id="s2"
        )
        assert standing(reviews) == [("s1", "Anna", "undecidable"), ("s2", "Anna", "right")]
        rows = reviews.rows("photos")
        assert rows["at"].tolist() == [now, now - timedelta(hours=1), later]
        assert pace(rows, "Anna") is None, "an hour is a pause, and time does not run backwards"
        (undone,) = reviews.undo("photos", "Anna")
        assert undone.sample_id == "s2"

    def test_two_may_agree_or_disagree(self, reviews: Reviews) -> None:
        reviews.add(verdict(says="wrong"), verdict(says="wrong", by="ben"))
        reviews.add(verdict("s2", says="wrong"), verdict("s2", "undecidable", "ben"))
        table = decided(reviews.latest("photos")).set_index("sample_id")
        assert table.loc["s1", ["decided", "verdict", "reviewers"]].tolist() == [
            "dog",
            "wrong",
            "Anna, ben",
        ]
        assert table.loc["s2", "verdict"] == "disputed"
        assert table["decided"].isna().tolist() == [False, True]
        reviews.undo("photos", "ben")
        assert decided(reviews.latest("photos"))["verdict"].tolist() == ["wrong", "wrong"]


class TestUndoing:
    def test_verdicts_are_taken_back_from_the_last_to_the_first(self, reviews: Reviews) -> None:
        for said in (verdict(says="bad"), verdict(says="right"), verdict("s2")):
            reviews.add(said)
        reviews.add(verdict("s3", by="ben"))
        taken = [reviews.undo("photos", "Anna") for _ in range(4)]
        assert [[(row.sample_id, row.verdict) for row in rows] for rows in taken] == [
            [("s2", "right")],
            [("s1", "right")],
            [("s1", "bad")],
            [],
        ]
        assert standing(reviews) == [("s3", "ben", "right")]

    def test_what_was_given_at_once_is_taken_back_at_once(self, reviews: Reviews) -> None:
        reviews.add(verdict("s0"))
        reviews.add(verdict("s1"), verdict("s2", "bad"), verdict("s3", by="ben"))
        reviews.add(verdict("s1", "bad"))
        assert [row.sample_id for row in reviews.undo("photos", "Anna")] == ["s1"]
        assert [row.sample_id for row in reviews.undo("photos", "Anna")] == ["s2", "s1"]
        assert standing(reviews) == [("s0", "Anna", "right"), ("s3", "ben", "right")]

    def test_what_was_given_at_once_is_taken_back_all_or_none(self, reviews: Reviews) -> None:
        stored = reviews.add(*(verdict(f"s{place}") for place in range(3)))
        token = new_token()
        # Another row has the name of the second that would be written.
        reviews.add(verdict("s9", by="ben", token=f"{token}/{stored[1].id}"))
        with pytest.raises(VerdictError, match="new token for each"):
            reviews.undo("photos", "Anna", token)
        assert len(reviews.latest("photos")) == 4

    def test_the_verdict_before_stands_again(self, reviews: Reviews) -> None:
        reviews.add(verdict(says="bad"))
        reviews.add(verdict(says="right"))
        reviews.undo("photos", "Anna")
        assert standing(reviews) == [("s1", "Anna", "bad")]
        reviews.add(verdict(says="undecidable"))
        (undone,) = reviews.undo("photos", "Anna")
        assert undone.verdict == "undecidable"
        assert standing(reviews) == [("s1", "Anna", "bad")]

    def test_an_undo_sent_twice_takes_the_same_back(self, reviews: Reviews) -> None:
        reviews.add(verdict())
        reviews.add(verdict("s2"), verdict("s3"))
        token = new_token()
        taken = reviews.undo("photos", "Anna", token)
        assert [row.sample_id for row in taken] == ["s3", "s2"]
        assert reviews.undo("photos", "Anna", token) == taken
        assert standing(reviews) == [("s1", "Anna", "right")]

    def test_nothing_is_ever_changed_or_deleted(self, reviews: Reviews) -> None:
        reviews.add(verdict())
        reviews.add(verdict("s2", "wrong"))
        before = reviews.rows("photos")
        reviews.undo("photos", "Anna")
        reviews.add(verdict("s2", "bad"))
        assert reviews.rows("photos").head(2).equals(before)
        assert reviews.rows("photos")["verdict"].tolist() == ["right", "wrong", "undone", "bad"]

    def test_of_two_at_the_same_moment_one_wins(self, reviews: Reviews) -> None:
        reviews.add(verdict())
        reviews.add(verdict("s2"))
        told: list[list[Review]] = []
        # The first window has sent its row and not committed it when the second one comes.
        with reviews.engine.begin() as first:
            latest = int(reviews.rows("photos")["id"].max())
            row = {"workspace": "photos", "sample_id": "s2", "given": "cat", "reviewer": "Anna"}
            first.execute(
                review_database.reviews.insert().values(
                    **row,
                    verdict="undone",
                    note="",
                    at=datetime.now(UTC),
                    token=new_token(),
                    undoes=latest,
                )
            )
            second = threading.Thread(target=lambda: told.append(reviews.undo("photos", "Anna")))
            second.start()
            second.join(0.3)
            assert second.is_alive(), "it waits for the first"
        second.join(20)
        assert [[row.id for row in rows] for rows in told] == [[latest]]
        assert standing(reviews) == [("s1", "Anna", "right")]
        assert reviews.rows("photos")["undoes"].dropna().tolist() == [latest]

    def test_any_order_of_verdicts_and_undos_ends_as_on_paper(self, reviews: Reviews) -> None:
        chance = random.Random(3)
        paper: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for _ in range(80):
            name = chance.choice(["Anna", "ben"])
            if chance.random() < 0.4:
                undone = reviews.undo("photos", name)
                expected = [paper[name].pop()] if paper[name] else []
                assert [(row.sample_id, row.verdict) for row in undone] == expected
            else:
                said = chance.choice(["s1", "s2", "s3"]), chance.choice(["right", "wrong", "bad"])
                reviews.add(verdict(*said, name))
                paper[name].append(said)
        stands = [
            (sample_id, name, says)
            for name, said in paper.items()
            for sample_id, says in dict(said).items()
        ]
        assert standing(reviews) == sorted(stands)
