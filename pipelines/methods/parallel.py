"""Ways to work through many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

THREADS = 4
_CHUNK = 256


def in_order(call: Callable[[int], T], total: int, *, threads: bool) -> Iterator[T]:
    """Call a function with 0 … total - 1 and give the results in order.

    Args:
        call: Must be safe to call from several threads where ``threads`` is set.
        total: How many calls.
        threads: Worth it where a call decodes or encodes large images, which Pillow does without
            holding Python's lock; small images lose more by handing the lock about than they gain.

    Yields:
        The results, of which no more than a few hundred are held at a time.
    """
    if not threads:
        yield from map(call, range(total))
        return
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, total, _CHUNK):
            yield from pool.map(call, range(start, min(start + _CHUNK, total)))


def one_ahead(call: Callable[[int], T], total: int) -> Iterator[T]:
    """Call a function with 0 … total - 1 in another thread, one call ahead of who uses the results.

    For batches of images: the next one is read while a model works on this one.

    Args:
        call: Never called twice at once.
        total: How many calls.

    Yields:
        The results, in order; no more than two are held at a time.
    """
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(call, 0) if total else None
        for index in range(1, total + 1):
            assert following is not None
            result = following.result()
            following = pool.submit(call, index) if index < total else None
            yield result
