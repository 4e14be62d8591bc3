"""What a file holds, when anyone may have written it.

Every reader here takes regular files only (a pipe would block forever, a device never end), reads no more than a
limit, takes UTF-8 with or without a byte order mark, and raises an `InputError` that names the file otherwise.
"""

import csv
import io
import json
import math
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mogakit.errors import InputError
from mogakit.records.convert import MAX_INT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DECIMAL_COMMA = re.compile(r"\A(\s*[+-]?\d+),(\d+\s*)\Z")


@dataclass(frozen=True)
class Limits:
    """How much of a file is read.

    Attributes:
        max_bytes: of the file.
        max_depth: of lists and objects in one another.
    """

    max_bytes: int = 256 * 2**20
    max_depth: int = 64


DEFAULT_LIMITS = Limits()

_HARMFUL_NUMBER = re.compile(r"[0-9]{19}|[0-9][eE]\+?[0-9]{3}")
"""What may be a whole number beyond 64 bits, or a float beyond its range; most files hold none, and parse fast."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_bytes(path: Path, expected: str = "file", limits: Limits = DEFAULT_LIMITS, remedy: str = "") -> bytes:
    """Read a regular file.

    Args:
        expected: what the file should be, for messages ("latency table").
        remedy: what to do where it is absent ("`moga profile -o RUN` makes one").

    Raises:
        InputError: it is absent, a folder, a pipe or a device, larger than `limits.max_bytes`, or cannot be read.
    """
    hint = f"; {remedy}" if remedy else ""
    try:
        # Looked at before it is opened: opening a device can have effects, and a pipe blocks without O_NONBLOCK.
        _check_regular(path, path.stat(), expected, hint)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            _check_regular(path, status, expected, hint)
            # Python takes memory for as much as it is asked for; a file that is growing is read to the limit.
            content = file.read(min(status.st_size, limits.max_bytes) + 1)
            if len(content) > status.st_size:
                content += file.read(limits.max_bytes + 1 - len(content))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no {expected} {path}{hint}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; expected {_a(expected)}") from error
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"{str(path)!r} is not a file name: {error}") from error
    if len(content) > limits.max_bytes:
        raise InputError(f"{path} is larger than {limits.max_bytes} bytes; expected {_a(expected)}{hint}")
    return content


def check_file(path: Path, expected: str = "file", remedy: str = "") -> None:
    """Make sure that a path names a regular file, for a library that opens it by itself.

    Raises:
        InputError: it is absent, a folder, a pipe or a device.
    """
    hint = f"; {remedy}" if remedy else ""
    try:
        _check_regular(path, path.stat(), expected, hint)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no {expected} {path}{hint}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; expected {_a(expected)}") from error
    except ValueError as error:  # a name with a zero byte
        raise InputError(f"{str(path)!r} is not a file name: {error}") from error


def _check_regular(path: Path, status: os.stat_result, expected: str, hint: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder; expected {_a(expected)}{hint}")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is a pipe, socket or device; expected {_a(expected)} as a regular file{hint}")


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def read_text(path: Path, expected: str = "text file", limits: Limits = DEFAULT_LIMITS, remedy: str = "") -> str:
    """Read a regular file as UTF-8, with or without a byte order mark.

    Raises:
        InputError: as `read_bytes`, or it is not UTF-8.
    """
    content = read_bytes(path, expected, limits, remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start}); expected {_a(expected)}; save it as UTF-8"
        ) from error


def read_json(path: Path, expected: str = "JSON file", limits: Limits = DEFAULT_LIMITS, remedy: str = "") -> Any:
    """Read a JSON file.

    Raises:
        InputError: as `read_text`, or as `parse_json`.
    """
    return parse_json(read_text(path, expected, limits, remedy), f"{path}", expected, limits.max_depth)


def parse_json(text: str, where: str, expected: str = "JSON", max_depth: int = DEFAULT_LIMITS.max_depth) -> Any:
    """Parse JSON strictly; `where` names its source for messages.

    Raises:
        InputError: it is not JSON, names a key twice in one object, holds NaN, an infinity or a whole number beyond 64
            bits, half a surrogate pair, or is nested deeper than `max_depth`.
    """
    suspicious = _HARMFUL_NUMBER.search(text) is not None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_int=_bounded_int if suspicious else None,
            parse_float=_finite_float if suspicious else None,
        )
    except RecursionError as error:
        raise InputError(f"{where} is nested deeper than {max_depth} levels; expected {_a(expected)}") from error
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}; expected {_a(expected)}") from error
    _check_depth(value, where, expected, max_depth)
    if _SURROGATE.search(text):
        _check_surrogates(value, where, expected)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON has")


def _bounded_int(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > MAX_INT:
        raise ValueError(f"the whole number {text[:30]} is beyond 64 bits")
    return value


def _finite_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text[:30]} is beyond the range of floating point")
    return value


def _check_depth(value: Any, where: str, expected: str, max_depth: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(max_depth):
        below: list[Any] = []
        for one in level:
            children = one.values() if isinstance(one, dict) else one
            below.extend(child for child in children if type(child) is dict or type(child) is list)
        if not below:
            return
        level = below
    raise InputError(f"{where} is nested deeper than {max_depth} levels; expected {_a(expected)}")


def _check_surrogates(value: Any, where: str, expected: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{where} holds half a surrogate pair, which is not text; expected {_a(expected)}") from error


def read_yaml(path: Path, expected: str = "YAML file", limits: Limits = DEFAULT_LIMITS, remedy: str = "") -> Any:
    """Read a YAML file of plain values, with the limits of `read_json`; anchors and aliases are not supported.

    Raises:
        InputError: as `read_text`, or it is not such a file.
    """
    from mogakit.records.plain_yaml import parse  # loaded here: few commands read YAML

    value = parse(read_text(path, expected, limits, remedy), str(path), expected, limits.max_depth)
    _check_numbers(value, str(path))
    return value


def _check_numbers(value: Any, where: str) -> None:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
        elif isinstance(one, float) and not math.isfinite(one):
            raise InputError(f"{where} holds {one}, which is not a number")
        elif isinstance(one, int) and abs(one) > MAX_INT:
            raise InputError(f"{where} holds a whole number beyond 64 bits")


def read_npy(path: Path, expected: str = ".npy file of numbers") -> "NDArray[Any]":
    """Read one array of numbers; nothing is unpickled.

    Raises:
        InputError: the file is absent, not a regular file, not `.npy`, shorter than it says, or holds other things.
    """
    import numpy as np  # loaded here: most files hold no arrays

    check_file(path, expected)
    try:
        # mapped first: a file that promises more than it holds is found before memory is taken for it
        loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        found = np.array(loaded)
    except (ValueError, EOFError, OSError, OverflowError, SyntaxError, RecursionError) as error:
        raise InputError(f"{path} is not {_a(expected)}: {error}") from error
    if found.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {found.dtype}; expected {_a(expected)}")
    return found


def read_csv(
    path: Path,
    needed: Sequence[str] = (),
    expected: str = "CSV file",
    limits: Limits = DEFAULT_LIMITS,
    remedy: str = "",
) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file whose first line names its columns; return each row's line and its texts by column.

    Columns may be separated by commas, semicolons or tabs. Beside semicolons, `64,23` is a number as spreadsheets of
    many countries write it, and becomes `64.23`.

    Raises:
        InputError: as `read_text`; a column of `needed` is missing or named twice; a row has more or fewer cells than
            there are columns.
    """
    text = read_text(path, expected, limits, remedy)
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        columns = next(reader, [])
        _check_columns(path, columns, needed, expected)
        rows: list[tuple[int, dict[str, str]]] = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise InputError(f"{path} line {reader.line_num} has {len(cells)} cells for {len(columns)} columns")
            if separator == ";":
                cells = [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]
            rows.append((reader.line_num, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}; expected {_a(expected)}") from error
    return rows


def read_columns(path: Path, expected: str = "CSV file") -> list[str]:
    """Return the columns that the first line of a CSV file names; see `read_csv`.

    Raises:
        InputError: as `read_text`, or the line is not CSV.
    """
    text = read_text(path, expected)
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text)), [])
    except csv.Error as error:
        raise InputError(f"{path} is not CSV: {error}; expected {_a(expected)}") from error


def _separator(text: str) -> str:
    """Return what separates columns: a comma, unless the first line holds none and another separator."""
    first = text.partition("\n")[0]
    others = [other for other in (";", "\t") if other in first]
    return others[0] if others and "," not in first else ","


def _check_columns(path: Path, columns: Sequence[str], needed: Sequence[str], expected: str) -> None:
    absent = [name for name in needed if name not in columns]
    if absent:
        raise InputError(
            f"{path} has no column {', '.join(absent)}; it has {', '.join(columns)[:300] or 'none'}. "
            f"Expected {_a(expected)}"
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} names the column {', '.join(twice)[:300]} twice")
