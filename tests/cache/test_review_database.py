from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cache.errors import ReviewsError
from cache.review_database import BUSY_SECONDS, connect, database_url, place
from cache.reviews import Verdict, open_reviews

VERDICT = Verdict("photos", "s1", "cat", "right", "Anna")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in use, and no database named."""
    monkeypatch.setenv("CENTAURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CENTAURO_REVIEWS", raising=False)
    return tmp_path / "cache"


def execute(url: str, *commands: str) -> None:
    """Change a database behind Centauro's back."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            for command in commands:
                connection.exec_driver_sql(command)
    finally:
        engine.dispose()


class TestUrl:
    def test_without_one_it_is_a_file_beside_the_workspaces(self, root: Path) -> None:
        reviews = open_reviews()
        reviews.add(VERDICT)
        assert (root / "reviews.sqlite").is_file()
        assert (reviews.kind, reviews.place) == ("sqlite", f"the file {root / 'reviews.sqlite'}")
        reviews.close()

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
    def test_every_postgresql_goes_through_psycopg_3(
        self, monkeypatch: pytest.MonkeyPatch, scheme: str
    ) -> None:
        monkeypatch.setenv("CENTAURO_REVIEWS", f"{scheme}://ann:secret@host:99/team")
        url = database_url()
        assert url.drivername == "postgresql+psycopg"
        assert url.query == {"connect_timeout": "5"}
        assert (url.username, url.password, url.host, url.port) == ("ann", "secret", "host", 99)

    def test_what_the_url_says_of_waiting_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CENTAURO_REVIEWS", "postgresql://host/team?connect_timeout=60")
        assert database_url().query == {"connect_timeout": "60"}

    @pytest.mark.parametrize(
        ("given", "received"),
        [
            ("reviews.sqlite", "text that is no URL"),
            ("mysql://ann:secret@host/team", "begins with 'mysql'"),
            ("sqlite://", "without a file"),
            ("sqlite:///:memory:", "without a file"),
        ],
    )
    def test_anything_else_is_refused_without_showing_it(
        self, monkeypatch: pytest.MonkeyPatch, given: str, received: str
    ) -> None:
        monkeypatch.setenv("CENTAURO_REVIEWS", given)
        with pytest.raises(ReviewsError, match=rf"CENTAURO_REVIEWS must be.*{received}") as caught:
            open_reviews()
        assert "secret" not in str(caught.value)

    def test_a_server_that_is_not_there_is_named_without_its_password(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = "postgresql://ann:secret@127.0.0.1:1/team"
        monkeypatch.setenv("CENTAURO_REVIEWS", given)
        expected = r"'team' on 127\.0\.0\.1:1 cannot be opened .*Check that the server runs"
        with pytest.raises(ReviewsError, match=expected) as caught:
            open_reviews()
        assert "secret" not in str(caught.value)
        monkeypatch.setenv("CENTAURO_REVIEWS", "postgresql:///team?password=secret&user=ann")
        assert place(connect()) == "the PostgreSQL database 'team' on this machine"


class TestOpening:
    def test_what_was_stored_is_there_when_it_is_opened_again(self, reviews_url: str) -> None:
        first = open_reviews()
        (row,) = first.add(VERDICT)
        first.close()
        second = open_reviews()
        assert second.add(VERDICT) == [row]
        second.close()

    @pytest.mark.parametrize(
        ("commands", "received"),
        [
            (["UPDATE reviews_version SET version = 2"], "2"),
            (["INSERT INTO reviews_version VALUES (7)"], "1, 7"),
            (["DROP TABLE reviews_version"], "none"),
        ],
    )
    def test_another_version_is_refused_and_left_as_it_is(
        self, reviews_url: str, commands: list[str], received: str
    ) -> None:
        open_reviews().close()
        execute(reviews_url, *commands)
        expected = (
            rf"another version of Centauro\. Expected version: 1\. Received: {received}\. Use"
        )
        for _ in range(2):
            with pytest.raises(ReviewsError, match=expected):
                open_reviews()

    def test_tables_that_were_dropped_meanwhile_are_told(self, reviews_url: str) -> None:
        reviews = open_reviews()
        execute(reviews_url, "DROP TABLE reviews")
        with pytest.raises(ReviewsError, match="cannot be read or written"):
            reviews.add(VERDICT)
        reviews.close()

    def test_the_database_itself_refuses_rows_that_make_no_sense(self, reviews_url: str) -> None:
        open_reviews().close()
        columns = "workspace, sample_id, given, note, reviewer, at, token, verdict, decided, undoes"
        row = "'w', 's', 'cat', '', 'Anna', '2026-01-01 00:00:00', 't'"
        for rest in (
            "'maybe', NULL, NULL",
            "'wrong', NULL, NULL",
            "'right', 'dog', NULL",
            "'undone', NULL, NULL",
            "'right', NULL, 1",
        ):
            with pytest.raises(sa.exc.IntegrityError):
                execute(reviews_url, f"INSERT INTO reviews ({columns}) VALUES ({row}, {rest})")


class TestFile:
    def test_every_commit_is_flushed_to_disk(self, root: Path) -> None:
        reviews = open_reviews()
        with reviews.engine.connect() as connection:
            told = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert told == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": BUSY_SECONDS * 1000,
        }
        reviews.close()

    def test_a_file_that_is_no_database_is_named(self, root: Path) -> None:
        root.mkdir()
        (root / "reviews.sqlite").write_text("no database, but a long enough text " * 99)
        with pytest.raises(
            ReviewsError, match=r"reviews\.sqlite cannot be opened .*not a database"
        ):
            open_reviews()

    def test_a_place_that_cannot_be_written_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("CENTAURO_REVIEWS", f"sqlite:///{tmp_path}/file/reviews.sqlite")
        with pytest.raises(ReviewsError, match=r"folder .*/file for the reviews cannot be made"):
            open_reviews()

    def test_a_removed_file_is_noticed(self, root: Path) -> None:
        reviews = open_reviews()
        assert reviews.is_current()
        for path in root.glob("reviews.sqlite*"):
            path.unlink()
        assert not reviews.is_current()
        open_reviews().close()
        assert not reviews.is_current(), "another file of that name"
        reviews.close()
