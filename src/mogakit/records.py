"""Frozen dataclasses to JSON and back, for every record that the kit keeps on disk."""

import json
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from mogakit.errors import InputError

_converter = cattrs.Converter(forbid_extra_keys=True)
_converter.register_unstructure_hook(Path, str)
_converter.register_structure_hook(Path, lambda value, _: Path(value))

T = TypeVar("T")


def to_json(record: Any) -> Any:
    """Turn a (nested) dataclass into plain dicts, lists and scalars."""
    return _converter.unstructure(record)


def from_json(value: Any, kind: type[T], where: str) -> T:
    """Rebuild a record of `kind`; `where` names the file or field for the message.

    Raises:
        InputError: a field is missing, unknown, or of the wrong type.
    """
    try:
        return _converter.structure(value, kind)
    except Exception as error:
        problems = "; ".join(cattrs.transform_error(error))
        raise InputError(f"{where} does not hold a valid {kind.__name__}: {problems}") from error


def from_versioned_json(value: Any, kind: type[T], version: int, where: str) -> T:
    """Rebuild a record of `kind` that holds its `schema_version`.

    Raises:
        InputError: the version is not `version`; a field is missing, unknown, or of the wrong type.
    """
    if isinstance(value, dict) and value.get("schema_version") != version:
        raise InputError(f"{where} has schema {value.get('schema_version')}; this release reads {version}")
    return from_json(value, kind, where)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is not JSON, or not in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON file: {error}") from error
