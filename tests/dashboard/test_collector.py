"""What modules hold is looked through once; what pages make is collected as ever."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from cache import Workspace
from dashboard import collector


class Node:
    """Holds itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _unfrozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has looked through its modules, and in which nothing has come since."""
    monkeypatch.setattr(collector, "_modules", len(sys.modules))


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> list[list[int]]:
    """A module that holds a thousand lists."""
    module = types.ModuleType(name)
    module.held = [[number] for number in range(1000)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    held: list[list[int]] = module.held  # type: ignore[attr-defined]
    return held


def test_what_a_new_module_holds_is_looked_through_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = load(monkeypatch, "centauro_new")
    before = {id(each) for each in gc.get_objects()}
    assert id(held[0]) in before
    collector.spare_modules()
    after = {id(each) for each in gc.get_objects()}
    assert not any(id(each) in after for each in held)


def test_without_a_new_module_nothing_is_kept() -> None:
    frozen = gc.get_freeze_count()
    collector.spare_modules()
    assert gc.get_freeze_count() <= frozen


def test_garbage_is_collected_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    before = weakref.ref(Node())
    load(monkeypatch, "centauro_before")
    collector.spare_modules()
    assert before() is None
    after = weakref.ref(Node())
    assert after() is not None
    gc.collect()
    assert after() is None


def test_a_page_spares_what_it_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
    open_page: Callable[..., AppTest],
    workspaces: dict[str, Workspace],
) -> None:
    assert workspaces
    held = load(monkeypatch, "centauro_page")
    open_page("overview")
    assert not {id(each) for each in gc.get_objects()} & {id(each) for each in held}
