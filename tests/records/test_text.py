"""Text from other systems is read, or rejected with one sentence that says what to do."""

from pathlib import Path

import pytest

from mogakit import records
from mogakit.errors import InputError
from mogakit.nets.spaces import get_space
from mogakit.search.sources import load_accuracy_table

CASES = Path(__file__).parents[1] / "export" / "data" / "cases" / "text"


@pytest.mark.parametrize("name", ["csv_bom.csv", "csv_semi.csv"])
def test_a_mark_at_the_start_and_semicolons_read_as_the_plain_file_does(name: str) -> None:
    found, plain = (load_accuracy_table(CASES / file, get_space("moga")) for file in (name, "csv_ok.csv"))
    assert found.values == plain.values and len(plain.values) > 20


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_separator_and_end_of_line_gives_the_same_rows(tmp_path: Path, separator: str, ends: str) -> None:
    lines = [separator.join(cells) for cells in (("name", "ms"), ("a", "1.5"), ("b", "2"))]
    (tmp_path / "a.csv").write_bytes(ends.join([*lines, ""]).encode())
    assert records.read_csv(tmp_path / "a.csv", ("name", "ms")) == [
        (2, {"name": "a", "ms": "1.5"}),
        (3, {"name": "b", "ms": "2"}),
    ]
    assert records.read_columns(tmp_path / "a.csv") == ["name", "ms"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((CASES / "gbk.csv").read_bytes(), r"is not UTF-8 \(byte 20\).*save it as UTF-8"),
        ("chromosome,accuracy\n1-2,3 µs\n".encode("latin-1"), r"is not UTF-8 .*save it as UTF-8"),
        ("chromosome,accuracy\n".encode("utf-16"), r"is not UTF-8 .*save it as UTF-8"),
        (b"chromosome|accuracy\n1-2|3\n", "has no column chromosome"),
    ],
)
def test_other_encodings_and_separators_are_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        load_accuracy_table(tmp_path / "a.csv", get_space("moga"))
    assert "\n" not in str(error.value)


def test_a_key_that_stands_twice_is_named() -> None:
    with pytest.raises(InputError, match="the key 'a' appears twice"):
        records.read_yaml(CASES / "y_dup.yaml")
