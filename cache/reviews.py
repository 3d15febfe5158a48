"""People's verdicts on labels: one row a verdict, and nothing that is said is ever changed.

A reviewer may judge an image again, and take what was given last back; the latest verdict of each
reviewer that was not taken back is the one that stands. Which is the latest is told by the order
in which the database took them, not by their times: clocks of several machines disagree, and
one clock may be set back. What the standing verdicts amount to is in :mod:`cache.verdicts`.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cache.errors import ReviewsError, VerdictError
from cache.review_database import connect, place, prepare, reviews, told

VERDICTS: Final = {
    "right": "the given label is right",
    "wrong": "the given label is wrong, and another is decided",
    "undecidable": "nobody could tell from this image",
    "bad": "the image itself is no good",
}
"""What a reviewer may say of a label, and what it means."""

UNDONE: Final = "undone"
"""Verdict of a row that takes another one back."""

LONGEST: Final = {"reviewer": 80, "note": 2_000}
"""Most characters of what a person types."""


def new_token() -> str:
    """A name for one verdict, made by whoever gives it, before it is sent."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Verdict:
    """What a reviewer says of the label of an image.

    Attributes:
        workspace: Name of the workspace.
        sample_id: The image.
        given: Its label when the reviewer saw it.
        verdict: A key of ``VERDICTS``.
        reviewer: Who says so: a plain name.
        decided: The label that it should have; with ``wrong`` alone.
        note: Anything the reviewer adds.
        token: Names this verdict: sent twice, it is stored once.
    """

    workspace: str
    sample_id: str
    given: str
    verdict: str
    reviewer: str
    decided: str | None = None
    note: str = ""
    token: str = field(default_factory=new_token)


@dataclass(frozen=True)
class Review:
    """A row of the database: a verdict as it was stored, or one taken back.

    Attributes:
        id: Number of the row; later rows have greater ones.
        workspace: Name of the workspace.
        sample_id: The image.
        given: Its label when the reviewer saw it.
        verdict: A key of ``VERDICTS``, or ``undone``.
        decided: The label that it should have, with ``wrong`` alone.
        note: Anything the reviewer added.
        reviewer: Who said so.
        at: When it was stored, in UTC.
        token: What the sender named it by.
        undoes: With ``undone`` alone: the row that is taken back.
    """

    id: int
    workspace: str
    sample_id: str
    given: str
    verdict: str
    decided: str | None
    note: str
    reviewer: str
    at: datetime
    token: str
    undoes: int | None


_COLUMNS = [part.name for part in fields(Review)]


class Reviews:
    """The database of the reviews, opened.

    Every method is safe to call from any thread, and what writes has committed, and flushed to
    disk, before it returns. Used in a ``with`` statement, it is closed after the block.

    Args:
        engine: Of the database, as :func:`cache.review_database.connect` makes it.

    Raises:
        ReviewsError: It cannot be reached, or another version of Centauro made it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        prepare(engine)
        self._file = _file_of(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @property
    def place(self) -> str:
        """Where it is, in words for the user, without names and passwords."""
        return place(self.engine)

    def is_current(self) -> bool:
        """Whether a SQLite file is still the one that was opened. A removed one must be reopened.

        Connections hold on to a file that was removed, and what they write to it is lost.
        """
        return self._file == _file_of(self.engine)

    def add(self, *verdicts: Verdict) -> list[Review]:
        """Store verdicts, all of them or none, and all at the same time.

        Returns:
            The rows, in the same order; for a verdict that was stored before, that row.

        Raises:
            VerdictError: One of them makes no sense, or bears the token of another one.
            ReviewsError: The database cannot be written to.
        """
        cleaned = [_cleaned(verdict) for verdict in verdicts]
        now = datetime.now(UTC)
        with told(self.engine), self.engine.begin() as connection:
            return [_stored(connection, verdict, now) for verdict in cleaned]

    def undo(self, workspace: str, reviewer: str, token: str | None = None) -> list[Review]:
        """Take back what a reviewer gave last and did not take back before, all of it or nothing.

        What was given by one :meth:`add` goes by one undo. Where two windows do so at the same
        moment, it is taken back once, and both are told what.

        Args:
            workspace: In which workspace.
            reviewer: Whose verdicts.
            token: Names this undoing: sent twice, it takes back the same.

        Returns:
            The verdicts that were taken back, the latest first; none where there is none left.

        Raises:
            VerdictError: The token is that of another row.
            ReviewsError: The database cannot be written to.
        """
        token = new_token() if token is None else token
        name = cleaned_name(reviewer)
        own = sa.and_(_standing(workspace), reviews.c.reviewer == name)
        with told(self.engine), self.engine.connect() as connection:
            if _row(connection, reviews.c.token == token) is not None:
                raise _taken(token)
            undone = reviews.alias()
            sent_before = undone.c.token.startswith(f"{token}/", autoescape=True)
            before = _all(
                connection, reviews.c.id.in_(sa.select(undone.c.undoes).where(sent_before))
            )
            if before:
                return before
            latest = _row(connection, own)
            if latest is None:
                return []
            given_at_once = _all(connection, own, reviews.c.at == latest.at)
        now = datetime.now(UTC)
        with told(self.engine), self.engine.begin() as connection:
            for each in given_at_once:
                _insert(
                    connection,
                    workspace=each.workspace,
                    sample_id=each.sample_id,
                    given=each.given,
                    verdict=UNDONE,
                    note="",
                    reviewer=name,
                    at=now,
                    token=f"{token}/{each.id}",
                    undoes=each.id,
                )
            ids = [each.id for each in given_at_once]
            if len(_all(connection, reviews.c.undoes.in_(ids))) < len(ids):
                raise _taken(token)
        return given_at_once

    def rows(self, workspace: str) -> pd.DataFrame:
        """Every row of a workspace, oldest first; columns as the attributes of ``Review``.

        Raises:
            ReviewsError: The database cannot be read.
        """
        return self._frame(reviews.c.workspace == workspace)

    def latest(self, workspace: str) -> pd.DataFrame:
        """The verdicts that stand: the latest of each reviewer on each image, oldest first.

        Returns:
            Columns as the attributes of ``Review``; a verdict that was taken back is not there,
            and the one that the reviewer gave before it stands again.

        Raises:
            ReviewsError: The database cannot be read.
        """
        newest = (
            sa.select(sa.func.max(reviews.c.id))
            .where(_standing(workspace))
            .group_by(reviews.c.sample_id, reviews.c.reviewer)
        )
        return self._frame(reviews.c.id.in_(newest))

    def reviewers(self) -> list[str]:
        """Names of all who ever gave a verdict, in any workspace, by name.

        Raises:
            ReviewsError: The database cannot be read.
        """
        with told(self.engine), self.engine.connect() as connection:
            names = connection.execute(sa.select(reviews.c.reviewer).distinct()).scalars()
            return sorted(names)

    def _frame(self, *conditions: sa.ColumnElement[bool]) -> pd.DataFrame:
        with told(self.engine), self.engine.connect() as connection:
            found = connection.execute(
                sa.select(reviews).where(*conditions).order_by(reviews.c.id)
            ).all()
        frame = pd.DataFrame.from_records([tuple(row) for row in found], columns=_COLUMNS)
        texts = [name for name in _COLUMNS if name not in ("id", "at", "undoes")]
        return frame.astype(
            {
                "id": "int64",
                "at": "datetime64[us, UTC]",
                "undoes": "Int64",
                **dict.fromkeys(texts, "str"),
            }
        )


def open_reviews() -> Reviews:
    """Open the database that ``CENTAURO_REVIEWS`` names, or the one beside the workspaces.

    Raises:
        ReviewsError: The setting makes no sense, the database cannot be reached, or another
            version of Centauro made it.
    """
    engine = connect()
    try:
        return Reviews(engine)
    except ReviewsError:
        engine.dispose()
        raise


def cleaned_name(name: str) -> str:
    """A reviewer's name as it is stored: one way to write each letter, single spaces.

    Raises:
        VerdictError: It is empty or too long.
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not cleaned:
        raise VerdictError("A verdict needs a reviewer. Received: no name. Say who you are.")
    return _fitting("reviewer", cleaned)


def _cleaned(verdict: Verdict) -> Verdict:
    if verdict.verdict not in VERDICTS:
        raise VerdictError(
            f"A verdict must be one of {', '.join(VERDICTS)}. Received: '{verdict.verdict}'."
        )
    if (verdict.verdict == "wrong") != bool(verdict.decided):
        raise VerdictError(
            "A label is decided with the verdict 'wrong', and with no other. Received: "
            f"verdict='{verdict.verdict}', decided={verdict.decided!r}. "
            "Choose the label that the image should have, or another verdict."
        )
    if verdict.decided == verdict.given:
        raise VerdictError(
            "A label that is wrong cannot be decided to be itself. "
            f"Received: given and decided '{verdict.given}'. Use the verdict 'right'."
        )
    texts = {
        part.name: _fitting(part.name, getattr(verdict, part.name))
        for part in fields(verdict)
        if part.name not in ("reviewer", "note", "decided")
    }
    empty = [name for name, text in texts.items() if not text]
    if empty:
        raise VerdictError(
            f"A verdict must name what it is on. Received: nothing as {', '.join(empty)}."
        )
    return Verdict(
        **texts,
        reviewer=cleaned_name(verdict.reviewer),
        decided=_fitting("decided", verdict.decided) if verdict.decided else None,
        note=_fitting("note", verdict.note.strip()),
    )


def _fitting(name: str, text: str) -> str:
    """Refuse text that one of the databases could not give back as it is."""
    if name in LONGEST and len(text) > LONGEST[name]:
        raise VerdictError(
            f"The {name} of a verdict may have {LONGEST[name]:,} characters. "
            f"Received: {len(text):,}. Shorten it."
        )
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise VerdictError(
            f"The {name} of a verdict holds a character that cannot be stored. "
            f"Received: {text[:60]!r}. Write it without that character."
        )
    return text


def _standing(workspace: str) -> sa.ColumnElement[bool]:
    """Verdicts of a workspace that nobody took back."""
    back = reviews.alias()
    return sa.and_(
        reviews.c.workspace == workspace,
        reviews.c.verdict != UNDONE,
        ~sa.exists().where(back.c.undoes == reviews.c.id),
    )


def _stored(connection: sa.Connection, verdict: Verdict, at: datetime) -> Review:
    """Store a verdict, or find it where it was stored before."""
    values = {part.name: getattr(verdict, part.name) for part in fields(verdict)}
    _insert(connection, at=at, **values)
    stored = _row(connection, reviews.c.token == verdict.token)
    if stored is None:
        raise ReviewsError(
            "A verdict was sent, and is not there. Another program changes the table 'reviews'. "
            "Keep the reviews in a database of their own."
        )
    if any(getattr(stored, name) != value for name, value in values.items()):
        raise _taken(verdict.token)
    return stored


def _insert(connection: sa.Connection, **values: Any) -> None:
    """Add a row, unless one has its token or undoes the same verdict."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row: Any = insert(reviews).values(**values)
    connection.execute(row.on_conflict_do_nothing())


def _row(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Review | None:
    """The latest row that fulfils all conditions, if there is one."""
    query = sa.select(reviews).where(*conditions).order_by(reviews.c.id.desc()).limit(1)
    found = connection.execute(query).one_or_none()
    return None if found is None else Review(**found._mapping)


def _all(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Review]:
    """Every row that fulfils all conditions, the latest first."""
    query = sa.select(reviews).where(*conditions).order_by(reviews.c.id.desc())
    return [Review(**found._mapping) for found in connection.execute(query)]


def _taken(token: str) -> VerdictError:
    return VerdictError(
        f"The token of a verdict names another row. Received: '{token}'. "
        "Make a new token for each verdict."
    )


def _file_of(engine: sa.Engine) -> Sequence[int] | None:
    """What tells a SQLite file from another one of its name; None for a server."""
    if engine.dialect.name != "sqlite":
        return None
    try:
        there = Path(str(engine.url.database)).stat()
    except OSError:
        return ()
    return there.st_dev, there.st_ino
