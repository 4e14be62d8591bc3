"""What Hexagon's delegate and Coral's Edge TPU compiler take in 8 bits, with the conditions of their makers."""

from mogakit.export.support.entry import Answer, Condition, Source, takes, together

HEXAGON = Source(
    "github.com/tensorflow/tensorflow tensorflow/lite/delegates/hexagon/utils.cc @1fa9397, IsNodeSupportedByHexagon",
    "the check by which the Hexagon delegate takes or leaves a node",
)
CORAL = Source(
    "coral.ai/docs/edgetpu/models-intro, Supported operations",
    "the list of operators that the Edge TPU compiler maps, with their limitations",
)
_CORAL_HSWISH = Source(
    "github.com/google-coral/edgetpu issues 272 and 353; not among coral.ai/docs/edgetpu/models-intro",
    "hard-swish is not mapped; Coral's engineers advise the minimalistic (ReLU) MobileNetV3",
)

_C = Condition
_DSP = (_C.BYTES, _C.AT_MOST_4_DIMENSIONS)
_SET = (*_DSP, _C.STATIC_SETTINGS)
_CONV = (*_DSP, _C.HAS_BIAS, _C.RELU_FUSED, _C.STRIDE_AT_MOST_3)

HEXAGON_OPERATORS = together(
    takes(Answer.YES, HEXAGON, "ADD MUL SUB", *_DSP, _C.RELU_FUSED),
    takes(
        Answer.YES,
        HEXAGON,
        "ARG_MAX ARG_MIN CONCATENATION DEPTH_TO_SPACE HARD_SWISH LOGISTIC MAXIMUM MINIMUM NEG PACK RELU RELU6 "
        "RESHAPE SOFTMAX SPACE_TO_DEPTH TANH TRANSPOSE",
        *_DSP,
    ),
    takes(Answer.YES, HEXAGON, "QUANTIZE", _C.BYTES_IN, _C.AT_MOST_4_DIMENSIONS),
    takes(Answer.YES, HEXAGON, "MEAN MIRROR_PAD RESIZE_NEAREST_NEIGHBOR SLICE SPLIT", *_SET),
    takes(Answer.YES, HEXAGON, "PAD", *_SET, _C.TWO_INPUTS),
    takes(Answer.YES, HEXAGON, "RESIZE_BILINEAR", *_SET, _C.SMALL_OUTPUT),
    takes(Answer.YES, HEXAGON, "STRIDED_SLICE", *_SET, _C.NO_ADDED_AXES),
    takes(
        Answer.YES,
        HEXAGON,
        "FULLY_CONNECTED",
        *_DSP,
        _C.STATIC_BIAS,
        _C.RELU_FUSED,
        _C.DROPS_DIMENSIONS,
        _C.DEFAULT_WEIGHTS_FORMAT,
    ),
    takes(Answer.YES, HEXAGON, "AVERAGE_POOL_2D L2_NORMALIZATION MAX_POOL_2D", *_DSP, _C.NO_ACTIVATION),
    takes(Answer.YES, HEXAGON, "TRANSPOSE_CONV", *_DSP, _C.STRIDE_AT_MOST_3),
    takes(Answer.YES, HEXAGON, "CONV_2D", *_CONV, _C.DILATION_1),
    takes(
        Answer.YES,
        HEXAGON,
        "DEPTHWISE_CONV_2D",
        *_CONV,
        _C.DILATION_1_OR_STRIDE_1,
        _C.DEPTH_MULTIPLIER_1_OR_ONE_CHANNEL,
    ),
)

CORAL_OPERATORS = together(
    takes(
        Answer.YES,
        CORAL,
        "ADD EXPAND_DIMS L2_NORMALIZATION LOGISTIC MAXIMUM MINIMUM MUL RELU RELU6 RELU_N1_TO_1 RESHAPE RSQRT SLICE "
        "SPACE_TO_DEPTH SQUARED_DIFFERENCE SUB TANH TRANSPOSE TRANSPOSE_CONV",
        _C.BYTES,
    ),
    takes(Answer.YES, CORAL, "QUANTIZE", _C.BYTES_IN),
    takes(Answer.YES, CORAL, "AVERAGE_POOL_2D CONCATENATION MAX_POOL_2D", _C.BYTES, _C.NO_ACTIVATION),
    takes(Answer.YES, CORAL, "CONV_2D DEPTHWISE_CONV_2D", _C.BYTES, _C.SAME_DILATION),
    takes(Answer.YES, CORAL, "FULLY_CONNECTED", _C.BYTES, _C.DEFAULT_WEIGHTS_FORMAT, _C.DROPS_DIMENSIONS),
    takes(Answer.YES, CORAL, "MEAN PACK PAD REDUCE_MAX REDUCE_MIN SPLIT SUM", _C.BYTES, _C.BATCH_UNTOUCHED),
    takes(Answer.YES, CORAL, "PRELU", _C.BYTES, _C.ALPHA_OF_CHANNELS),
    takes(Answer.YES, CORAL, "SOFTMAX", _C.BYTES, _C.SHORT_VECTOR),
    takes(Answer.YES, CORAL, "STRIDED_SLICE", _C.BYTES, _C.STEPS_OF_1, _C.NO_ADDED_AXES),
    # mapped or not by size, or by an order of dimensions, that the list does not state exactly
    takes(Answer.UNKNOWN, CORAL, "LSTM RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SQUEEZE"),
    takes(Answer.NO, _CORAL_HSWISH, "HARD_SWISH"),
)
