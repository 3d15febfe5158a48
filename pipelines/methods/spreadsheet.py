"""Tables as CSV that is safe to open in a spreadsheet.

Names of files and classes and what people type come from anywhere, and a spreadsheet runs text
that begins like a formula. Such text gets an apostrophe before it, and all text is quoted, so that
no part of it becomes a cell of its own where the separator is another one. Source: OWASP, "CSV
injection".
"""

from __future__ import annotations

import csv
import io

import pandas as pd

_FORMULA = r"'*[=+\-@\t\r\n＝＋－＠]"
"""How text begins that a spreadsheet would run, or that was taken for such once already."""


def to_csv(table: pd.DataFrame, float_format: str | None = None) -> bytes:
    """A table as CSV in UTF-8, one line of names and one a row.

    Args:
        table: Numbers stay numbers; text and categories are made safe.
        float_format: As ``%.6g``; None gives every digit.
    """
    safe = {name: _marked(column) if _is_text(column) else column for name, column in table.items()}
    text: str = pd.DataFrame(safe, index=table.index).to_csv(
        index=False, float_format=float_format, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"
    )
    return text.encode("utf-8")


def from_csv(content: bytes) -> pd.DataFrame:
    """Read text back that :func:`to_csv` wrote, letter by letter; what was missing is empty.

    Raises:
        ValueError: It is no CSV in UTF-8.
    """
    text = content.decode("utf-8-sig")
    table = pd.read_csv(io.StringIO(text, newline=""), dtype="str", keep_default_na=False)
    plain = {
        name: column.str.replace(f"^'({_FORMULA})", r"\1", regex=True)
        for name, column in table.items()
    }
    return pd.DataFrame(plain, index=table.index)


def _marked(column: pd.Series) -> pd.Series:
    return column.astype("str").str.replace(f"^({_FORMULA})", r"'\1", regex=True)


def _is_text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
