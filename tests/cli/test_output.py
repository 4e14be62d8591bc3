"""Tables on terminals of any width, and names that try to write to the terminal."""

import contextlib
import io
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.cli import output
from mogakit.flows.search.settings import ENGINE_SETTINGS
from mogakit.neutral import one_line, printable

WORDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=30)
NUMBERS = st.integers(0, 10**9) | st.floats(0, 1e6, allow_nan=False).map(lambda value: round(value, 3))
WIDTHS = (20, 40, 60, 80, 120)


@contextlib.contextmanager
def terminal(columns):
    """Set COLUMNS, and put it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        yield


def printed(columns, *arguments):
    text = io.StringIO()
    with terminal(columns), contextlib.redirect_stdout(text):
        output.print_table(*arguments)
    return text.getvalue()


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(1, 5), st.sampled_from(WIDTHS))
def test_a_table_keeps_every_heading_and_number_at_any_width(data, num_columns, num_rows, width):
    names = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
    headings = data.draw(st.lists(names, min_size=num_columns, max_size=num_columns))
    kinds = data.draw(st.lists(st.sampled_from(["word", "number"]), min_size=num_columns - 1, max_size=num_columns - 1))
    rows = [
        [data.draw(WORDS), *(data.draw(WORDS if kind == "word" else NUMBERS) for kind in kinds)]
        for _ in range(num_rows)
    ]
    text = printed(width, "title", headings, rows)
    for heading in headings:
        for word in heading.split():
            assert word in text
    for row in rows:
        assert row[0] in text
        for kind, cell in zip(kinds, row[1:], strict=True):
            if kind == "number":
                assert re.search(rf"(?<![\d.]){re.escape(str(cell))}(?![\d.])", text), (cell, text)
    long_words = max(len(word) for word in text.split())
    assert max(map(len, text.splitlines())) <= max(width, long_words + max(map(len, headings)) + 4)


def test_an_empty_table_is_a_line():
    assert printed(80, "Registered tools", ["tool", "file"], []) == "Registered tools: none\n"
    assert printed(80, "0 of 12 rows differ", ["key"], []) == "0 of 12 rows differ\n"


@given(st.text())
def test_text_of_others_has_no_control_characters_left(text):
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert one_line(text) == one_line(shown)
    assert "\n" not in one_line(text)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hostile_name_cannot_write_to_the_terminal(width, capsys):
    hostile = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold]\r\n"
    text = printed(width, hostile, ["name", "ms"], [[hostile, 1.5]], hostile)
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\r"}
    assert "[bold]" in text  # not taken for markup either
    output.say(hostile)
    output.warn(hostile)
    output.report(hostile)
    shown = capsys.readouterr()
    assert not set(shown.out + shown.err) & {"\x1b", "\x07", "\x9b", "\r"}


def test_the_settings_of_engines_are_in_the_help(moga):
    shown = moga("search", "--help").out
    for engine, names in ENGINE_SETTINGS.items():
        assert engine in shown
        for name in names:
            assert name in shown


def test_columns_and_no_color_are_obeyed(moga):
    for columns in ("40", "80"):
        out = moga("zoo", COLUMNS=columns, NO_COLOR="1").out
        assert max(map(len, out.split("Search spaces")[0].splitlines())) <= int(columns) + 20  # a long word is not cut
        assert "\x1b" not in out
        assert out.count("5.160") == 1
