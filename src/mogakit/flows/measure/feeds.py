"""From `--shape`, `--input-range`, `--input` and `--signature` to what each file is run with.

Nothing that a file leaves open is filled in: a size, a signature or the range of row numbers that neither the file nor
the user names rejects that file, with what to add. Row numbers that a lookup in the file shows are drawn from its
table.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from mogakit.bench.engines import open_sizes
from mogakit.bench.feed import Feed, Range, Shape, read_range, read_shape, unknown_range, write_shape
from mogakit.bench.host import VALUES
from mogakit.errors import InputError
from mogakit.export.foreign.model import EntryPoint, Input
from mogakit.files import sha256_of

_DRAWN = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32", "float64")
_ROW_NUMBERS = ("int32", "int64", "uint32", "uint64")
_MAX_VARIANTS = 64

T = TypeVar("T")


@dataclass(frozen=True)
class Given(Generic[T]):
    """Something given for the input `name`; empty for the only input that it can mean."""

    name: str
    value: T


@dataclass(frozen=True)
class FeedRequest:
    """What a person says of the inputs of the files; `parse` reads it from the command line.

    Attributes:
        shapes: several for one input are several runs.
        signatures: each is a run of every file that has it.
    """

    shapes: tuple[Given[Shape], ...] = ()
    ranges: tuple[Given[Range], ...] = ()
    files: tuple[Given[Path], ...] = ()
    signatures: tuple[str, ...] = ()


@dataclass
class Used:
    """The names that some file had, so that a misspelt one is found."""

    inputs: set[str] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def check(self, request: FeedRequest) -> None:
        """Check that everything given was for an input or signature of some file.

        Raises:
            InputError: it was not; the message lists those there are.
        """
        given = {item.name for items in (request.shapes, request.ranges, request.files) for item in items}
        unknown = sorted(given - self.inputs - {""})
        if unknown:
            names = ", ".join(sorted(self.known)) or "none"
            raise InputError(f"no file has an input called {', '.join(unknown)}; inputs of the files: {names}")
        missing = [name for name in request.signatures if name not in self.signatures]
        if missing:
            raise InputError(f"no file has a signature called {', '.join(missing)}")


@dataclass(frozen=True)
class Run:
    """One way to run a file: what goes in, and the notes that an artifact carries to the runner."""

    feed: Feed
    notes: dict[str, str]


def parse(
    shapes: Sequence[str] = (), ranges: Sequence[str] = (), files: Sequence[str] = (), signatures: Sequence[str] = ()
) -> FeedRequest:
    """Read the options of the command line: `NAME=1x224x224x3`, `NAME=0:255`, `NAME=FILE.npy`, each also without NAME.

    Raises:
        InputError: one is malformed, or a file does not exist.
    """
    named_files = []
    for text in files:
        name, _, rest = ("", "", text) if Path(text).is_file() else text.rpartition("=")
        if not Path(rest).is_file():
            raise InputError(f"--input {text}: there is no file {rest}; write NAME=FILE.npy")
        named_files.append(Given(name, Path(rest)))
    return FeedRequest(
        shapes=tuple(Given(name, read_shape(value)) for name, value in map(_split, shapes)),
        ranges=tuple(Given(name, read_range(value)) for name, value in map(_split, ranges)),
        files=tuple(named_files),
        signatures=tuple(dict.fromkeys(signatures)),
    )


def _split(text: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    return name, value


def runs_of(entries: Sequence[EntryPoint], request: FeedRequest, used: Used) -> list[Run]:
    """Return every run that the request asks of a file.

    Raises:
        InputError: the file leaves something open that the request does not say, or the request does not fit it.
    """
    used.known.update(item.alias or item.spec.name for entry in entries for item in entry.inputs)
    return [run for entry in _chosen(entries, request, used) for run in _runs(entry, request, used)]


def _chosen(entries: Sequence[EntryPoint], request: FeedRequest, used: Used) -> list[EntryPoint]:
    if len(entries) == 1:
        return list(entries)
    chosen = [entry for entry in entries if entry.signature in request.signatures]
    used.signatures.update(entry.signature for entry in chosen)
    if chosen:
        return chosen
    names = [entry.signature for entry in entries]
    for entry in entries:  # whatever was given is for an input that is there
        for item in entry.inputs:
            used.inputs.update(_names(item))
    raise InputError(
        f"the file has {len(names)} signatures ({', '.join(names)}); say which to run: --signature {names[0]} "
        "(may be repeated)"
    )


def _names(item: Input) -> set[str]:
    """Return what a person may call an input: its name in the file, in the signature, and without a `:0`."""
    plain = item.spec.name.removesuffix(":0").removeprefix("serving_default_")
    return {name for name in (item.spec.name, item.alias, plain) if name}


def _of(item: Input, given: Sequence[Given[T]], is_only: bool, used: Used) -> list[T]:
    names = _names(item)
    used.inputs.update(names)
    return [one.value for one in given if one.name in names or (not one.name and is_only)]


def _runs(entry: EntryPoint, request: FeedRequest, used: Used) -> list[Run]:
    inputs = entry.inputs
    for item in inputs:
        if item.spec.dtype not in (*_DRAWN, *_ROW_NUMBERS):
            supported = ", ".join((*_DRAWN, *_ROW_NUMBERS))
            raise InputError(f"input {item.spec.name!r} holds {item.spec.dtype}; files are timed on {supported}")
    is_open = [any(size < 0 for size in item.spec.shape) for item in inputs]
    single, single_open = len(inputs) == 1, sum(is_open) == 1
    files = [_one(_of(item, request.files, single, used), item) for item in inputs]
    ranges = tuple(
        _range(item, _one(_of(item, request.ranges, single, used), item), file)
        for item, file in zip(inputs, files, strict=True)
    )
    shapes = [
        _of(item, request.shapes, single or (single_open and left), used) or _own_shapes(item, file)
        for item, left, file in zip(inputs, is_open, files, strict=True)
    ]
    feed = Feed(entry.signature, (), ranges if any(ranges) else (), _digest(files))
    notes = {f"{VALUES}{position}": str(file.absolute()) for position, file in enumerate(files) if file is not None}
    if not any(is_open) and not request.shapes:
        return [Run(feed, notes)]
    return [Run(replace(feed, shapes=variant), notes) for variant in _variants(inputs, shapes)]


def _one(found: list[T], item: Input) -> T | None:
    if len(found) > 1:
        raise InputError(f"more than one value is given for input {item.spec.name!r}")
    return found[0] if found else None


def _range(item: Input, given: Range | None, file: Path | None) -> Range | None:
    if given is not None or file is not None or item.spec.dtype in _DRAWN:
        return given
    if item.num_rows is None:
        raise InputError(unknown_range(item.alias or item.spec.name))
    return 0.0, float(item.num_rows - 1)


def _own_shapes(item: Input, file: Path | None) -> list[Shape]:
    """Return the shape of an input for which none is given: the file's own, or that of its values."""
    if all(size >= 0 for size in item.spec.shape):
        return [item.spec.shape]
    if file is None:
        raise InputError(open_sizes(item.alias or item.spec.name, item.spec.shape))
    try:
        return [np.load(file, mmap_mode="r", allow_pickle=False).shape]
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise InputError(f"{file} is not a .npy file of numbers: {error}") from error


def _variants(inputs: Sequence[Input], shapes: Sequence[list[Shape]]) -> list[tuple[Shape, ...]]:
    """Return the shapes of each run: as many runs as the input with most of them has, in the order given."""
    count = max(map(len, shapes), default=1)
    for item, found in zip(inputs, shapes, strict=True):
        if len(found) not in (1, count) or count > _MAX_VARIANTS:
            raise InputError(
                f"input {item.spec.name!r} is given {len(found)} shapes and another {count}; give each input one, or "
                f"as many as there are runs (up to {_MAX_VARIANTS})"
            )
        for shape in found:
            _check_fits(item, shape)
    return [tuple(found[index % len(found)] for found in shapes) for index in range(count)]


def _check_fits(item: Input, shape: Shape) -> None:
    own = item.spec.shape
    fits = len(own) == len(shape) and all(size in (-1, given) for size, given in zip(own, shape, strict=True))
    if not fits:
        wanted = "x".join("?" if size < 0 else str(size) for size in own) or "scalar"
        raise InputError(f"input {item.spec.name!r} is {wanted} (? is free), which {write_shape(shape)} does not fit")


def _digest(files: Sequence[Path | None]) -> str:
    """Return what identifies the values given, empty where none are."""
    parts = [f"{position}:{sha256_of(file)}" for position, file in enumerate(files) if file is not None]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""
