"""What TFLite's GPU delegate takes, transcribed from the check by which it decides, operator by operator."""

from mogakit.export.support.entry import Answer, Condition, Source, takes, together

SOURCE = Source(
    "github.com/tensorflow/tensorflow tensorflow/lite/tools/versioning/gpu_compatibility.cc @03a5e4e",
    "the check by which the GPU delegate takes or leaves a node",
)

_C = Condition
_ONE = (_C.GPU_TYPES, _C.ONE_RUNTIME_INPUT)
_TWO = (_C.GPU_TYPES, _C.AT_MOST_2_RUNTIME_INPUTS)
_POOL = (*_ONE, _C.ACTIVATION_NOT_SIGN_BIT)
_REDUCTION = (*_ONE, _C.STATIC_SETTINGS)
_PADDED = (*_ONE, _C.PADS_BY_PAIRS)

OPERATORS = together(
    takes(Answer.YES, SOURCE, "ADD", _C.GPU_TYPES, _C.TWO_INPUTS, _C.BROADCASTS),
    takes(Answer.YES, SOURCE, "MUL", _C.GPU_TYPES, _C.TWO_INPUTS, _C.BROADCASTS, _C.ACTIVATION_NOT_SIGN_BIT),
    takes(Answer.YES, SOURCE, "ADD_N BATCH_MATMUL", _C.GPU_TYPES, _C.TWO_INPUTS),
    takes(Answer.YES, SOURCE, "AVERAGE_POOL_2D MAX_POOL_2D", *_POOL),
    takes(
        Answer.YES, SOURCE, "CONCATENATION LEAKY_RELU PACK PRELU RELU RELU6 RELU_N1_TO_1 SPLIT SPLIT_V", _C.GPU_TYPES
    ),
    takes(Answer.YES, SOURCE, "CONV_2D", *_TWO, _C.ACTIVATION_NOT_SIGN_BIT),
    takes(Answer.YES, SOURCE, "TRANSPOSE_CONV", *_TWO),
    takes(
        Answer.YES, SOURCE, "DEPTHWISE_CONV_2D", *_TWO, _C.ACTIVATION_NOT_SIGN_BIT, _C.DEPTH_MULTIPLIER_1_OR_ONE_CHANNEL
    ),
    takes(Answer.YES, SOURCE, "DEPTH_TO_SPACE SPACE_TO_DEPTH", *_ONE, _C.BLOCK_ABOVE_1),
    takes(Answer.YES, SOURCE, "DEQUANTIZE", _C.NOT_INT16),
    takes(Answer.YES, SOURCE, "FULLY_CONNECTED", *_TWO, _C.DEFAULT_WEIGHTS_FORMAT),
    takes(Answer.YES, SOURCE, "MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM", *_REDUCTION),
    takes(Answer.YES, SOURCE, "PAD PADV2", *_PADDED),
    takes(Answer.YES, SOURCE, "MIRROR_PAD", *_PADDED, _C.REFLECTS),
    takes(Answer.YES, SOURCE, "HARD_SWISH QUANTIZE RESHAPE RESIZE_NEAREST_NEIGHBOR TILE TRANSPOSE", *_ONE),
    takes(Answer.YES, SOURCE, "RESIZE_BILINEAR", *_ONE, _C.ONE_ALIGNMENT),
    takes(Answer.YES, SOURCE, "SLICE", _C.GPU_TYPES, _C.THREE_OR_FOUR_DIMENSIONS),
    takes(Answer.YES, SOURCE, "STRIDED_SLICE", _C.GPU_TYPES, _C.THREE_OR_FOUR_DIMENSIONS, _C.NO_MASKS),
    takes(Answer.YES, SOURCE, "SOFTMAX", _C.GPU_TYPES, _C.BETA_1),
    takes(
        Answer.YES,
        SOURCE,
        "ABS CEIL COS ELU EXP FLOOR GELU LOG LOGISTIC NEG RSQRT SIGN SIN SQRT SQUARE TANH",
        *_ONE,
    ),
    takes(
        Answer.YES,
        SOURCE,
        "ATAN2 DIV FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM POW SQUARED_DIFFERENCE SUB",
        *_TWO,
        _C.TWO_INPUTS,
        _C.ACTIVATION_NOT_SIGN_BIT,
    ),
    takes(Answer.YES, SOURCE, "CUMSUM", _C.GPU_TYPES, _C.STATIC_SETTINGS),
    takes(Answer.YES, SOURCE, "GATHER", _C.INDICES_INT32, _C.INDEX_TYPES),
    # what computes on indices and masks: the check passes them, and the types that the delegate lets in are elsewhere
    takes(
        Answer.UNKNOWN,
        SOURCE,
        "CAST DENSIFY DYNAMIC_UPDATE_SLICE EMBEDDING_LOOKUP EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL "
        "LOGICAL_AND LSTM "
        "NOT_EQUAL ONE_HOT SELECT SELECT_V2 STABLEHLO_CLAMP",
        _C.INDEX_TYPES,
    ),
    takes(
        Answer.UNKNOWN,
        SOURCE,
        "CUSTOM:Convolution2DTransposeBias CUSTOM:MaxPoolingWithArgmax2D CUSTOM:MaxUnpooling2D CUSTOM:Resampler",
    ),
)
