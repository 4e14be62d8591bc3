"""A file of every kind that the kit keeps: as release 0.1 wrote it, and as this release does."""

import importlib
import pkgutil
import typing
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import mogakit
from mogakit import records

OLD = Path(__file__).parents[1] / "records" / "data" / "0.1"
"""One of each kind, written by the last commit before files named their kind and carried a checksum."""

for module in pkgutil.walk_packages(mogakit.__path__, "mogakit."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

KINDS = {kind.name: kind for kind in records.kinds()}
TEXTS = {"target": "tflite/cpu/float32", "layout": "HWC, red green blue"}


def sample_of(annotation: Any, name: str = "") -> Any:
    """Return a small value of a field's type; what has a default keeps it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        return sample_of(next(one for one in arguments if one is not NoneType), name)
    if origin is tuple:
        kinds = arguments[:1] if arguments[1:] == (Ellipsis,) else arguments
        return tuple(sample_of(one, name) for one in kinds)
    if origin is list:
        return [sample_of(arguments[0], name)]
    if origin is dict:
        return {sample_of(arguments[0], "key"): sample_of(arguments[1], name)}
    if annotation is Any:
        return 1.5
    if is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        needed = [one for one in fields(annotation) if one.default is MISSING and one.default_factory is MISSING]
        return annotation(**{one.name: sample_of(hints[one.name], one.name) for one in needed})
    if issubclass(annotation, Enum):
        return next(iter(annotation))
    plain: dict[type, Any] = {bool: True, int: 3, float: 1.5, str: TEXTS.get(name, "key"), Path: Path("a/file")}
    return plain[annotation]


def sample(kind: records.Kind) -> Any:
    """Return a record of a kind: what release 0.1 wrote where there is such a file."""
    old = OLD / f"{kind.name}.json"
    return records.load(kind.record, old) if old.exists() else sample_of(kind.record)
