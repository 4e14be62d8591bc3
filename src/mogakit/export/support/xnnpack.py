"""What XNNPACK takes: its delegate's README, and what the delegate in `ai-edge-litert` took when it was asked.

The README is older than the delegate and not complete. `tests/export/test_xnnpack.py` holds both lists against the
delegate itself, with a file of one operator each.
"""

from mogakit.export.support.entry import Answer, Condition, Source, takes, together

_PAGE = "github.com/google-ai-edge/LiteRT tflite/delegates/xnnpack/README.md @3a653aa"
README = Source(f"{_PAGE}, Floating-Point Operators", "operators that the XNNPACK delegate takes in float")
README_BYTES = Source(f"{_PAGE}, Quantized Operators", "operators that the XNNPACK delegate takes in 8 bits")
_ASKED = "pypi.org/project/ai-edge-litert 2.3.0, its XNNPACK delegate asked with a file of one operator"
TAKEN = Source(_ASKED, "it takes the operator, which its README does not name")
LEFT = Source(_ASKED, "it leaves the operator to TFLite's own kernels")

_C = Condition
_WINDOWED = (_C.RELU_FUSED, _C.STRIDE_1_OR_WINDOW)
_WEIGHTED = (_C.STATIC_WEIGHTS, _C.RELU_FUSED)
_SLICED = (_C.STATIC_SETTINGS, _C.STEPS_OF_1, _C.NO_MASKS)
_REDUCTIONS = "MEAN SUM REDUCE_MAX REDUCE_MIN"

_FLOAT = together(
    takes(
        Answer.YES,
        README,
        "ABS CEIL ELU FLOOR HARD_SWISH LEAKY_RELU LOGISTIC MAXIMUM MINIMUM NEG RELU RELU6 RELU_N1_TO_1 ROUND "
        "SQRT SQUARE "
        "SQUARED_DIFFERENCE TANH",
        _C.FLOAT,
    ),
    takes(Answer.YES, README, "ADD SUB MUL DIV", _C.FLOAT, _C.TWO_INPUTS, _C.RELU_FUSED),
    takes(Answer.YES, README, "AVERAGE_POOL_2D MAX_POOL_2D", _C.FLOAT, *_WINDOWED),
    takes(Answer.YES, README, "CONV_2D DEPTHWISE_CONV_2D", _C.FLOAT, _C.HAS_BIAS, *_WEIGHTED),
    takes(Answer.YES, README, "FULLY_CONNECTED", _C.FLOAT, *_WEIGHTED),
    takes(Answer.YES, README, "TRANSPOSE_CONV", _C.FLOAT, _C.STATIC_SIZE_AND_WEIGHTS, _C.RELU_FUSED),
    takes(Answer.YES, README, "DEPTH_TO_SPACE SPACE_TO_DEPTH", _C.FLOAT, _C.BLOCK_ABOVE_1),
    takes(Answer.YES, README, "PAD RESHAPE RESIZE_BILINEAR SLICE TRANSPOSE", _C.FLOAT, _C.STATIC_SETTINGS),
    takes(Answer.YES, README, "PRELU", _C.FLOAT, _C.STATIC_WEIGHTS, _C.ALPHA_OF_CHANNELS),
    takes(Answer.YES, README, "SOFTMAX", _C.FLOAT, _C.BETA_1),
    takes(Answer.YES, README, "SPLIT", _C.FLOAT, _C.AT_MOST_4_OUTPUTS),
    takes(Answer.YES, README, "STRIDED_SLICE", _C.FLOAT, *_SLICED),
    takes(Answer.YES, TAKEN, "CONCATENATION", _C.FLOAT, _C.AT_MOST_5_INPUTS),
    takes(Answer.YES, TAKEN, _REDUCTIONS, _C.FLOAT, _C.STATIC_SETTINGS),
    takes(Answer.YES, TAKEN, "BATCH_MATMUL COS EXP GELU LOG RSQRT SIN", _C.FLOAT),
    takes(Answer.YES, TAKEN, "DEQUANTIZE", _C.HALF_CONSTANT),
    takes(Answer.YES, TAKEN, "CONV_2D FULLY_CONNECTED", _C.FLOAT_AND_BYTE_WEIGHTS, _C.STATIC_BIAS, _C.RELU_FUSED),
)

_BYTES = together(
    takes(Answer.YES, README_BYTES, "ADD SUB MUL", _C.BYTES, _C.TWO_INPUTS, _C.RELU_FUSED),
    takes(Answer.YES, README_BYTES, "CONV_2D DEPTHWISE_CONV_2D", _C.BYTES, _C.HAS_BIAS, *_WEIGHTED),
    takes(Answer.YES, README_BYTES, "FULLY_CONNECTED", _C.BYTES, *_WEIGHTED),
    takes(Answer.YES, README_BYTES, "TRANSPOSE_CONV", _C.BYTES, _C.STATIC_SIZE_AND_WEIGHTS, _C.RELU_FUSED),
    takes(Answer.YES, README_BYTES, "DEPTH_TO_SPACE SPACE_TO_DEPTH", _C.BYTES, _C.BLOCK_ABOVE_1),
    takes(Answer.YES, README_BYTES, "DEQUANTIZE", _C.BYTES_TO_FLOAT),
    takes(Answer.YES, README_BYTES, "ELU", _C.SIGNED_BYTES),
    takes(Answer.YES, README_BYTES, "LEAKY_RELU", _C.BYTES, _C.SLOPE_IN_RANGE),
    takes(Answer.YES, README_BYTES, "LOGISTIC TANH", _C.BYTES),
    takes(Answer.YES, README_BYTES, "MAX_POOL_2D", _C.BYTES, *_WINDOWED),
    takes(Answer.YES, README_BYTES, "PAD RESHAPE RESIZE_BILINEAR SLICE TRANSPOSE", _C.BYTES, _C.STATIC_SETTINGS),
    takes(Answer.YES, README_BYTES, "QUANTIZE", _C.FLOAT_TO_BYTES),
    takes(Answer.YES, README_BYTES, "QUANTIZE", _C.SAME_SIGN),
    takes(Answer.YES, README_BYTES, "SPLIT", _C.BYTES, _C.AT_MOST_4_OUTPUTS),
    takes(Answer.YES, TAKEN, "CONCATENATION", _C.BYTES, _C.AT_MOST_5_INPUTS),
    takes(Answer.YES, TAKEN, _REDUCTIONS, _C.BYTES, _C.STATIC_SETTINGS),
    takes(Answer.YES, TAKEN, "STRIDED_SLICE", _C.BYTES, *_SLICED),
    takes(Answer.YES, TAKEN, "BATCH_MATMUL", _C.SIGNED_BYTES),
)

_NOT_TAKEN = together(
    takes(
        Answer.NO,
        LEFT,
        "ABS AVERAGE_POOL_2D DIV EXP GELU HARD_SWISH MAXIMUM MINIMUM RELU RELU6 SQUARED_DIFFERENCE",
        _C.BYTES,
    ),
    takes(
        Answer.NO,
        LEFT,
        "ARG_MAX ARG_MIN CUMSUM EQUAL GATHER GREATER GREATER_EQUAL L2_NORMALIZATION LESS LESS_EQUAL LOG_SOFTMAX "
        "MIRROR_PAD "
        "NOT_EQUAL PACK PADV2 POW REDUCE_PROD RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SELECT_V2 SIGN SQUEEZE TILE TOPK_V2 "
        "UNPACK",
    ),
)

OPERATORS = together(_FLOAT, _BYTES, _NOT_TAKEN)
