"""Whatever a name holds, in a shell it does nothing but name: proven by handing it to a real one."""

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mogakit.android_runner.quoting import assignments, command_line, quote
from mogakit.errors import InputError

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
NASTY = st.text(st.sampled_from(" \t\n'\"\\;&|$()`<>*?[]{}~#!=-%é\r"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(WORDS, NASTY), max_size=6))
@example(["$(touch pwned)", "`touch pwned`", "; touch pwned", "a\nb", "'", '"', "", "-n", "*", "~"])
def test_a_real_shell_sees_the_very_words(words: list[str]) -> None:
    script = f"printf '%s\\000' {command_line(['x', *words])}"
    output = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    assert output.decode("utf-8", "surrogateescape").split("\0")[1:-1] == words


@settings(max_examples=30, deadline=None)
@given(st.one_of(WORDS, NASTY))
def test_a_command_quoted_twice_survives_two_shells(word: str) -> None:
    inner = f"printf '%s\\000' {quote(word)}"
    output = subprocess.run(["/bin/sh", "-c", f"sh -c {quote(inner)}"], capture_output=True, check=True).stdout
    assert output == word.encode("utf-8", "surrogateescape") + b"\0"


@settings(max_examples=30, deadline=None)
@given(st.one_of(WORDS, NASTY))
def test_environment_values_survive(value: str) -> None:
    script = f'env {assignments({"ADSP_PATH": value})} sh -c \'printf "%s\\\\000" "$ADSP_PATH"\''
    output = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    assert output == value.encode("utf-8", "surrogateescape") + b"\0"


def test_what_no_command_line_can_carry_is_rejected() -> None:
    with pytest.raises(InputError, match="NUL"):
        quote("a\0b")
    with pytest.raises(InputError, match="environment variable"):
        assignments({"A;B": "1"})
