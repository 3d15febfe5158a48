"""Reviews under stress: many reviewers at once, programs and servers that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from cache.errors import ReviewsError
from cache.reviews import Reviews, Verdict, open_reviews
from tests.cache.reviewer import sent
from tests.postgresql import Server

ROOT = Path(__file__).parents[2]


def start(count: int, *names: str) -> subprocess.Popen[str]:
    """Start a program that reviews as several people once it is given a line."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.cache.reviewer", str(count), *names],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None and program.stdout.readline() == "ready\n"
    return program


def go(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


def test_twenty_reviewers_at_once_lose_nothing(reviews_url: str) -> None:
    names = [f"reviewer {place}" for place in range(20)]
    programs = [start(12, *names[:10]), start(12, *names[10:])]
    for program in programs:
        go(program)
    told = [program.communicate(timeout=90)[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0]

    reviews = open_reviews()
    rows = reviews.rows("photos")
    tokens = [line.split()[-1] for text in told for line in text.splitlines() if "stored" in line]
    assert len(tokens) == 20 * 12
    verdicts = rows[rows["verdict"] == "wrong"]
    assert sorted(verdicts["token"]) == sorted(tokens)
    assert Counter(verdicts["reviewer"]) == dict.fromkeys(names, 12)
    # Each took exactly its last verdict back.
    assert Counter(reviews.latest("photos")["reviewer"]) == dict.fromkeys(names, 11)
    assert set(reviews.latest("photos")["sample_id"]) == {f"s{place}" for place in range(11)}
    reviews.close()


def test_a_program_killed_while_it_writes_loses_and_doubles_nothing(reviews: Reviews) -> None:
    lines: list[list[str]] = []
    for verdicts in (3, 20):
        program = start(100_000, "Anna", "ben")
        go(program)
        assert program.stdout is not None
        for line in program.stdout:
            lines.append(line.split())
            if line.startswith("stored"):
                verdicts -= 1
            if verdicts == 0:
                break
        program.send_signal(signal.SIGKILL)
        lines += [line.split() for line in program.stdout if line.endswith("\n")]
        program.wait(20)
        program.stdout.close()
        program.stdin.close()  # type: ignore[union-attr]
    acknowledged = {token for word, *_, token in lines if word == "stored"}
    on_the_way = [
        sent(name, int(place), token) for word, name, place, token in lines if word == "sent"
    ]
    there = reviews.rows("photos")["token"]
    assert there.is_unique
    assert acknowledged <= set(there) <= {verdict.token for verdict in on_the_way}
    # Those who had no answer ask again.
    for verdict in on_the_way:
        if verdict.token not in acknowledged:
            reviews.add(verdict)
    assert sorted(reviews.rows("photos")["token"]) == sorted(each.token for each in on_the_way)


def test_a_server_that_crashes_keeps_what_it_acknowledged(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTAURO_REVIEWS", postgresql.database())
    reviews = open_reviews()
    acknowledged: list[str] = []
    unanswered: list[Verdict] = []
    begun = threading.Event()

    def work() -> None:
        for place in range(100_000):
            verdict = Verdict("photos", f"s{place}", "cat", "right", "Anna")
            try:
                reviews.add(verdict)
            except ReviewsError:
                unanswered.append(verdict)
                return
            acknowledged.append(verdict.token)
            if place == 20:
                begun.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(30)
    postgresql.stop(signal.SIGQUIT)
    worker.join(30)
    try:
        with pytest.raises(ReviewsError, match="Check that the server runs"):
            reviews.latest("photos")
    finally:
        postgresql.start()
    assert len(unanswered) == 1
    reviews.add(*unanswered)
    assert reviews.rows("photos")["token"].tolist() == [*acknowledged, unanswered[0].token]
    reviews.close()
