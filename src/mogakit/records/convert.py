"""Frozen dataclasses to plain JSON values and back; what comes back is checked value by value."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, is_mapping, list_structure_factory
from cattrs.errors import ForbiddenExtraKeysError

from mogakit.errors import InputError, MogaKitError

MAX_FLOAT = 1e100
"""No quantity of the kit comes near it; beyond it, products of two numbers end as infinity."""
MAX_INT = 2**63 - 1

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


def to_json(record: Any) -> Any:
    """Turn a (nested) dataclass into plain dicts, lists and scalars."""
    return _converter.unstructure(record)


def finite(value: Any) -> Any:
    """Return plain values with None for every number that JSON has not: an unbounded one is not a number there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def from_json(value: Any, kind: type[T], where: str) -> T:
    """Rebuild a record of `kind`; `where` names the file or field for the message.

    Text stays text, whole numbers lie within 64 bits, other numbers are finite and below 1e100: nothing is converted
    that only looks like a number.

    Raises:
        InputError: a field is missing, unknown, of the wrong type or out of range.
    """
    try:
        return _converter.structure(value, kind)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, "$", _problem))
        raise InputError(f"{where} does not hold a valid {_name(kind)}: {problems}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{where} does not hold a valid {_name(kind)}: {_problem(error, None)}") from error


def _name(kind: Any) -> str:
    return kind.__name__ if get_origin(kind) is None else str(kind)


def _problem(error: BaseException, kind: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required field missing: {error}"
    if isinstance(error, ForbiddenExtraKeysError):
        return f"unknown field(s): {', '.join(sorted(map(str, error.extra_fields)))}"
    if isinstance(error, MogaKitError | ValueError | TypeError):
        return str(error) or "invalid value"
    return f"invalid value ({error})"


def _bool(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{_short(value)} is not true or false")
    return value


def _int(value: Any, _: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{_short(value)} is not a whole number")
    if not -MAX_INT <= value <= MAX_INT:
        raise ValueError(f"{_short(value)} is beyond 64 bits")
    return value


def _float(value: Any, _: Any) -> float:
    if type(value) is not float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError(f"{_short(value)} is not a number")
        value = float(value) if abs(value) <= MAX_INT else math.inf
    if not -MAX_FLOAT <= value <= MAX_FLOAT:
        raise ValueError(f"{value} is not a number between -1e100 and 1e100")
    return float(value)


def _str(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_short(value)} is not text")
    return value


def _path(value: Any, _: Any) -> Path:
    text = str(value) if isinstance(value, Path) else _str(value, None)
    if "\0" in text:
        raise ValueError(f"{_short(value)} is not a path")
    return Path(text)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number_or_text(value: Any, kind: Any) -> float | str | None:
    absent = value is None and NoneType in get_args(kind)
    return value if absent or isinstance(value, str) else _float(value, float)


def _list_hook(kind: Any, converter: cattrs.Converter) -> Hook:
    """Return the hook of `tuple[X, ...]` or `list[X]`, which takes lists only (to Python, text is a sequence)."""
    if get_origin(kind) is list:
        inner = list_structure_factory(kind, converter)
    elif get_args(kind)[0] is float:
        return _floats
    else:
        inner = homogenous_tuple_structure_factory(kind, converter)

    def structure(value: Any, asked: Any) -> Any:
        return inner(_checked_list(value), asked)

    return structure


def _floats(value: Any, asked: Any) -> tuple[float, ...]:
    """Check many numbers at once: raw samples are most of what a journal holds."""
    given = _checked_list(value)
    if all(type(one) is float and -MAX_FLOAT <= one <= MAX_FLOAT for one in given):
        return tuple(given)
    return tuple(_float(one, float) for one in given)


def _fixed_tuple_hook(kind: Any, converter: cattrs.Converter) -> Hook:
    """Return the hook of `tuple[X, Y]`."""
    kinds = get_args(kind)

    def structure(value: Any, _: Any) -> tuple[Any, ...]:
        given = _checked_list(value)
        if len(given) != len(kinds):
            raise ValueError(f"{_short(value)} has {len(given)} items, not {len(kinds)}")
        return tuple(converter.structure(one, of) for one, of in zip(given, kinds, strict=True))

    return structure


def _checked_list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{_short(value)} is not a list")
    return value


def _object_hook(inner: Hook) -> Hook:
    """Return a hook that takes JSON objects only."""

    def structure(value: Any, asked: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"{_short(value)} is not an object")
        return inner(value, asked)

    return structure


def _is_homogeneous(kind: Any) -> bool:
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis
    return get_origin(kind) is list


def _is_fixed_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple and not _is_homogeneous(kind)


def _is_number_or_text(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and {float, str} <= set(get_args(kind)) <= {float, str, NoneType}


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Path, str)
    for exact, hook in ((Path, _path), (bool, _bool), (int, _int), (float, _float), (str, _str)):
        # by identity: a StrEnum is text, too, and has a hook of its own
        converter.register_structure_hook_func(partial(operator.is_, exact), hook)

    def listed(kind: Any) -> Hook:
        return _list_hook(kind, converter)

    def fixed(kind: Any) -> Hook:
        return _fixed_tuple_hook(kind, converter)

    def mapped(kind: Any) -> Hook:
        return _object_hook(converter.gen_structure_mapping(kind))

    def record(kind: Any) -> Hook:
        return _object_hook(converter.gen_structure_attrs_fromdict(kind))

    converter.register_structure_hook_factory(is_mapping, mapped)
    converter.register_structure_hook_factory(_is_homogeneous, listed)
    converter.register_structure_hook_factory(_is_fixed_tuple, fixed)
    converter.register_structure_hook_factory(is_dataclass, record)
    converter.register_structure_hook_func(_is_number_or_text, _number_or_text)
    return converter


_converter = _make_converter()
