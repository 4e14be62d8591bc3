"""Kinds of file that the kit keeps: one JSON object each, with its kind, its version and a checksum.

    {"checksum": "sha256:...", "file_kind": "latency-table", "schema_version": 1, ...fields of the record...}

The checksum is over the rest of the object, whatever its layout in the file. Files of older releases have neither it
nor `file_kind`, and are read as they are. Whoever edits a file by hand removes its `checksum`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from mogakit import files
from mogakit.errors import InputError
from mogakit.records.convert import finite, from_json, to_json
from mogakit.records.reading import DEFAULT_LIMITS, Limits, read_json

KIND_KEY = "file_kind"
VERSION_KEY = "schema_version"
CHECKSUM_KEY = "checksum"

Document = dict[str, Any]
Step = Callable[[Document], Document]
T = TypeVar("T")
C = TypeVar("C", bound=type)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of stored file; `stored` makes one.

    Attributes:
        name: as in the file: `latency-table`.
        title: as in messages: `latency table`.
        version: of the layout that this release writes. upgrades: steps by the version that they start from.
        implied_version: of files that state none; None where every file states one.
        made_by: the command that makes such a file; where people write it (`sealed` is false), what shows how.
        encode: from the record's plain values to the file's, where they differ. decode: back.
        error: raised for everything that is wrong with a file.
        limits: on what is read.
        sealed: whether a checksum is written: not into files that people write and edit.
    """

    name: str
    title: str
    record: type
    version: int
    made_by: str
    upgrades: Mapping[int, Step] = field(default_factory=dict)
    implied_version: int | None = None
    encode: Step | None = None
    decode: Step | None = None
    error: type[InputError] = InputError
    limits: Limits = DEFAULT_LIMITS
    sealed: bool = True

    @property
    def remedy(self) -> str:
        """Return what to do where there is no such file."""
        return f"`{self.made_by}` makes one" if self.sealed else f"write one as {self.made_by} shows"


_KINDS: dict[type, Kind] = {}


def stored(
    name: str,
    *,
    version: int,
    made_by: str,
    title: str | None = None,
    upgrades: Mapping[int, Step] | None = None,
    implied_version: int | None = None,
    encode: Step | None = None,
    decode: Step | None = None,
    error: type[InputError] = InputError,
    limits: Limits = DEFAULT_LIMITS,
    sealed: bool = True,
) -> Callable[[C], C]:
    """Declare the dataclass under it as a kind of stored file; see `Kind` for the arguments."""

    def declare(record: C) -> C:
        _KINDS[record] = Kind(
            name=name,
            title=title or name.replace("-", " "),
            record=record,
            version=version,
            made_by=made_by,
            upgrades=upgrades or {},
            implied_version=implied_version,
            encode=encode,
            decode=decode,
            error=error,
            limits=limits,
            sealed=sealed,
        )
        return record

    return declare


def kind_of(record: type) -> Kind:
    """Return the kind of file that a record class is declared as."""
    return _KINDS[record]


def kinds() -> list[Kind]:
    """Return every kind that is declared in a loaded module, by name."""
    return sorted(_KINDS.values(), key=lambda kind: kind.name)


def document(record: Any) -> Document:
    """Return a record as its file holds it: plain values with kind, version and checksum."""
    kind = _KINDS[type(record)]
    value: Document = to_json(record)
    if kind.encode is not None:
        value = kind.encode(value)
    value = {**value, KIND_KEY: kind.name, VERSION_KEY: kind.version}
    try:
        checksum = _checksum(value)
    except ValueError:  # JSON has no infinity: an unbounded number is null
        value = finite(value)
        checksum = _checksum(value)
    return {**value, CHECKSUM_KEY: checksum} if kind.sealed else value


def save(record: Any, path: Path) -> None:
    """Write a record atomically; equal records give equal bytes."""
    files.write_json(path, document(record))


def load(record: type[T], path: Path) -> T:
    """Read a file of the kind that `record` is declared as; older versions are upgraded on the way.

    Raises:
        InputError: (or the kind's own error) the file is absent, not a regular file, too large, not UTF-8, not JSON, of
            another kind or a newer version, was changed after it was written, or a field is missing, unknown or wrong.
    """
    return from_document(record, _read(_KINDS[record], path), str(path))


def load_one_of(records: Sequence[type], path: Path) -> Any:
    """Read a file of one of several kinds.

    Raises:
        InputError: as `load`.
    """
    candidates = [_KINDS[record] for record in records]
    titles = " or ".join(kind.title for kind in candidates)
    first = candidates[0]
    remedy = ", ".join(f"`{kind.made_by}` makes a {kind.title}" for kind in candidates)
    try:
        value = read_json(path, titles, first.limits, remedy)
    except InputError as error:
        raise first.error(str(error)) from error
    if not isinstance(value, dict):
        raise first.error(f"{path} holds no JSON object; expected a {titles}. {remedy}")
    named = [kind for kind in candidates if kind.name == value.get(KIND_KEY)]
    if KIND_KEY in value and not named:
        raise first.error(f"{path} is {_told(value)}; expected a {titles}. {remedy}")
    chosen = named[0] if named else max(candidates, key=lambda kind: _likeness(kind, value))
    return from_document(chosen.record, value, str(path))


def from_document(record: type[T], value: Any, where: str) -> T:
    """Rebuild a record from what its file holds; `where` names the file for messages.

    Raises:
        InputError: as `load`, for everything that is not about the file itself.
    """
    kind = _KINDS[record]
    try:
        found: T = _rebuilt(kind, value, where)
        return found
    except kind.error:
        raise
    except InputError as error:
        raise kind.error(str(error)) from error


def _rebuilt(kind: Kind, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{where} holds no JSON object; expected a {kind.title}, {kind.remedy}")
    if value.get(KIND_KEY, kind.name) != kind.name:
        raise InputError(f"{where} is {_told(value)}; expected a {kind.title}, {kind.remedy}")
    given = {name: one for name, one in value.items() if name not in (KIND_KEY, CHECKSUM_KEY)}
    try:
        current = upgrade(given, where, kind)
        if not any(one.name == VERSION_KEY for one in fields(kind.record)):
            del current[VERSION_KEY]
        if kind.decode is not None:
            current = kind.decode(current)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        problem = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where} does not hold a valid {kind.title}: {problem}; {kind.remedy}") from error
    found: Any = from_json(current, kind.record, where)
    if CHECKSUM_KEY in value and value[CHECKSUM_KEY] != _checksum(value):
        raise InputError(
            f"{where} was changed after it was written: its checksum does not match. {kind.remedy}; if you edited it "
            f"on purpose, remove {CHECKSUM_KEY!r} from it"
        )
    return found


def upgrade(given: Mapping[str, Any], where: str, kind: Kind) -> Document:
    """Bring a document to the version of this release, one step at a time; `given` is not modified.

    Raises:
        InputError: it states no version, a newer one, or one that no step starts from.
    """
    version = given.get(VERSION_KEY, kind.implied_version)
    if not isinstance(version, int) or isinstance(version, bool):
        raise InputError(
            f"{where} holds no whole number as {VERSION_KEY}; expected a {kind.title} of this kit, {kind.remedy}"
        )
    if version > kind.version:
        raise InputError(
            f"{where} is a {kind.title} of schema version {version}; this kit reads up to {kind.version}. "
            "Upgrade moga-kit"
        )
    current = dict(given)
    while version < kind.version:
        if version not in kind.upgrades:
            raise InputError(
                f"{where} is a {kind.title} of schema version {version}, which cannot be upgraded; supported: "
                f"{', '.join(map(str, sorted({*kind.upgrades, kind.version})))}. {kind.remedy}"
            )
        current = dict(kind.upgrades[version](current))
        version += 1
    if version != kind.version or version < 0:
        raise InputError(f"{where} is a {kind.title} of schema version {version}")
    return {**current, VERSION_KEY: version}


def _read(kind: Kind, path: Path) -> Any:
    try:
        return read_json(path, kind.title, kind.limits, kind.remedy)
    except InputError as error:
        raise kind.error(str(error)) from error


def _checksum(value: Mapping[str, Any]) -> str:
    """Return a digest over a document's content, whatever its layout."""
    value = {name: one for name, one in value.items() if name != CHECKSUM_KEY}
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _told(value: Mapping[str, Any]) -> str:
    name = str(value.get(KIND_KEY))[:60]
    known = next((kind for kind in _KINDS.values() if kind.name == name), None)
    return f"a {known.title} (`{known.made_by}`)" if known is not None else f"a file of kind {name!r}"


def _likeness(kind: Kind, value: Mapping[str, Any]) -> int:
    """Count the fields that a document shares with a kind, less those that it does not know."""
    names = {one.name for one in fields(kind.record)}
    return len(names & value.keys()) - len(value.keys() - names)
