"""What a person may type: one type for each kind of argument, with the same help, errors and completion everywhere.

Every error of a type is a usage error (exit code 2), raised before a command does anything. Converting loads neither
torch nor a runtime.
"""

import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from mogakit.errors import InputError, TableError, closest
from mogakit.files import closest_paths

if TYPE_CHECKING:
    from mogakit.bench.target import Target
    from mogakit.export.support.entry import Hardware
    from mogakit.nets.spaces import Chromosome
    from mogakit.search.problem import Constraint

MODEL_SUFFIXES = (".tflite", ".onnx", ".ort", ".pb", ".dlc", ".json")
"""Of model files (`export.describe`, which loads the runtimes) and network files; a test compares them."""
UNREMARKABLE = 100_000
"""A range that ends here or later is left out of --help."""
TABLE_NAME = "lut.json"
RUN_NAME = "run.json"
UNSUPPORTED = "unsupported"


class Words(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on only
    """A type whose values can be listed, for completion."""

    def __init__(self, name: str, words: Callable[[], Iterable[str]]) -> None:
        """Complete from `words`."""
        self.name = name
        self.words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the words that begin with what is typed, then files."""
        found = [CompletionItem(word) for word in self.words() if word.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


class Resolved(Words):
    """Text that one function of the kit reads; its error is the message."""

    def __init__(self, name: str, read: Callable[[str], Any], words: Callable[[], Iterable[str]], keep: bool) -> None:
        """Read with `read`; with `keep` the command gets the text, which a flow reads again, else what was read."""
        super().__init__(name, words)
        self.read = read
        self.keep = keep

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text."""
        if not isinstance(value, str):
            return value
        try:
            read = self.read(value)
        except InputError as error:
            self.fail(str(error), param, ctx)
        return value if self.keep else read


class TablePath(click.ParamType):  # type: ignore[type-arg]
    """A latency table or cost model: a run's folder, which holds one, or its file."""

    name = "table"

    def __init__(self, keep: bool = False, own: bool = False) -> None:
        """Return the file, or what was typed where `keep` is set; with `own` also a latency of the user's own."""
        self.keep = keep
        self.own = own

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """Return the path of the file."""
        from mogakit.luts.latencies import table_path
        from mogakit.plugins import Group, find

        if self.own and not Path(value).exists() and find(Group.LATENCIES, str(value)) is not None:
            return str(value)
        try:
            path = table_path(value)
        except TableError as error:
            self.fail(str(error), param, ctx)
        if not path.is_file():
            self.fail(f"{path} is not a regular file", param, ctx)
        return Path(value) if self.keep else path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete files and folders."""
        return [CompletionItem(incomplete, type="file")]


class RunPath(click.ParamType):  # type: ignore[type-arg]
    """The folder of a run, as `moga profile -o RUN` makes it."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the folder."""
        path = Path(value)
        if path.is_file() and (path.parent / RUN_NAME).is_file():
            return path.parent  # RUN/lut.json stands for RUN, as RUN stands for it where a table is asked for
        if not path.is_dir():
            kind = "is not a folder" if path.exists() else f"does not exist; {_beside(path)}".rstrip("; ")
            self.fail(f"{path} {kind}; `moga profile -o RUN` makes a run", param, ctx)
        if not (path / RUN_NAME).is_file() and not (path / TABLE_NAME).is_file():
            from mogakit.luts.latencies import runs_below

            several = runs_below(path)
            hint = f"name one of {', '.join(several)}" if several else f"`moga profile -o {path}` makes one"
            self.fail(f"{path} holds no run; {hint}", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete folders."""
        return [CompletionItem(incomplete, type="dir")]


class CheckedPath(click.Path):
    """A file or folder that must exist, where names beside it are suggested, or one that can be made."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        path = Path(value)
        if self.exists and str(value) and not path.exists():
            self.fail(f"{path} does not exist; {_beside(path)}".rstrip("; "), param, ctx)
        if path.exists() and not path.is_file() and not path.is_dir():
            self.fail(f"{path} is neither a regular file nor a folder", param, ctx)
        if not self.exists and not path.exists():
            self._check_makeable(path, param, ctx)
        return super().convert(value, param, ctx)

    def _check_makeable(self, path: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Reject, before hours of work, a place for a result where nothing can be written."""
        parent = next(each for each in path.absolute().parents if each.exists())
        if not parent.is_dir():
            self.fail(f"{path} cannot be made: {parent} is not a folder", param, ctx)
        if not os.access(parent, os.W_OK | os.X_OK):
            self.fail(f"{path} cannot be made: nothing can be written into {parent}", param, ctx)


def _beside(path: Path) -> str:
    """Return which names in the same folder a name that is absent may have meant."""
    if not path.parent.is_dir():
        return f"{path.parent} is not a folder; "
    near = closest_paths(path)
    return f"did you mean {', '.join(near)}? " if near else ""


class Model(Words):
    """A model file, or the name of a network or detector."""

    def __init__(self) -> None:
        """Complete names of networks."""
        super().__init__("model", network_names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; a file must exist, a name must be known."""
        path = Path(str(value))
        if path.exists() and not path.is_dir():
            return str(value)
        names_a_scale = "@" in path.name  # mobilenet-v2@0.5x: what follows the dot there is no suffix
        if path.suffix.lower() in MODEL_SUFFIXES or (path.suffix and not names_a_scale and ":" not in path.name):
            self.fail(f"the file {path} does not exist; {_beside(path)}".rstrip("; "), param, ctx)
        try:
            check_model_name(str(value))
        except InputError as error:
            absent = " (and no such file exists)" if "/" in str(value) else ""
            self.fail(f"{error}{absent}", param, ctx)
        return str(value)


def check_model_name(text: str) -> None:
    """Check that `text` names a network or a detector.

    Raises:
        InputError: it does not.
    """
    from mogakit.nets.detection.network import resolve_model

    resolve_model(text)


def check_model_or_module(text: str) -> None:
    """Check that `text` names a network or a detector, or has the form `package.module:function`.

    Raises:
        InputError: it does not.
    """
    from mogakit.plugins import is_reference

    if not is_reference(text):
        check_model_name(text)


def check_network_name(text: str) -> None:
    """Check that `text` names a network of the zoo or of a space.

    Raises:
        InputError: it does not.
    """
    from mogakit.nets.resolve import resolve

    resolve(text)


def check_space_name(text: str) -> None:
    """Check that `text` names a search space.

    Raises:
        InputError: it does not.
    """
    from mogakit.nets.spaces import get_space

    get_space(text)


def read_target(text: str) -> "Target":
    """Read a target; see `mogakit.bench.target`."""
    from mogakit.bench.target import parse_target

    return parse_target(text)


def read_chromosome(text: str) -> "Chromosome":
    """Read a chromosome, with or without its space in front: `8-10-6` or `moga/8-10-6`."""
    from mogakit.nets.spaces import parse_chromosome

    return parse_chromosome(text.rpartition("/")[2])


def read_constraint(text: str) -> "Constraint":
    """Read a constraint such as `latency<=12`."""
    from mogakit.search.problem import parse_constraint

    return parse_constraint(text)


def read_forbidden(text: str) -> "str | Hardware":
    """Read a pattern of block keys, or `unsupported:HARDWARE`, which is returned as the hardware.

    Raises:
        InputError: no such hardware is known.
    """
    from mogakit.export.support.entry import Hardware

    word, colon, name = text.partition(":")
    if word != UNSUPPORTED or not colon:
        return text
    if name in list(Hardware):
        return Hardware(name)
    near = closest(name, list(Hardware))
    hint = f"did you mean {', '.join(near)}?" if near else f"supported: {', '.join(Hardware)}"
    raise InputError(f"unknown hardware {name!r}; {hint}")


def hardware_to_run_on() -> list[str]:
    """Return what `--forbid` takes besides patterns."""
    from mogakit.export.support.entry import Hardware

    return [f"{UNSUPPORTED}:{each}" for each in Hardware]


def network_names() -> list[str]:
    """Return the names of the zoo, and how those of search spaces begin."""
    from mogakit.nets import zoo

    return [*zoo.names(), *(f"{name}/" for name in space_names())]


def space_names() -> tuple[str, ...]:
    """Return the names of the search spaces."""
    from mogakit.nets import spaces

    return (*spaces.space_names(), *spaces.cell_space_names())


def common_targets() -> tuple[str, ...]:
    """Return targets that are asked for most."""
    from mogakit.bench.target import COMMON_TARGETS

    return COMMON_TARGETS


class Whole(click.IntRange):
    """A whole number between two bounds, both included."""

    name = "integer"

    def __init__(self, low: int, high: int) -> None:
        """Bound by `low` and `high`."""
        super().__init__(low, high)

    def _describe_range(self) -> str:
        return _remarkable(self.min, self.max)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number; one of more digits than Python reads is out of range as well."""
        if isinstance(value, str) and len(value) > sys.int_info.default_max_str_digits:
            self.fail(f"{len(value)} digits are out of range; supported: {self.min} to {self.max}", param, ctx)
        number = click.INT.convert(value, param, ctx)
        if not self.min <= number <= self.max:  # type: ignore[operator]  # both bounds are given
            self.fail(f"{number} is not in the range {_bounds(self.min, self.max)}", param, ctx)
        return number


class Number(click.FloatRange):
    """A finite number between two bounds; `open_low` leaves out the lower one."""

    name = "number"

    def __init__(self, low: float, high: float, open_low: bool = False) -> None:
        """Bound by `low` and `high`."""
        super().__init__(low, high, min_open=open_low)

    def _describe_range(self) -> str:
        return _remarkable(self.min, self.max, self.min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number; `nan` is none, and infinity is out of range."""
        if _is_nan(value):
            self.fail(f"{value!r} is not a number", param, ctx)
        number = click.FLOAT.convert(value, param, ctx)
        if not self.min <= number <= self.max or (self.min_open and number == self.min):  # type: ignore[operator]
            self.fail(f"{number:g} is not in the range {_bounds(self.min, self.max, self.min_open)}", param, ctx)
        return number


class Percent(Number):
    """A number of percent: `5` or `5%`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number, with or without the sign."""
        return super().convert(value[:-1] if isinstance(value, str) and value.endswith("%") else value, param, ctx)


class Duration(Number):
    """Seconds, or a number with its unit: `90`, `120s`, `2min`, `1h`."""

    name = "duration"
    units = (("min", 60.0), ("s", 1.0), ("h", 3600.0))

    def __init__(self) -> None:
        """Bound by what any job of the kit takes."""
        super().__init__(0, 10_000_000, open_low=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number and its unit; return seconds."""
        if isinstance(value, str):
            for unit, seconds in self.units:
                number = value.strip().removesuffix(unit)
                if number != value.strip() and number[-1:].isdigit():
                    return super().convert(seconds * super().convert(number, param, ctx), param, ctx)
        return super().convert(value, param, ctx)


class Factor(Number):
    """A latency in milliseconds by which others are divided, or the word `inf`."""

    def __init__(self) -> None:
        """Bound by the longest latency that anything of the kit has."""
        super().__init__(0, 1_000_000, open_low=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number or the word; a number too large for one is out of range."""
        return math.inf if value in ("inf", math.inf) else super().convert(value, param, ctx)


def _remarkable(low: float | None, high: float | None, open_low: bool = False) -> str:
    """Return how --help writes a range; one so wide that nobody meets its end is left out."""
    return "" if high is None or high >= UNREMARKABLE else _bounds(low, high, open_low)


def _bounds(low: float | None, high: float | None, open_low: bool = False) -> str:
    return f"{'above ' if open_low else ''}{low:g} to {high if isinstance(high, int) else format(high, 'g')}"


def _is_nan(value: Any) -> bool:
    try:
        return math.isnan(float(value))
    except (TypeError, ValueError):
        return False


class Vocabulary(click.Choice[str]):
    """One of some words, which are the values of an enumeration that takes long to load.

    Attributes:
        source: `module:Enumeration`; a test compares the words with it.
    """

    def __init__(self, source: str, *words: str) -> None:
        """Take one of `words`."""
        super().__init__(words)
        self.source = source


TABLE = TablePath()
TABLE_OR_RUN = TablePath(keep=True)
LATENCY = TablePath(own=True)
"""A table, a cost model, or `package.module:name` of a latency of the user's own."""
RUN = RunPath()
MODEL = Model()
NETWORK = Resolved("network", check_network_name, network_names, keep=True)
NAMED_MODEL = Resolved("model", check_model_name, network_names, keep=True)
NAMED_MODEL_OR_MODULE = Resolved("model", check_model_or_module, network_names, keep=True)
SPACE = Resolved("space", check_space_name, space_names, keep=True)
TARGET = Resolved("target", read_target, common_targets, keep=False)
CHROMOSOME = Resolved("chromosome", read_chromosome, tuple, keep=False)
CONSTRAINT = Resolved("constraint", read_constraint, tuple, keep=False)
FORBIDDEN = Resolved("pattern", read_forbidden, hardware_to_run_on, keep=False)
FILE = CheckedPath(path_type=Path, exists=True, dir_okay=False)
FILE_OR_FOLDER = CheckedPath(path_type=Path, exists=True)
FOLDER = CheckedPath(path_type=Path, exists=True, file_okay=False)
NEW_FILE = CheckedPath(path_type=Path, dir_okay=False)
NEW_FOLDER = CheckedPath(path_type=Path, file_okay=False)

SEED = Whole(0, 2**32 - 1)
COUNT = Whole(1, 1_000_000)
"""How many of something."""
ROUNDS = Whole(1, 100_000)
PIXELS = Whole(1, 4096)
"""As `nets.limits.MAX_INPUT_SIZE`."""
CLASSES = Whole(1, 1_000_000)
WIDTH = Number(0.05, 16.0)
"""As `nets.limits`."""
SECONDS = Number(0, 10_000_000, open_low=True)
DURATION = Duration()
MILLISECONDS = Number(0, 10_000_000, open_low=True)
PERCENT = Percent(0, 1000, open_low=True)
FACTOR = Factor()
"""What a latency is divided by, in milliseconds; `inf` leaves a hardware out, as the multi-hardware paper's C does."""
EPOCHS = Number(0, 1_000_000, open_low=True)
SHARE = Number(0, 1)
WEIGHT = Number(0, 1_000_000)
COEFFICIENT = Number(-1000, 1000)
