"""Every kind of stored file against every way in which a file can be wrong; files of release 0.1 are read."""

import json
import os
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_kinds import KINDS, OLD, sample

from mogakit import records
from mogakit.errors import InputError
from mogakit.records import Kind, registry

Way = Callable[[Path, dict[str, Any], Kind], str]
"""Makes a wrong file at a path out of a right document; returns a word of the message."""

ABSENT_FROM_OLD = {
    "alternation",
    "controllers",
    "detector-training",
    "network",
    "preprocessing",
    "supernet-demo",
    "supernet-ranking",
    "supernet-training",
    "training",
    "transfer-request",
}
"""Kinds that nothing reads again, or that people write."""


def put(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if name != "checksum"}


def absent(path: Path, value: dict[str, Any], kind: Kind) -> str:
    return "there is no"


def folder(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.mkdir()
    return "is a folder"


def pipe(path: Path, value: dict[str, Any], kind: Kind) -> str:
    os.mkfifo(path)
    return "regular file"


def device(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.symlink_to("/dev/zero")
    return "regular file"


def too_large(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_text(" " * 2000 + json.dumps(value))
    return "larger than"


def empty(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_bytes(b"")
    return "not JSON"


def not_utf8(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_bytes(json.dumps(value).encode().replace(b'"', b'"\xff', 1))
    return "not UTF-8"


def not_json(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_text(json.dumps(value)[:-1])
    return "not JSON"


def deep_lists(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_text("[" * 200_000)
    return "deeper than 64"


def deep_objects(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_text('{"a":' * 70 + "1" + "}" * 70)
    return "deeper than 64"


def no_object(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, [value])
    return "no JSON object"


def key_twice(path: Path, value: dict[str, Any], kind: Kind) -> str:
    text = json.dumps(value)
    path.write_text(f'{{"schema_version": 1, {text[1:]}')
    return "appears twice"


def half_a_character(path: Path, value: dict[str, Any], kind: Kind) -> str:
    path.write_text(json.dumps(unsealed(value) | {"note": "\ud800"}))
    return "surrogate"


def number(token: str, word: str) -> Way:
    """Put a token in the place of the first number."""

    def way(path: Path, value: dict[str, Any], kind: Kind) -> str:
        marked, found = mark_number(unsealed(value))
        path.write_text(json.dumps(marked if found else value | {"schema_version": "@"}).replace('"@"', token))
        return word

    way.__name__ = f"number_{token}"
    return way


def mark_number(value: Any, key: str = "") -> tuple[Any, bool]:
    """Return a value with "@" in the place of its first number, and whether there was one."""
    if type(value) in (int, float) and key != "schema_version":
        return "@", True
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = sorted(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    for name, one in items:
        marked, found = mark_number(one, str(name))
        if found:
            changed = dict(items) | {name: marked}
            return (changed if isinstance(value, dict) else list(changed.values())), True
    return value, False


def newer(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, unsealed(value) | {"schema_version": kind.version + 1})
    return f"this kit reads up to {kind.version}"


def older_than_all(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, unsealed(value) | {"schema_version": 0})
    return "cannot be upgraded"


def version_as_text(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, unsealed(value) | {"schema_version": "1"})
    return "no whole number as schema_version"


def foreign(path: Path, value: dict[str, Any], kind: Kind) -> str:
    other = KINDS["run" if kind.name != "run" else "latency-table"]
    put(path, records.document(sample(other)))
    return other.title


def unknown_field(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, unsealed(value) | {"a_field_of_tomorrow": 1})
    return "a_field_of_tomorrow"


def without_fields(path: Path, value: dict[str, Any], kind: Kind) -> str:
    put(path, {name: value[name] for name in ("file_kind", "schema_version")})
    return "valid"


def wrong_fields(path: Path, value: dict[str, Any], kind: Kind) -> str:
    kept = ("file_kind", "schema_version")
    put(path, {name: one if name in kept else {"no": ["such", "value"]} for name, one in unsealed(value).items()})
    return "valid"


def changed(path: Path, value: dict[str, Any], kind: Kind) -> str:
    digest = value.get("checksum", "sha256:00")
    put(path, value | {"checksum": digest[:-1] + ("0" if digest[-1] != "0" else "1")})
    return "was changed after it was written"


WAYS: list[Way] = [
    absent, folder, pipe, device, too_large, empty, not_utf8, not_json, deep_lists, deep_objects, no_object, key_twice,
    half_a_character, number("NaN", "not a number"), number("-Infinity", "not a number"),
    number("1e999", "beyond the range"), number("9223372036854775808", "beyond 64 bits"), newer, older_than_all,
    version_as_text, foreign, unknown_field, without_fields, wrong_fields, changed,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_wrong_with_a_file_is_one_message(
    kind: Kind, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way is without_fields and all(one.default is not MISSING for one in fields(kind.record)):
        pytest.skip("every field has a default")
    path = tmp_path / "file.json"
    word = way(path, records.document(sample(kind)), kind)
    if way is too_large:
        small = replace(kind, limits=records.Limits(max_bytes=2000))
        monkeypatch.setitem(registry._KINDS, kind.record, small)
    with pytest.raises(InputError) as caught:
        records.load(kind.record, path)
    assert caught.type is kind.error
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert str(path) in message
    assert word in message
    assert kind.title in message or kind.made_by in message or kind.record.__name__ in message or "JSON" in message


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_record_comes_back_as_it_was_saved_and_equal_records_are_equal_bytes(kind: Kind, tmp_path: Path) -> None:
    record = sample(kind)
    records.save(record, tmp_path / "one.json")
    loaded = records.load(kind.record, tmp_path / "one.json")
    assert loaded == record
    records.save(loaded, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text())["file_kind"] == kind.name


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_byte_order_mark_and_another_layout_are_read(kind: Kind, tmp_path: Path) -> None:
    record = sample(kind)
    text = json.dumps(records.document(record), indent=4)
    (tmp_path / "file.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert records.load(kind.record, tmp_path / "file.json") == record


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_flipped_byte_is_found_or_changes_nothing(kind: Kind, tmp_path: Path) -> None:
    if not kind.sealed:
        pytest.skip("people write it: it has no checksum")
    record, path = sample(kind), tmp_path / "file.json"
    records.save(record, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position, mask in zip(rng.integers(len(whole), size=40), rng.integers(1, 256, size=40), strict=True):
        damaged = bytearray(whole)
        damaged[position] ^= mask
        path.write_bytes(damaged)
        try:
            assert records.load(kind.record, path) == record, f"byte {position} ^ {mask}"
        except InputError:
            continue


def test_there_is_a_file_of_release_0_1_of_every_kind_that_it_read() -> None:
    assert {path.stem for path in OLD.glob("*.json")} == KINDS.keys() - ABSENT_FROM_OLD


@pytest.mark.parametrize("path", sorted(OLD.glob("*.json")), ids=lambda path: path.stem)
def test_files_of_release_0_1_hold_what_they_held(path: Path) -> None:
    kind = KINDS[path.stem]
    old = json.loads(path.read_text())
    written = records.document(records.load(kind.record, path))
    for name, value in old.items():
        if name != "schema_version":
            assert holds(json.loads(json.dumps(written[name])), value), name


def holds(new: Any, old: Any) -> bool:
    """Return whether a value is what it was; objects may have gained fields."""
    if isinstance(old, dict):
        return new.keys() >= old.keys() and all(holds(new[name], one) for name, one in old.items())
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds, new, old))
    if isinstance(old, str) and isinstance(new, dict):  # a warning, whose numbers were in its sentence
        return bool(old == f"load is {new['value']}, above {new['limit']} (0.5 a core): {new['advice']}")
    return bool(new == old)


def test_a_kind_without_an_upgrade_for_a_version_says_which_there_are() -> None:
    kind = replace(KINDS["run"], version=4, upgrades={2: dict, 3: dict})
    with pytest.raises(InputError, match="supported: 2, 3, 4"):
        records.upgrade({"schema_version": 1}, "run.json", kind)
    assert records.upgrade({"schema_version": 2, "a": 1}, "run.json", kind) == {"schema_version": 4, "a": 1}


def test_an_unbounded_number_is_null_in_a_file(tmp_path: Path) -> None:
    record = replace(sample(KINDS["comparison"]))
    column = replace(record.columns[0], factor_ms=float("inf"))
    records.save(replace(record, columns=(column, *record.columns[1:])), tmp_path / "file.json")
    loaded = records.load(type(record), tmp_path / "file.json")
    assert loaded.columns[0].factor_ms is None


def test_the_documentation_lists_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs" / "stored-files.md").read_text(encoding="utf-8")
    assert [name for name in KINDS if f"`{name}`" not in text] == []
