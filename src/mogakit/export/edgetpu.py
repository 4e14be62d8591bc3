"""Coral's compiler, where the user has it: what it maps, and how much of the Edge TPU's memory the weights take.

`edgetpu_compiler` is closed, and for x86-64 Linux only; the kit neither contains nor downloads it.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mogakit.errors import ParseError

PROGRAM = "edgetpu_compiler"
TIMEOUT_S = 300.0
MISSING = (
    f"{PROGRAM} is not on PATH, so this is what Coral's list of operators says, not what the compiler did; "
    "coral.ai/docs/edgetpu/compiler tells how to install it"
)

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_ROW = re.compile(r"^(?P<operator>[A-Z][A-Z0-9_]+)\s+(?P<count>\d+)\s+(?P<status>\S.*?)\s*$", re.MULTILINE)
_FAILED = "Compilation failed"
MAPPED = "Mapped to Edge TPU"


@dataclass(frozen=True)
class CompiledOperator:
    """One row of the compiler's table."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What the compiler says of one file.

    Attributes:
        num_on_edgetpu, num_on_cpu: operators.
        on_chip_used_bytes, off_chip_bytes: weights kept on the chip, and weights streamed at every run.
    """

    version: str
    num_on_edgetpu: int
    num_on_cpu: int
    num_subgraphs: int
    on_chip_used_bytes: int
    on_chip_remaining_bytes: int
    off_chip_bytes: int
    operators: tuple[CompiledOperator, ...]


class CompilationFailed(ParseError):  # noqa: N818 - named for what it says
    """The compiler rejects the model; the message holds its reason."""


def find() -> Path | None:
    """Return the compiler on PATH, None where there is none."""
    found = shutil.which(PROGRAM)
    return Path(found) if found else None


def compile_file(program: Path, model: Path, folder: Path) -> Compilation:
    """Compile a full-integer TFLite file into `folder` and return what the compiler says.

    Raises:
        CompilationFailed: it rejects the model.
        ParseError: it took longer than `TIMEOUT_S`, or said something that is not a report.
    """
    command = [str(program), "--show_operations", "--out_dir", str(folder), str(model)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ParseError(f"{PROGRAM} ran longer than {TIMEOUT_S:g} s on {model.name}") from error
    output = done.stdout + done.stderr
    if done.returncode != 0 or _FAILED in output:
        raise CompilationFailed(f"{PROGRAM} rejects {model.name}: {failure_in(output, done.returncode)}")
    return parse_report(done.stdout)


def failure_in(output: str, code: int) -> str:
    """Return why the compiler failed, from what it printed."""
    said = [line.strip() for line in output.splitlines() if line.startswith(("ERROR:", "Compilation failed:"))]
    return "; ".join(said) or output.strip()[-300:] or f"it ended with {code}"


def parse_report(text: str) -> Compilation:
    """Read the compiler's report, as printed with `--show_operations`.

    Raises:
        ParseError: a line that every report has is missing.
    """
    operators = tuple(
        CompiledOperator(row["operator"], int(row["count"]), row["status"]) for row in _ROW.finditer(text)
    )
    mapped = sum(item.count for item in operators if item.status == MAPPED)
    total = int(_line(text, r"Total number of operations: (\d+)"))
    # Where everything was mapped the report has no line for either; the table says the same.
    on_edgetpu = re.search(r"Number of operations that will run on Edge TPU: (\d+)", text)
    num_on_edgetpu = int(on_edgetpu[1]) if on_edgetpu else mapped or total
    return Compilation(
        version=_line(text, r"Edge TPU Compiler version (\S+)"),
        num_on_edgetpu=num_on_edgetpu,
        num_on_cpu=total - num_on_edgetpu,
        num_subgraphs=int(_line(text, r"Number of Edge TPU subgraphs: (\d+)")),
        on_chip_used_bytes=_bytes(_line(text, r"On-chip memory used for caching model parameters: (\S+)")),
        on_chip_remaining_bytes=_bytes(_line(text, r"On-chip memory remaining for caching model parameters: (\S+)")),
        off_chip_bytes=_bytes(_line(text, r"Off-chip memory used for streaming uncached model parameters: (\S+)")),
        operators=operators,
    )


def _line(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ParseError(f"the report of {PROGRAM} has no line like {pattern!r}; it ends with: {text[-300:]}")
    return found[1]


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([\d.]+)(B|KiB|MiB|GiB)", text)
    if found is None:
        raise ParseError(f"{text!r} in the report of {PROGRAM} is not a size")
    return round(float(found[1]) * _UNITS[found[2]])
