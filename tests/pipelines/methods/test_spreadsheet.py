from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.methods.spreadsheet import from_csv, to_csv

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_begins_like_a_formula(text: str) -> None:
    line = to_csv(pd.DataFrame({"text": [text]})).split(b"\n", 1)[1].decode()
    assert line == f'"\'{text}"\n'


def test_no_part_of_a_text_is_a_cell_where_the_separator_is_another() -> None:
    table = pd.DataFrame({"a": ["x;=1", 'y"\t=2'], "b": ["=3", "z"]})
    assert to_csv(table) == b'"a","b"\n"x;=1","\'=3"\n"y""\t=2","z"\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=6))
@example(FORMULAS)
@example(["NA", "nan", "null", "", "007", " x ", "a,b", 'a"b', "\ufeff=", "a\r\nb\rc"])
def test_text_is_read_back_letter_by_letter(texts: list[str]) -> None:
    # NUL ends a field for the reader; it is in no file name, class or note.
    table = pd.DataFrame({"one": [text.replace("\0", "") for text in texts], "two": "x"})
    assert from_csv(to_csv(table)).equals(table.astype("str"))


def test_numbers_stay_numbers_and_what_is_missing_is_empty() -> None:
    table = pd.DataFrame(
        {
            "count": [-1, 2],
            "share": [-0.123456789, np.nan],
            "yes": [True, False],
            "label": pd.Categorical(["=cat", None]),
        }
    )
    assert to_csv(table, "%.3g").decode().splitlines() == [
        '"count","share","yes","label"',
        '-1,"-0.123",True,"\'=cat"',
        '2,"",False,""',
    ]
    assert from_csv(to_csv(table.iloc[:0])).columns.tolist() == list(table.columns)


def test_what_is_no_csv_is_refused() -> None:
    for content in (b"\xff\xfe", b"", b'"a"\n"b'):
        with pytest.raises(ValueError):
            from_csv(content)
