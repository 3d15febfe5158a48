"""Where the reviews are kept: the tables, the URL, and how the database is opened.

SQLite beside the workspaces by default; ``CENTAURO_REVIEWS`` names another SQLite file or a
PostgreSQL database that a team shares. Both keep the same two tables. Nothing in them is ever
changed or deleted: a verdict that is taken back is a further row that says so.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from cache.errors import ReviewsError
from cache.store import cache_root

SETTING = "CENTAURO_REVIEWS"
"""Environment variable with the URL of the database."""

FILE = "reviews.sqlite"
"""Name of the default database, in the folder of the workspaces."""

VERSION = 1
"""Of the tables below. A database of another version is refused, never changed."""

BUSY_SECONDS = 30
"""How long a writer to SQLite waits for the others to finish."""

CONNECT_SECONDS = 5
"""How long to wait for a PostgreSQL server that does not answer."""

_OPENING = 5_236_201_417
"""Number of the lock that lets one process at a time make the tables of a PostgreSQL database."""


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time with its zone, UTC when it comes back. SQLite itself keeps no zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Into the database: in UTC, and without the zone where it would not be kept."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Out of the database: always in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_tables = sa.MetaData()

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

reviews = sa.Table(
    "reviews",
    _tables,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("sample_id", sa.Text, nullable=False),
    sa.Column("given", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("decided", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("undoes", _Id, sa.ForeignKey("reviews.id"), unique=True),
    sa.CheckConstraint("verdict IN ('right', 'wrong', 'undecidable', 'bad', 'undone')"),
    sa.CheckConstraint("(verdict = 'wrong') = (decided IS NOT NULL)"),
    sa.CheckConstraint("(verdict = 'undone') = (undoes IS NOT NULL)"),
    sa.Index("reviews_of_a_sample", "workspace", "sample_id", "reviewer"),
    sqlite_autoincrement=True,
)
"""One row a verdict, or a verdict taken back; see ``cache.reviews.Review``."""

_version = sa.Table("reviews_version", _tables, sa.Column("version", sa.Integer, nullable=False))


def database_url() -> sa.URL:
    """URL of the database of the reviews, driver and waiting times included.

    Raises:
        ReviewsError: ``CENTAURO_REVIEWS`` is no URL of a SQLite file or a PostgreSQL database.
    """
    given = os.environ.get(SETTING)
    if not given:
        url = sa.URL.create("sqlite", database=str(cache_root() / FILE))
    else:
        try:
            url = sa.make_url(given)
            kind = url.get_backend_name()
        except sa.exc.ArgumentError as error:
            raise _refused("Received: text that is no URL.") from error
        if kind in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        elif kind != "sqlite":
            raise _refused(f"Received: a URL that begins with '{kind}'.")
        elif url.database in (None, "", ":memory:"):
            raise _refused("Received: SQLite without a file, which forgets everything.")
    name, seconds = (
        ("timeout", BUSY_SECONDS)
        if url.get_backend_name() == "sqlite"
        else ("connect_timeout", CONNECT_SECONDS)
    )
    return url if name in url.query else url.update_query_dict({name: str(seconds)})


def is_there() -> bool:
    """Whether there may be reviews: False where the SQLite file was never made.

    Who only reads asks first, since opening makes the file.

    Raises:
        ReviewsError: See :func:`database_url`.
    """
    url = database_url()
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file()


ENGINE: dict[str, Any] = {"pool_pre_ping": True}
"""Settings of every engine: a connection that the server has dropped is replaced unnoticed."""


def connect() -> sa.Engine:
    """An engine for the database of the reviews; nothing is opened yet.

    Raises:
        ReviewsError: See :func:`database_url`.
    """
    return sa.create_engine(database_url(), **ENGINE)


def place(engine: sa.Engine) -> str:
    """Where the database is, in words for the user. Never holds a user's name or a password."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"the file {url.database}"
    host = url.host or url.query.get("host", "this machine")
    port = f":{url.port}" if url.port else ""
    return f"the PostgreSQL database '{url.database}' on {host}{port}"


@contextlib.contextmanager
def told(engine: sa.Engine, what: str = "read or written") -> Iterator[None]:
    """Turn an error of the database into one whose message is written for the user.

    Raises:
        ReviewsError: Whatever the database said, where it is, and what to do.
    """
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        said = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = " ".join(str(said).split())[:300]
        advice = (
            "Check that the file is a database that may be written to and its disk has space"
            if engine.dialect.name == "sqlite"
            else "Check that the server runs and lets this user in"
        )
        raise ReviewsError(
            f"The reviews in {place(engine)} cannot be {what} ({reason}). "
            f"{advice}, or name another database in {SETTING}."
        ) from error


def prepare(engine: sa.Engine) -> None:
    """Open the database: make its tables where there are none, check their version where there are.

    Any number of processes may do so at once.

    Raises:
        ReviewsError: It cannot be reached, or another version of Centauro made it.
    """
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        _prepare_file(engine)
    with told(engine, "opened"):
        with engine.connect() as connection:
            found = _found(connection)
        if found is None:
            with engine.begin() as connection:
                if sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING)))
                found = _found(connection)
                if found is None:
                    _tables.create_all(connection, checkfirst=False)
                    connection.execute(_version.insert().values(version=VERSION))
                    found = [VERSION]
    if found != [VERSION]:
        raise ReviewsError(
            f"The reviews in {place(engine)} were made by another version of Centauro. "
            f"Expected version: {VERSION}. Received: {', '.join(map(str, found)) or 'none'}. "
            f"Use the version that made them, or name another database in {SETTING}."
        )


def _found(connection: sa.Connection) -> list[int] | None:
    """Versions that the database names; None where it has none of the tables."""
    there = set(sa.inspect(connection).get_table_names())
    if _version.name in there:
        return list(connection.execute(sa.select(_version.c.version)).scalars())
    return [] if reviews.name in there else None


def _prepare_file(engine: sa.Engine) -> None:
    """Set up a SQLite file: its folder, a log that readers and one writer share, full flushes."""
    path = Path(str(engine.url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReviewsError(
            f"The folder {path.parent} for the reviews cannot be made ({error.strerror}). "
            f"Make it writable, or name another database in {SETTING}."
        ) from error
    if not sa.event.contains(engine, "connect", _on_connect):
        sa.event.listen(engine, "connect", _on_connect)
    with told(engine, "opened"):
        _keep_a_log(engine)


def _keep_a_log(engine: sa.Engine) -> None:
    """Switch a SQLite file to a write-ahead log; once switched, it stays so.

    The switch needs the file alone for a moment, and does not always wait for it as other writers
    do: where several open a new file at once, some are told at once that it is locked.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except sa.exc.OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # With a write-ahead log, anything less may lose the last commits when the power fails.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _refused(received: str) -> ReviewsError:
    return ReviewsError(
        f"{SETTING} must be the URL of a SQLite file or a PostgreSQL database. {received} "
        "Write, for instance, sqlite:////folder/reviews.sqlite or "
        "postgresql://user:password@host/database."
    )
