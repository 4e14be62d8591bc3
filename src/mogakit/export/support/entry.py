"""The words of a support table: hardware, answers, sources, entries."""

from dataclasses import dataclass
from enum import StrEnum

from mogakit.export.artifact import Precision


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
    """What an operator must fulfil besides being of a type; `support.usage` decides it."""

    NONE = "none"
    MEAN_OVER_HEIGHT_AND_WIDTH = "the mean is taken over height and width"
    PADS_HEIGHT_AND_WIDTH = "only height and width are padded, with zeros"
    STRIDE_AT_MOST_3 = "no stride is above 3"
    NO_ACTIVATION = "no activation is fused into it"
    FLATTENS = "it only drops dimensions of size 1"
    STRIDE_1_OR_WINDOW = "the window is larger than 1x1, or the stride is 1"
    DEPTH_MULTIPLIER_1 = "the depth multiplier is 1 and no stride is above 3"
    AT_MOST_4_INPUTS = "it joins at most four inputs"


@dataclass(frozen=True)
class Source:
    """Where an answer was read. `page` can be opened; `text` says what stands there, in our words."""

    page: str
    text: str


@dataclass(frozen=True)
class Entry:
    """What a source says of one operator: `answer` where `condition` holds, and no where it does not."""

    answer: Answer
    source: Source
    condition: Condition = Condition.NONE


@dataclass(frozen=True, kw_only=True)
class Table:
    """Everything known of one hardware.

    Attributes:
        precisions: of files that it runs; others are rejected as a whole.
        operators: by TFLite operator name, or MACE operator type where `is_mace`.
        absent: what an operator missing from `operators` means: the maker's list is complete (no), or not (unknown).
        caveat: what remains undecided even when every operator is in the table.
    """

    hardware: Hardware
    precisions: frozenset[Precision]
    operators: dict[str, Entry]
    absent: Entry
    caveat: str = ""
    is_mace: bool = False
