"""A program that reviews, for tests that run it several times at once, or kill it.

``python -m tests.cache.reviewer COUNT NAME...``: every named reviewer is a thread with connections
of its own. All open the database when a line comes in, give COUNT verdicts each, and take the last
one back. Each verdict is named on standard output before it is sent, and again once it is stored.
"""

from __future__ import annotations

import sys
import threading

from cache.reviews import Verdict, new_token, open_reviews


def sent(name: str, place: int, token: str) -> Verdict:
    """The verdict of a reviewer on the image at a place."""
    return Verdict("photos", f"s{place}", "cat", "wrong", name, decided="dog", token=token)


def review(name: str, count: int, failures: list[BaseException]) -> None:
    """Give verdicts as one reviewer."""
    try:
        reviews = open_reviews()
        for place in range(count):
            token = new_token()
            _say(f"sent {name} {place} {token}")
            reviews.add(sent(name, place, token))
            _say(f"stored {name} {place} {token}")
        reviews.undo("photos", name)
        reviews.close()
    except BaseException as error:
        failures.append(error)
        raise


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say("ready")
    sys.stdin.readline()
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=review, args=(name, int(sys.argv[1]), failures))
        for name in sys.argv[2:]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(len(failures))
