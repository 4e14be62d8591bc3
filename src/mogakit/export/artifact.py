"""`Artifact`: one exported file, what it is, and how well it agrees with torch."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Format(StrEnum):
    """File formats that the kit writes or runs."""

    TFLITE = "tflite"
    ONNX = "onnx"
    MACE = "mace"
    DLC = "dlc"


class Precision(StrEnum):
    """What a graph computes in; `export.foreign.precision` reads it off a file of any maker."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"  # weights stored in half, computed as the runtime sees fit
    INT8 = "int8"  # full integer, int8 input and output
    UINT8 = "uint8"  # full integer inside as INT8; uint8 input and output
    INT8_FLOAT_IO = "int8-float-io"  # full integer inside as INT8; float32 at an end
    DYNAMIC_RANGE = "dynamic-range"  # weights in 8 bits or fewer, activations in float
    INT16X8 = "int16x8"  # activations in 16 bits, weights in 8
    MIXED = "mixed"  # some operators compute in float, others in integers

    @property
    def is_quantised(self) -> bool:
        """Return whether weights or activations are rounded to integers: such files differ by more than rounding."""
        return self not in (Precision.FLOAT32, Precision.FLOAT16)


class Role(StrEnum):
    """What a file stands for in a latency table."""

    CHOICE = "choice"  # a choice block of a search space
    FIXED = "fixed"  # stem, first bottleneck, head: a row of its own
    CHAIN = "chain"  # n copies of one block, from which the overhead per run is read
    NETWORK = "network"


class Converter(StrEnum):
    """Converters of the formats' own makers, for networks that the kit's writers do not take (`export.converters`)."""

    LITERT_TORCH = "litert-torch"
    TORCH_ONNX = "torch.onnx"

    @property
    def writes(self) -> Format:
        """Return the format of its files."""
        return {Converter.LITERT_TORCH: Format.TFLITE, Converter.TORCH_ONNX: Format.ONNX}[self]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a file: `shape` as the file sees it (NHWC in TFLite and MACE, NCHW in ONNX)."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Difference from torch on seeded inputs of several distributions, of the input on which it is largest.

    Attributes:
        max_abs_error: the largest difference of all.
        relative: difference over the output's scale (max |torch|).
        checked_with: runtime and version, `ai-edge-litert 2.3.0`.
        torch_relative: difference of torch's own float32 result from a float64 run of the same module, and `relative`
            is then the file's difference from that run. None where file and torch agree so closely that none was made.
    """

    max_abs_error: float
    relative: float
    num_inputs: int
    checked_with: str
    torch_relative: float | None = None


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One exported file.

    Attributes:
        name: `Block.key` of a block, the name of a network, `chain-<n>x<key>` of a chain.
        path: where the file lies (for MACE the `.pb`; its `.data` is in `companions`).
        sha256: of the file at `path`, hexadecimal; over all files of a model whose weights lie beside its graph.
        agreement: None only for a file that the kit did not write (`moga bench FILE`).
        companions: further files that belong to it, with their sha256; and the file at `path` as well where `sha256`
            is that of all files.
        notes: what changes latency but not the function, e.g. `{"h_sigmoid": "folded"}`.
    """

    name: str
    role: Role
    path: Path
    format: Format
    precision: Precision
    sha256: str
    num_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    agreement: Agreement | None = None
    companions: dict[str, str] | None = None
    notes: dict[str, str] | None = None
