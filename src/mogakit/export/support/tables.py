"""Operators per hardware, each answer with its source.

A complete list by the maker makes an operator outside it a `no`; where the list is not known to be complete it is
`unknown`. Pages were read in stored copies; commits are given where a repository was read.
"""

from mogakit.export.artifact import Format, Precision
from mogakit.export.support import dsp, gpu, xnnpack
from mogakit.export.support.entry import (
    Answer,
    Condition,
    Hardware,
    Source,
    Table,
    excluded,
    takes,
    together,
    unlisted,
)

_BYTE_FILES = frozenset({Precision.INT8, Precision.UINT8, Precision.INT8_FLOAT_IO, Precision.MIXED})
_FLOAT_FILES = frozenset({Precision.FLOAT32, Precision.FLOAT16})

_NNAPI_SOURCE = Source(
    "Android NeuralNetworks.h, OperationCode, feature level 1 to 4 (API 27 to 30)",
    "the operations of the interface",
)
_NNAPI_HSWISH = Source(
    "Android NeuralNetworks.h, ANEURALNETWORKS_HARD_SWISH (API 30); tensorflow commit 74e98c2",
    "an operation since API 30; before, the TFLite delegate writes it with older ones",
)
_NNAPI_ONNX = Source(
    "github.com/microsoft/onnxruntime docs/execution-providers/NNAPI-ExecutionProvider.md @13f16a2, Supported ops",
    "operators that ONNX Runtime's execution provider gives to NNAPI",
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

TFLITE_GPU = Table(
    hardware=Hardware.TFLITE_GPU,
    operators=gpu.OPERATORS,
    absent=excluded(gpu.SOURCE),
    unmet=Answer.NO,
    caveat="8-bit files are computed in floating point, behind a delegate option",
)

HEXAGON = Table(
    hardware=Hardware.HEXAGON,
    operators=dsp.HEXAGON_OPERATORS,
    absent=excluded(dsp.HEXAGON),
    unmet=Answer.NO,
    precisions=frozenset({Precision.INT8, Precision.UINT8}),
    natural=Precision.INT8,
    caveat="the delegate runs on Hexagon 680 to 690 (Snapdragon 820 to 855)",
)

EDGETPU = Table(
    hardware=Hardware.EDGETPU,
    operators=dsp.CORAL_OPERATORS,
    absent=excluded(dsp.CORAL),
    unmet=Answer.NO,
    precisions=frozenset({Precision.INT8, Precision.UINT8}),
    natural=Precision.INT8,
    caveat="the compiler maps one run of operators: everything behind the first that is not mapped stays on the CPU",
)

NNAPI = Table(
    hardware=Hardware.NNAPI,
    operators=together(
        takes(
            Answer.YES,
            _NNAPI_SOURCE,
            "ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_TO_SPACE_ND CAST CONCATENATION CONV_2D DEPTHWISE_CONV_2D "
            "DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FLOOR FULLY_CONNECTED GATHER GREATER "
            "GREATER_EQUAL "
            "L2_NORMALIZATION L2_POOL_2D LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND LOGICAL_NOT "
            "LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG NOT_EQUAL PAD PADV2 POW PRELU "
            "QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR "
            "RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT "
            "SQRT SQUEEZE "
            "STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV",
        ),
        takes(Answer.YES, _NNAPI_HSWISH, "HARD_SWISH"),
    ),
    absent=unlisted(_NNAPI_SOURCE),
    unmet=Answer.UNKNOWN,
    precisions=_FLOAT_FILES | _BYTE_FILES,
    other_precision=Answer.UNKNOWN,
    others={
        Format.ONNX: (
            takes(
                Answer.YES,
                _NNAPI_ONNX,
                "Abs Add AveragePool Cast Clip Concat Conv DequantizeLinear Div Elu Exp Flatten Floor Gemm "
                "GlobalAveragePool "
                "GlobalMaxPool Identity Log MatMul MaxPool Max Min Mul Neg Pow QLinearConv QLinearMatMul "
                "QuantizeLinear Relu "
                "Reshape Resize Sigmoid Sin Slice Softmax Sqrt Squeeze Sub Tanh Transpose QLinearAdd "
                "QLinearAveragePool "
                "QLinearSigmoid",
            ),
            unlisted(_NNAPI_ONNX),
        )
    },
    caveat="the interface has these operations; which of them a phone's driver takes only that phone can say",
)

QNN_HTP = Table(
    hardware=Hardware.QNN_HTP,
    operators=together(
        takes(
            Answer.YES,
            _QNN_SOURCE,
            "ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D COS DEPTHWISE_CONV_2D "
            "DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FLOOR FULLY_CONNECTED GATHER GELU GREATER "
            "GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC "
            "LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG PAD POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN "
            "REDUCE_PROD "
            "RELU RELU6 RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND SELECT_V2 SIGN SIN SLICE SOFTMAX "
            "SPACE_TO_DEPTH SPLIT "
            "SPLIT_V SQRT SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV",
        ),
        takes(Answer.YES, _QNN_SOURCE, "RESHAPE", Condition.FLATTENS),  # the list has Flatten and Squeeze, not Reshape
    ),
    absent=unlisted(_QNN_SOURCE),
    unmet=Answer.UNKNOWN,
    precisions=_BYTE_FILES,
    other_precision=Answer.UNKNOWN,  # the page says that the HTP takes quantised models, and has a switch for float16
    natural=Precision.INT8,
    others={
        Format.ONNX: (
            takes(
                Answer.YES,
                _QNN_SOURCE,
                "Abs Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Clip Concat Conv "
                "ConvTranspose Cos "
                "DepthToSpace DequantizeLinear Div Elu Equal Exp Expand Flatten Floor Gather Gelu Gemm "
                "GlobalAveragePool "
                "Greater GreaterOrEqual GridSample HardSwish InstanceNormalization LRN LayerNormalization "
                "LeakyRelu Less "
                "LessOrEqual Log LogSoftmax LpNormalization MatMul Max MaxPool Min Mul Neg Not Or PRelu Pad Pow "
                "QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Resize Round Sigmoid Sign Sin "
                "Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Unsqueeze Where",
            ),
            unlisted(_QNN_SOURCE),
        )
    },
)

MACE_GPU = Table(
    hardware=Hardware.MACE_GPU,
    operators=together(
        takes(
            Answer.YES,
            _MACE_SOURCE,
            "Activation BatchNorm BiasAdd Concat Conv2D DepthwiseConv2d Eltwise FullyConnected Pooling Reduce Softmax "
            "Squeeze",
        ),
        takes(Answer.NO, _MACE_FALLBACK, "MatMul Reshape"),
    ),
    absent=unlisted(_MACE_SOURCE),
    unmet=Answer.UNKNOWN,
    precisions=_FLOAT_FILES,
    is_mace=True,
)

_XNNPACK_CAVEAT = "an operator that leaves XNNPACK runs in TFLite's plain kernels on the same CPU"
XNNPACK_FLOAT = Table(
    hardware=Hardware.XNNPACK_FLOAT,
    operators=xnnpack.OPERATORS,
    absent=unlisted(xnnpack.README),
    unmet=Answer.UNKNOWN,
    caveat=_XNNPACK_CAVEAT,
)

XNNPACK_INT8 = Table(
    hardware=Hardware.XNNPACK_INT8,
    operators=xnnpack.OPERATORS,
    absent=unlisted(xnnpack.README_BYTES),
    unmet=Answer.UNKNOWN,
    natural=Precision.INT8,
    caveat=_XNNPACK_CAVEAT,
)

TABLES: dict[Hardware, Table] = {
    table.hardware: table
    for table in (TFLITE_GPU, HEXAGON, EDGETPU, NNAPI, QNN_HTP, MACE_GPU, XNNPACK_FLOAT, XNNPACK_INT8)
}
