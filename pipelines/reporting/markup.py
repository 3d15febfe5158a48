"""HTML that is safe whatever classes and files are called: what is not markup is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Final

_VOID: Final = ("br", "img", "meta")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that have no place in an HTML document."""


class Html(str):
    """Text that is markup already. Every other text is escaped where it becomes part of a page."""


Child = str | None
Row = Sequence[Child]


def tag(kind: str, /, *children: Child, **attributes: str | int | float | None) -> Html:
    """An element.

    Args:
        kind: ``p``, ``td`` …
        *children: Markup as it is, other text escaped; None for nothing.
        **attributes: Their underscores become hyphens, and a last one goes (``class_``); None
            leaves an attribute out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if kind in _VOID:
        return Html(f"<{kind}{told}>")
    return Html(f"<{kind}{told}>{joined(children)}</{kind}>")


def joined(children: Iterable[Child]) -> Html:
    """Several pieces one after the other."""
    return Html("".join(_piece(child) for child in children if child is not None))


def name(text: str) -> Html:
    """A name from the data, whose direction of writing leaves what is around it alone."""
    return tag("bdi", text)


def section(title: str, *children: Child, anchor: str) -> Html:
    """A part of the report under a heading.

    Args:
        title: The heading.
        *children: What is told.
        anchor: Where links lead to.
    """
    return tag("section", tag("h2", title, id=anchor), *children, aria_labelledby=anchor)


def table(caption: str, columns: Row, rows: Iterable[Row], texts: Sequence[int] = (0,)) -> Html:
    """A table that scrolls by itself where the page is narrow.

    Args:
        caption: What it shows.
        columns: Headings.
        rows: Cells; the first of each row is its heading.
        texts: Positions of the columns that hold words; the others hold figures.
    """

    def cell(kind: str, place: int, child: Child, **attributes: str) -> Html:
        return tag(kind, child, class_=None if place in texts else "figure", **attributes)

    head = [cell("th", place, each, scope="col") for place, each in enumerate(columns)]
    body = [
        tag(
            "tr",
            cell("th", 0, row[0], scope="row"),
            *(cell("td", place, each) for place, each in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    made = tag(
        "table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body)
    )
    return tag("div", made, class_="wide", tabindex=0, role="region", aria_label=caption)


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names and what they are, side by side; those that are None are left out."""
    told = [
        tag("div", tag("dt", key), tag("dd", value)) for key, value in pairs if value is not None
    ]
    return tag("dl", *told)


def details(title: str, *children: Child) -> Html:
    """What is told only to who opens it."""
    return tag("details", tag("summary", title), *children)


def note(title: str, text: str, command: str | None = None) -> Html:
    """Something that is missing, or to be known before anything is believed.

    Args:
        title: A few words.
        text: What that means.
        command: What to run.
    """
    run = tag("pre", tag("code", command)) if command else None
    return tag("div", tag("p", tag("strong", title), " ", text), run, class_="note")


def _piece(child: str) -> str:
    return child if isinstance(child, Html) else _escaped(child)


def _escaped(text: str) -> str:
    return html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))
