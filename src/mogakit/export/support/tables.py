"""Operators per hardware, each answer with its source.

A complete list by the maker makes an operator outside it a `no`; where the list is not known to be complete it is
`unknown`. Pages were read in stored copies; commits are given where a repository was read.
"""

from mogakit.export.artifact import Precision
from mogakit.export.support.entry import Answer, Condition, Entry, Hardware, Source, Table

_INTEGER = frozenset({Precision.INT8, Precision.UINT8})
_FLOAT = frozenset({Precision.FLOAT32, Precision.FLOAT16})

_GPU_SOURCE = Source(
    "github.com/tensorflow/tensorflow tensorflow/lite/tools/versioning/gpu_compatibility.cc @03a5e4e",
    "the check by which the GPU delegate takes or rejects a node",
)
_HEXAGON_SOURCE = Source(
    "github.com/tensorflow/tensorflow tensorflow/lite/delegates/hexagon/utils.cc @1fa9397, IsNodeSupportedByHexagon",
    "the check by which the Hexagon delegate takes or rejects a node; the README beside it lists the same operators",
)
_CORAL_SOURCE = Source(
    "coral.ai/docs/edgetpu/models-intro, Supported operations",
    "the list of operators that the Edge TPU compiler maps, with their limitations",
)
_CORAL_HSWISH = Source(
    "github.com/google-coral/edgetpu issues 272 and 353; not among coral.ai/docs/edgetpu/models-intro",
    "hard-swish is not mapped; Coral's engineers advise the minimalistic (ReLU) MobileNetV3",
)
_NNAPI_SOURCE = Source(
    "Android NeuralNetworks.h, OperationCode, feature level 1 to 3 (API 27 to 29)",
    "the operations of the interface",
)
_NNAPI_HSWISH = Source(
    "Android NeuralNetworks.h, ANEURALNETWORKS_HARD_SWISH (API 30); tensorflow commit 74e98c2",
    "an operation since API 30; before, the TFLite delegate writes it with older ones",
)
_QNN_SOURCE = Source(
    "onnxruntime docs/execution-providers/QNN-ExecutionProvider.md @019bde6, Supported ONNX operators",
    "operators that the execution provider gives to QNN; the HTP takes them quantised",
)
_MACE_SOURCE = Source(
    "github.com/XiaoMi/mace mace/ops/opencl, v1.0.4 and master 0fc55a5",
    "operators with an OpenCL image kernel; each was also run in mace_run on OpenCL",
)
_MACE_FALLBACK = Source(
    "github.com/XiaoMi/mace, v1.0.4 and master 0fc55a5; seen in mace_run's log",
    "mace_run reports `fall back to CPU`",
)
_XNNPACK_SOURCE = Source(
    "github.com/google-ai-edge/LiteRT tflite/delegates/xnnpack/README.md @3a653aa, Floating-Point Operators",
    "operators that the XNNPACK delegate takes in float",
)
_XNNPACK_INT8_SOURCE = Source(
    "github.com/google-ai-edge/LiteRT tflite/delegates/xnnpack/README.md @3a653aa, Quantized Operators",
    "operators that the XNNPACK delegate takes in 8 bits",
)
_XNNPACK_SIGN = Source(
    _XNNPACK_INT8_SOURCE.page,
    "QUANTIZE is taken between tensors of the same signedness only; a uint8 file has two between int8 and uint8",
)


def _yes(source: Source, names: str, condition: Condition = Condition.NONE) -> dict[str, Entry]:
    return {name: Entry(Answer.YES, source, condition) for name in names.split()}


def _unknown(source: Source) -> Entry:
    return Entry(Answer.UNKNOWN, Source(source.page, "does not name this operator, and is not known to be complete"))


def _no(source: Source) -> Entry:
    return Entry(Answer.NO, Source(source.page, f"not among {source.text}"))


TFLITE_GPU = Table(
    hardware=Hardware.TFLITE_GPU,
    precisions=_FLOAT | _INTEGER,
    operators=_yes(
        _GPU_SOURCE,
        "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE FULLY_CONNECTED HARD_SWISH "
        "LOGISTIC MAX_POOL_2D MEAN MUL QUANTIZE RELU RELU6 RESHAPE SOFTMAX SUB TANH TRANSPOSE",
    )
    | _yes(_GPU_SOURCE, "PAD PADV2"),
    absent=_no(_GPU_SOURCE),
    caveat="8-bit files are computed in floating point, behind a delegate option",
)

HEXAGON = Table(
    hardware=Hardware.HEXAGON,
    precisions=_INTEGER,
    operators=_yes(
        _HEXAGON_SOURCE,
        "ADD CONCATENATION FULLY_CONNECTED HARD_SWISH LOGISTIC MEAN MUL QUANTIZE RELU RELU6 RESHAPE SOFTMAX SUB "
        "TANH TRANSPOSE",
    )
    | _yes(_HEXAGON_SOURCE, "PAD", Condition.PADS_HEIGHT_AND_WIDTH)
    | _yes(_HEXAGON_SOURCE, "CONV_2D", Condition.STRIDE_AT_MOST_3)
    | _yes(_HEXAGON_SOURCE, "DEPTHWISE_CONV_2D", Condition.DEPTH_MULTIPLIER_1)
    | _yes(_HEXAGON_SOURCE, "AVERAGE_POOL_2D MAX_POOL_2D", Condition.NO_ACTIVATION),
    absent=_no(_HEXAGON_SOURCE),
    caveat="the delegate runs on Hexagon 680 to 690 (Snapdragon 820 to 855)",
)

EDGETPU = Table(
    hardware=Hardware.EDGETPU,
    precisions=_INTEGER,
    operators=_yes(
        _CORAL_SOURCE,
        "ADD CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED LOGISTIC MUL QUANTIZE RELU RELU6 RESHAPE SOFTMAX SUB TANH",
    )
    | _yes(_CORAL_SOURCE, "MEAN", Condition.MEAN_OVER_HEIGHT_AND_WIDTH)
    | _yes(_CORAL_SOURCE, "PAD", Condition.PADS_HEIGHT_AND_WIDTH)
    | _yes(_CORAL_SOURCE, "AVERAGE_POOL_2D CONCATENATION MAX_POOL_2D", Condition.NO_ACTIVATION)
    | {"HARD_SWISH": Entry(Answer.NO, _CORAL_HSWISH)},
    absent=_no(_CORAL_SOURCE),
    caveat="the compiler maps one run of operators: everything behind the first that is not mapped stays on the CPU",
)

NNAPI = Table(
    hardware=Hardware.NNAPI,
    precisions=_FLOAT | _INTEGER,
    operators=_yes(
        _NNAPI_SOURCE,
        "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE FULLY_CONNECTED LOGISTIC "
        "MAX_POOL_2D MEAN MUL PAD PADV2 QUANTIZE RELU RELU6 RESHAPE SOFTMAX SUB TANH TRANSPOSE",
    )
    | {"HARD_SWISH": Entry(Answer.YES, _NNAPI_HSWISH)},
    absent=_unknown(_NNAPI_SOURCE),
    caveat="the interface has these operations; which of them a phone's driver takes only that phone can say",
)

QNN_HTP = Table(
    hardware=Hardware.QNN_HTP,
    precisions=_INTEGER,
    operators=_yes(
        _QNN_SOURCE,
        "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE FULLY_CONNECTED HARD_SWISH "
        "LOGISTIC MAX_POOL_2D MEAN MUL PAD QUANTIZE RELU RELU6 SOFTMAX SUB TANH TRANSPOSE",
    )
    | _yes(_QNN_SOURCE, "RESHAPE", Condition.FLATTENS),  # the list has Flatten and Squeeze, not Reshape
    absent=_unknown(_QNN_SOURCE),
)

MACE_GPU = Table(
    hardware=Hardware.MACE_GPU,
    precisions=_FLOAT,
    operators=_yes(
        _MACE_SOURCE,
        "Activation BatchNorm BiasAdd Concat Conv2D DepthwiseConv2d Eltwise FullyConnected Pooling Reduce "
        "Softmax Squeeze",
    )
    | {name: Entry(Answer.NO, _MACE_FALLBACK) for name in ("MatMul", "Reshape")},
    absent=_unknown(_MACE_SOURCE),
    is_mace=True,
)

XNNPACK_FLOAT = Table(
    hardware=Hardware.XNNPACK_FLOAT,
    precisions=_FLOAT,
    operators=_yes(
        _XNNPACK_SOURCE,
        "ADD CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE FULLY_CONNECTED HARD_SWISH LOGISTIC MUL PAD RELU RELU6 RESHAPE "
        "SOFTMAX SUB TANH TRANSPOSE",
    )
    | _yes(_XNNPACK_SOURCE, "MEAN", Condition.MEAN_OVER_HEIGHT_AND_WIDTH)
    | _yes(_XNNPACK_SOURCE, "AVERAGE_POOL_2D MAX_POOL_2D", Condition.STRIDE_1_OR_WINDOW),
    absent=_unknown(_XNNPACK_SOURCE),
    caveat="an operator that leaves XNNPACK runs in TFLite's plain kernels on the same CPU",
)

XNNPACK_INT8 = Table(
    hardware=Hardware.XNNPACK_INT8,
    precisions=_INTEGER,
    operators=_yes(
        _XNNPACK_INT8_SOURCE,
        "ADD CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED LOGISTIC MUL PAD RESHAPE SUB TANH TRANSPOSE",
    )
    | _yes(_XNNPACK_INT8_SOURCE, "MEAN", Condition.MEAN_OVER_HEIGHT_AND_WIDTH)
    | _yes(_XNNPACK_INT8_SOURCE, "MAX_POOL_2D", Condition.STRIDE_1_OR_WINDOW)
    | _yes(_XNNPACK_INT8_SOURCE, "CONCATENATION", Condition.AT_MOST_4_INPUTS)
    | {"QUANTIZE": Entry(Answer.NO, _XNNPACK_SIGN)},
    absent=_no(_XNNPACK_INT8_SOURCE),
    caveat="an operator that leaves XNNPACK runs in TFLite's plain kernels on the same CPU",
)

TABLES: dict[Hardware, Table] = {
    table.hardware: table
    for table in (TFLITE_GPU, HEXAGON, EDGETPU, NNAPI, QNN_HTP, MACE_GPU, XNNPACK_FLOAT, XNNPACK_INT8)
}
