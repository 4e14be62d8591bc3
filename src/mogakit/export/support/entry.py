"""The words of a support table: hardware, answers, sources, entries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mogakit.export.artifact import Format, Precision


class Hardware(StrEnum):
    """A runtime on a hardware, as far as it decides which operators run."""

    TFLITE_GPU = "tflite-gpu"
    HEXAGON = "hexagon"
    EDGETPU = "edgetpu"
    NNAPI = "nnapi"
    QNN_HTP = "qnn-htp"
    MACE_GPU = "mace-gpu"
    XNNPACK_FLOAT = "xnnpack-float"
    XNNPACK_INT8 = "xnnpack-int8"


class Answer(StrEnum):
    """Whether an operator, or a whole network, runs there."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Condition(StrEnum):
    """What an operator must fulfil besides its name; `conditions.RULES` decides it."""

    NONE = "none"
    # types
    NO_TEXT = "no tensor holds text"  # of every entry: no source knows such tensors
    FLOAT = "its activations are float32"
    BYTES = "its activations are all int8 or all uint8"
    SIGNED_BYTES = "its activations are int8"
    FLOAT_AND_BYTE_WEIGHTS = "its activations are float32 and its weights int8 constants"
    FLOAT_TO_BYTES = "it takes float32 and gives int8 or uint8"
    BYTES_TO_FLOAT = "it takes int8 or uint8 and gives float32"
    HALF_CONSTANT = "it unpacks a float16 constant"
    BYTES_IN = "it takes int8 or uint8"
    SAME_SIGN = "it takes and gives bytes of the same signedness, with scales of a ratio from 1/256 to 128"
    GPU_TYPES = "what it computes on is float32, float16, int8 or uint8, of four dimensions at most"
    INDEX_TYPES = "it computes on indices or masks, of four dimensions at most, and no int16"
    NOT_INT16 = "its input is not int16 (the delegate: unsupported dequantization type)"
    INDICES_INT32 = "its indices are one-dimensional int32, and its table is not"
    # options
    NO_ACTIVATION = "no activation is fused into it"
    RELU_FUSED = "the fused activation is none, ReLU, ReLU6 or ReLU-N1-to-1"
    ACTIVATION_NOT_SIGN_BIT = "the fused activation is not the sign bit"
    STRIDE_AT_MOST_3 = "no stride is above 3"
    STRIDE_1_OR_WINDOW = "the window is larger than 1x1, or the stride is 1"
    DILATION_1 = "the dilation is 1"
    DILATION_1_OR_STRIDE_1 = "the dilation is 1, or the stride is"
    SAME_DILATION = "the dilation is the same in height and width"
    DEPTH_MULTIPLIER_1 = "the depth multiplier is 1 and no stride is above 3"
    DEPTH_MULTIPLIER_1_OR_ONE_CHANNEL = "the depth multiplier is 1, or the input has one channel"
    BETA_1 = "beta is 1"
    BLOCK_ABOVE_1 = "the block size is above 1"
    REFLECTS = "it reflects without the border"
    DEFAULT_WEIGHTS_FORMAT = "the weights have the default format"
    DROPS_DIMENSIONS = "the dimensions before the last are not kept"
    ONE_ALIGNMENT = "corners are not aligned, or pixel centers not halved"
    NO_MASKS = "it has no ellipsis, new-axis or shrink-axis mask"
    NO_ADDED_AXES = "it has no ellipsis or new-axis mask"
    STEPS_OF_1 = "every step is 1"
    SLOPE_IN_RANGE = "the slope times the ratio of the scales is from 1/256 to 128, or from -128 to -1/256"
    # inputs
    STATIC_WEIGHTS = "its weights and bias are constants"
    STATIC_SIZE_AND_WEIGHTS = "its output size, weights and bias are constants"
    STATIC_BIAS = "its bias is a constant"
    HAS_BIAS = "it has a bias"
    STATIC_SETTINGS = "its axes, sizes and paddings are constants"
    TWO_INPUTS = "it has two inputs"
    ONE_RUNTIME_INPUT = "it has one input that is not a constant"
    AT_MOST_2_RUNTIME_INPUTS = "it has at most two inputs that are not constants"
    AT_MOST_4_INPUTS = "it joins at most four inputs"
    AT_MOST_5_INPUTS = "it joins at most five inputs"
    AT_MOST_4_OUTPUTS = "it splits into at most four"
    PADS_BY_PAIRS = "its paddings are a 3x2 or 4x2 tensor"
    # shapes
    MEAN_OVER_HEIGHT_AND_WIDTH = "the mean is taken over height and width"
    PADS_HEIGHT_AND_WIDTH = "only height and width are padded, with zeros"
    BATCH_UNTOUCHED = "it leaves the batch alone"
    FLATTENS = "it only drops dimensions of size 1"
    AT_MOST_4_DIMENSIONS = "no tensor has more than four dimensions"
    THREE_OR_FOUR_DIMENSIONS = "its input has three or four dimensions"
    BROADCASTS = "the shapes of its inputs broadcast, and one is not smaller in any dimension"
    SMALL_OUTPUT = "its output is below 66 pixels in height and width"
    SHORT_VECTOR = "it is over a single vector of at most 16,000 elements"
    ALPHA_OF_CHANNELS = "the slopes vary over channels alone"


@dataclass(frozen=True)
class Source:
    """Where an answer was read. `page` can be opened; `text` says what stands there, in our words."""

    page: str
    text: str


@dataclass(frozen=True)
class Entry:
    """What a source says of one operator: `answer` where all `conditions` hold."""

    answer: Answer
    source: Source
    conditions: tuple[Condition, ...] = ()


Operators = Mapping[str, tuple[Entry, ...]]
"""Operator -> what sources say of it; one that fulfils the conditions of a `yes` runs."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Everything known of one hardware.

    Attributes:
        operators: of the files of its own format: by TFLite operator name, or MACE operator type where `is_mace`.
        absent: what an operator missing from `operators` means: the maker's list is complete (no), or not (unknown).
        unmet: what an operator means that fulfils the conditions of no entry.
        precisions: of files that it runs; None where its operators decide alone.
        other_precision: what a file of another precision means.
        natural: the precision in which a network is exported for it.
        others: operators of another format of files, with what a missing one means.
        caveat: what remains undecided even when every operator is in the table.
    """

    hardware: Hardware
    operators: Operators
    absent: Entry
    unmet: Answer
    precisions: frozenset[Precision] | None = None
    other_precision: Answer = Answer.NO
    natural: Precision = Precision.FLOAT32
    others: Mapping[Format, tuple[Operators, Entry]] = field(default_factory=dict)
    caveat: str = ""
    is_mace: bool = False


def takes(answer: Answer, source: Source, names: str, *conditions: Condition) -> dict[str, tuple[Entry, ...]]:
    """Return the same entry for several operators, whose names are separated by spaces."""
    return {name: (Entry(answer, source, conditions),) for name in names.split()}


def together(*parts: Operators) -> dict[str, tuple[Entry, ...]]:
    """Join lists; an operator in several has the entries of all."""
    joined: dict[str, tuple[Entry, ...]] = {}
    for part in parts:
        for name, entries in part.items():
            joined[name] = (*joined.get(name, ()), *entries)
    return joined


def unlisted(source: Source) -> Entry:
    """Return the entry of an operator that a list does not name which is not known to be complete."""
    return Entry(Answer.UNKNOWN, Source(source.page, "does not name this operator, and is not known to be complete"))


def excluded(source: Source) -> Entry:
    """Return the entry of an operator that a complete list does not name."""
    return Entry(Answer.NO, Source(source.page, f"not among {source.text}"))
