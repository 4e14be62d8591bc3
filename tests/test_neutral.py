"""Text of others is shown, and never computed, obeyed or run."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mogakit.luts.csvfile import to_csv
from mogakit.luts.table import load
from mogakit.neutral import cell, code, csv_text, markdown, one_line

TABLE = Path(__file__).parent / "search" / "data" / "moga-xeon-xnnpack.json"
PREFIXES = ("=", "+", "-", "@", "\t=", "\r=", " =", "\n=", "＝")


@given(st.sampled_from(PREFIXES), st.text())
def test_no_cell_starts_as_a_formula(prefix: str, text: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_text([[prefix + text, "after"]]), newline=""))
    assert row[1] == "after"
    number = re.fullmatch(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", row[0])
    assert row[0].lstrip()[0] not in "=+-@＝＋－＠" or number


@pytest.mark.parametrize("value", [1, -1.5, 0.0, "-1.5", "+2e-07", "1e308", "moga/1-2", "", True])
def test_numbers_and_plain_names_are_written_as_they_are(value: object) -> None:
    assert cell(value) == value


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_row_stays_one_line_of_its_cells(cells: list[str]) -> None:
    written = csv_text([cells])
    assert len(list(csv.reader(io.StringIO(written, newline="")))) == 1
    assert written.count("\n") == 1


@given(st.text())
def test_markdown_shows_text_letter_by_letter(text: str) -> None:
    shown = markdown(text)
    assert re.sub(r"\\([\\`*_\[\]<>|&])", r"\1", shown) == one_line(text)
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]<>|&]", shown)


@given(st.text(min_size=1))
def test_code_cannot_be_left(text: str) -> None:
    shown = code(text)
    fence = re.match("`+", shown)[0]
    assert fence not in shown[len(fence) : -len(fence)].replace(" ", "x") or text == ""
    assert "\n" not in shown
    assert "|" not in shown


def test_a_table_from_someone_else_is_a_harmless_spreadsheet() -> None:
    from dataclasses import replace

    table = load(TABLE)
    key = next(iter(table.rows))
    hostile = replace(table.rows[key], key='=HYPERLINK("http://x")', delegation=table.rows[key].delegation)
    identity = replace(table.identity, device_name="@SUM(1)\x1b[2J")
    rows = list(csv.reader(io.StringIO(to_csv(replace(table, identity=identity, rows={"a": hostile})))))
    assert rows[1][1] == "'@SUM(1)\\x1b[2J"
    assert rows[1][3] == '\'=HYPERLINK("http://x")'
