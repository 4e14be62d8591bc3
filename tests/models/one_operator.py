"""TFLite files of one operator each, in several precisions: what a delegate is asked about, one question at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SCALE = 0.05
MAP = (1, 8, 8, 4)
"""Height, width and channels of most inputs."""

KINDS = ("float32", "float16", "int8", "uint8", "int16", "dynamic")


@dataclass(frozen=True)
class T:
    """A tensor: `role` is x (activation), w (weights), b (bias) or i (indices, always int32 constants)."""

    shape: tuple[int, ...]
    role: str = "x"
    values: Any = None
    dtype: str | None = None


@dataclass(frozen=True)
class Case:
    """One operator with its tensors and options; `note` tells variants apart."""

    operator: str
    inputs: tuple[T | None, ...]
    outputs: tuple[T, ...]
    options: Any = None
    note: str = ""

    @property
    def name(self) -> str:
        """Return the operator with its variant."""
        return f"{self.operator} {self.note}".strip()


_TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9}


def build(case: Case, kind: str, version: int | None = None) -> bytes:
    """Return the file of a case in a precision, its operators in a version (None: the usual one of the precision).

    float16 adds a DEQUANTIZE for each constant of weights.
    """
    made = _Maker(kind)
    inputs = [-1 if tensor is None else made.tensor(tensor) for tensor in case.inputs]
    outputs = [made.tensor(tensor) for tensor in case.outputs]
    options = case.options
    name = type(options).__name__.removesuffix("T")
    made.operators.append(
        schema.OperatorT(
            opcodeIndex=made.code(case.operator),
            inputs=inputs,
            outputs=outputs,
            builtinOptionsType=getattr(schema.BuiltinOptions, name) if options is not None else 0,
            builtinOptions=options,
        )
    )
    return made.pack(outputs, version or {"float32": 1, "float16": 1, "dynamic": 3, "int16": 3}.get(kind, 2))


class _Maker:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.buffers = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[str] = []
        self.ends: list[int] = []

    def code(self, name: str) -> int:
        if name not in self.codes:
            self.codes.append(name)
        return self.codes.index(name)

    def dtype(self, tensor: T) -> str:
        if tensor.dtype is not None:
            return tensor.dtype
        if tensor.role == "i":
            return "int32"
        if self.kind in ("float32", "float16"):
            return "float32"
        if self.kind == "dynamic":
            return "int8" if tensor.role == "w" else "float32"
        if tensor.role == "b":
            return "int64" if self.kind == "int16" else "int32"
        return "int8" if tensor.role == "w" and self.kind == "int16" else self.kind

    def tensor(self, tensor: T) -> int:
        dtype = self.dtype(tensor)
        is_constant = tensor.role != "x" or tensor.values is not None
        halved = self.kind == "float16" and tensor.role in "wb" and dtype == "float32"
        index = self.add(tensor.shape, "float16" if halved else dtype, self.data(tensor, dtype, halved, is_constant))
        if not is_constant:
            self.ends.append(index)
        if not halved:
            return index
        unpacked = self.add(tensor.shape, "float32", None)
        self.operators.append(schema.OperatorT(opcodeIndex=self.code("DEQUANTIZE"), inputs=[index], outputs=[unpacked]))
        return unpacked

    def data(self, tensor: T, dtype: str, halved: bool, is_constant: bool) -> Any:
        if not is_constant:
            return None
        values = np.ones(tensor.shape) if tensor.values is None else np.asarray(tensor.values).reshape(tensor.shape)
        return np.ascontiguousarray(values.astype("float16" if halved else dtype))

    def add(self, shape: Sequence[int], dtype: str, data: Any) -> int:
        buffer = 0
        if data is not None:
            self.buffers.append(schema.BufferT(data=np.frombuffer(data.tobytes(), np.uint8)))
            buffer = len(self.buffers) - 1
        scaled = None
        is_bias = (
            dtype in ("int32", "int64") and data is not None and self.kind not in ("float32", "float16", "dynamic")
        )
        if dtype in ("int8", "uint8", "int16") or is_bias:
            zero = 128 if dtype == "uint8" else 0
            scaled = schema.QuantizationParametersT(scale=[SCALE * SCALE if is_bias else SCALE], zeroPoint=[zero])
        self.tensors.append(
            schema.TensorT(
                shape=list(shape), type=_TYPES[dtype], buffer=buffer, name=f"t{len(self.tensors)}", quantization=scaled
            )
        )
        return len(self.tensors) - 1

    def pack(self, outputs: Sequence[int], version: int) -> bytes:
        codes = [getattr(schema.BuiltinOperator, name) for name in self.codes]
        model = schema.ModelT(
            version=3,
            operatorCodes=[
                schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=version)
                for code in codes
            ],
            subgraphs=[
                schema.SubGraphT(
                    tensors=self.tensors,
                    inputs=[index for index in self.ends if index not in outputs],
                    outputs=list(outputs),
                    operators=self.operators,
                    name="main",
                )
            ],
            buffers=self.buffers,
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def _axes(*values: int) -> T:
    return T((len(values),), "i", values)


def _pads(*rows: tuple[int, int]) -> T:
    return T((len(rows), 2), "i", rows)


def cases() -> Iterator[Case]:
    """Yield a case for each operator, and for each condition that a source states of it."""
    yield from _elementwise()
    yield from _convolutions()
    yield from _moves()
    yield from _reductions()


def _elementwise() -> Iterator[Case]:
    x, channels = T(MAP), T((4,), "w")
    unary = (
        "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LOG LOGISTIC NEG RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 ROUND RSQRT "
        "SIGN SIN SQRT SQUARE TANH"
    )
    for name in unary.split():
        yield Case(name, (x,), (x,), schema.GeluOptionsT() if name == "GELU" else None)
    for name in ("DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "FLOOR_DIV", "FLOOR_MOD", "PRELU"):
        yield Case(name, (x, channels), (x,), schema.DivOptionsT() if name == "DIV" else None)
    for name, kind in (("ADD", schema.AddOptionsT), ("SUB", schema.SubOptionsT), ("MUL", schema.MulOptionsT)):
        for number, activation in ((0, ""), (1, "RELU"), (2, "RELU_N1_TO_1"), (3, "RELU6"), (4, "TANH")):
            yield Case(name, (x, x), (x,), kind(fusedActivationFunction=number), activation)
    yield Case("DIV", (x, x), (x,), schema.DivOptionsT(fusedActivationFunction=4), "TANH")
    yield Case("ADD", (x, channels), (x,), schema.AddOptionsT(), "channels")
    for name in ("GREATER", "LESS", "EQUAL", "NOT_EQUAL", "GREATER_EQUAL", "LESS_EQUAL"):
        yield Case(name, (x, x), (T(MAP, dtype="bool"),))
    yield Case("LEAKY_RELU", (x,), (x,), schema.LeakyReluOptionsT(alpha=0.1))
    yield Case("LEAKY_RELU", (x,), (x,), schema.LeakyReluOptionsT(alpha=0.001), "small slope")
    yield Case("SOFTMAX", (x,), (x,), schema.SoftmaxOptionsT(beta=1.0))
    yield Case("SOFTMAX", (x,), (x,), schema.SoftmaxOptionsT(beta=2.0), "beta 2")
    yield Case("LOG_SOFTMAX", (x,), (x,))
    yield Case("L2_NORMALIZATION", (x,), (x,), schema.L2NormOptionsT())
    yield Case("SELECT_V2", (T(MAP, dtype="bool"), x, x), (x,))
    yield Case("DEQUANTIZE", (x,), (T(MAP, dtype="float32"),))
    yield Case("QUANTIZE", (T(MAP, dtype="float32"),), (x,))
    yield Case("QUANTIZE", (T(MAP, dtype="int8"),), (x,), note="from int8")
    yield Case("CAST", (T(MAP, dtype="uint8"),), (T(MAP, dtype="float32"),), schema.CastOptionsT(3, 0))


def _convolutions() -> Iterator[Case]:
    x, weights, bias = T(MAP), T((4, 3, 3, 4), "w"), T((4,), "b")
    conv = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    for change, note in (
        ({}, ""),
        ({"dilationHFactor": 3, "dilationWFactor": 3}, "dilation 3"),
        ({"fusedActivationFunction": 1}, "RELU"),
        ({"fusedActivationFunction": 4}, "TANH"),
    ):
        yield Case(
            "CONV_2D",
            (x, weights, bias),
            (x,),
            schema.Conv2DOptionsT(**{**conv, **change}),
            note,
        )
    yield Case("CONV_2D", (x, weights), (x,), schema.Conv2DOptionsT(**conv), "no bias")
    yield Case("CONV_2D", (x, T((4, 3, 3, 4)), bias), (x,), schema.Conv2DOptionsT(**conv), "filter not constant")
    depth = {**conv, "depthMultiplier": 1}
    yield Case("DEPTHWISE_CONV_2D", (x, T((1, 3, 3, 4), "w"), bias), (x,), schema.DepthwiseConv2DOptionsT(**depth))
    yield Case(
        "DEPTHWISE_CONV_2D",
        (x, T((1, 3, 3, 8), "w"), T((8,), "b")),
        (T((1, 8, 8, 8)),),
        schema.DepthwiseConv2DOptionsT(**{**depth, "depthMultiplier": 2}),
        "multiplier 2",
    )
    for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for size, stride, fused, note in (
            (2, 2, 0, ""),
            (1, 1, 0, "1x1"),
            (1, 2, 0, "1x1 stride 2"),
            (2, 2, 4, "TANH"),
        ):
            options = schema.Pool2DOptionsT(
                padding=1,
                strideW=stride,
                strideH=stride,
                filterWidth=size,
                filterHeight=size,
                fusedActivationFunction=fused,
            )
            yield Case(name, (x,), (T((1, 8 // stride, 8 // stride, 4)),), options, note)
    flat, matrix = T((1, 16)), T((8, 16), "w")
    dense = schema.FullyConnectedOptionsT
    yield Case("FULLY_CONNECTED", (flat, matrix, T((8,), "b")), (T((1, 8)),), dense())
    yield Case("FULLY_CONNECTED", (flat, matrix, None), (T((1, 8)),), dense(), "no bias")
    yield Case("FULLY_CONNECTED", (flat, matrix, T((8,), "b")), (T((1, 8)),), dense(fusedActivationFunction=4), "TANH")
    yield Case("FULLY_CONNECTED", (flat, T((8, 16)), None), (T((1, 8)),), dense(), "filter not constant")
    large, deconv = T((1, 16, 16, 4)), schema.TransposeConvOptionsT(padding=0, strideH=2, strideW=2)
    size = _axes(1, 16, 16, 4)
    yield Case("TRANSPOSE_CONV", (size, weights, x), (large,), deconv)
    yield Case("TRANSPOSE_CONV", (size, weights, x, bias), (large,), deconv, "bias")
    yield Case("BATCH_MATMUL", (T((1, 4, 8)), T((1, 8, 4))), (T((1, 4, 4)),), schema.BatchMatMulOptionsT())
    yield Case(
        "BATCH_MATMUL", (T((1, 4, 8)), T((1, 8, 4), "w")), (T((1, 4, 4)),), schema.BatchMatMulOptionsT(), "constant"
    )
    for name, kind in (
        ("RESIZE_BILINEAR", schema.ResizeBilinearOptionsT),
        ("RESIZE_NEAREST_NEIGHBOR", schema.ResizeNearestNeighborOptionsT),
    ):
        yield Case(name, (x, _axes(16, 16)), (large,), kind())
        yield Case(name, (x, _axes(16, 16)), (large,), kind(halfPixelCenters=True), "half pixel")
        yield Case(name, (x, _axes(16, 16)), (large,), kind(alignCorners=True), "align corners")


def _moves() -> Iterator[Case]:
    x = T(MAP)
    for count in (2, 3, 4, 5, 6):
        yield Case(
            "CONCATENATION",
            (x,) * count,
            (T((1, 8, 8, 4 * count)),),
            schema.ConcatenationOptionsT(axis=3),
            f"of {count}",
        )
    for count in (2, 4):
        part = T((1, 8, 8, 4 // count))
        yield Case("SPLIT", (T((), "i", 3), x), (part,) * count, schema.SplitOptionsT(numSplits=count), f"into {count}")
    wide = T((1, 8, 8, 5))
    yield Case("SPLIT", (T((), "i", 3), wide), (T((1, 8, 8, 1)),) * 5, schema.SplitOptionsT(numSplits=5), "into 5")
    yield Case("DEPTH_TO_SPACE", (x,), (T((1, 16, 16, 1)),), schema.DepthToSpaceOptionsT(blockSize=2))
    yield Case("SPACE_TO_DEPTH", (x,), (T((1, 4, 4, 16)),), schema.SpaceToDepthOptionsT(blockSize=2))
    yield Case("RESHAPE", (x, _axes(1, 256)), (T((1, 256)),), schema.ReshapeOptionsT(newShape=[1, 256]))
    yield Case("SQUEEZE", (T((1, 1, 1, 4)),), (T((1, 4)),), schema.SqueezeOptionsT(squeezeDims=[1, 2]))
    yield Case("EXPAND_DIMS", (T((1, 4)), _axes(1)), (T((1, 1, 4)),), schema.ExpandDimsOptionsT())
    yield Case("TRANSPOSE", (x, _axes(0, 3, 1, 2)), (T((1, 4, 8, 8)),), schema.TransposeOptionsT())
    spatial = _pads((0, 0), (1, 1), (1, 1), (0, 0))
    yield Case("PAD", (x, spatial), (T((1, 10, 10, 4)),), schema.PadOptionsT())
    yield Case("PAD", (x, _pads((0, 0), (0, 0), (0, 0), (0, 4))), (T((1, 8, 8, 8)),), schema.PadOptionsT(), "channels")
    yield Case("PADV2", (x, spatial, T((), "w", 0)), (T((1, 10, 10, 4)),), schema.PadV2OptionsT())
    yield Case("MIRROR_PAD", (x, spatial), (T((1, 10, 10, 4)),), schema.MirrorPadOptionsT(mode=0))
    yield Case("SLICE", (x, _axes(0, 1, 1, 0), _axes(1, 6, 6, 4)), (T((1, 6, 6, 4)),), schema.SliceOptionsT())
    for step, shrink, shape, note in (
        (1, 0, (1, 6, 6, 4), ""),
        (2, 0, (1, 3, 3, 4), "stride 2"),
        (1, 2, (1, 6, 4), "shrink"),
    ):
        yield Case(
            "STRIDED_SLICE",
            (x, _axes(0, 1, 1, 0), _axes(1, 7, 7, 4), _axes(1, step, step, 1)),
            (T(shape),),
            schema.StridedSliceOptionsT(shrinkAxisMask=shrink),
            note,
        )
    yield Case("PACK", (T((8, 8)), T((8, 8))), (T((2, 8, 8)),), schema.PackOptionsT(valuesCount=2, axis=0))
    yield Case("UNPACK", (T((2, 8, 8)),), (T((8, 8)), T((8, 8))), schema.UnpackOptionsT(num=2, axis=0))
    yield Case("TILE", (x, _axes(1, 2, 1, 1)), (T((1, 16, 8, 4)),), schema.TileOptionsT())
    yield Case("GATHER", (x, _axes(0, 1)), (T((1, 8, 8, 2)),), schema.GatherOptionsT(axis=3))
    yield Case("BROADCAST_TO", (T((1, 1, 1, 4)), _axes(1, 8, 8, 4)), (x,), schema.BroadcastToOptionsT())
    yield Case("REVERSE_V2", (x, _axes(1)), (x,), schema.ReverseV2OptionsT())


def _reductions() -> Iterator[Case]:
    x = T(MAP)
    for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
        for axes, shape, note in (
            ((1, 2), (1, 1, 1, 4), "over map"),
            ((2,), (1, 8, 1, 4), "over width"),
            ((1,), (1, 1, 8, 4), "over height"),
            ((3,), (1, 8, 8, 1), "over channels"),
            ((-2, -3), (1, 1, 1, 4), "over map, negative"),
        ):
            yield Case(name, (x, _axes(*axes)), (T(shape),), schema.ReducerOptionsT(keepDims=True), note)
        yield Case(name, (x, _axes(1, 2)), (T((1, 4)),), schema.ReducerOptionsT(), "over map, dropped")
        yield Case(name, (T((1, 64, 4)), _axes(1)), (T((1, 1, 4)),), schema.ReducerOptionsT(keepDims=True), "of rank 3")
    for name, kind in (("ARG_MAX", schema.ArgMaxOptionsT), ("ARG_MIN", schema.ArgMinOptionsT)):
        yield Case(name, (x, _axes(3)), (T((1, 8, 8), dtype="int32"),), kind(outputType=2))
    yield Case("CUMSUM", (x, T((), "i", 1)), (x,), schema.CumsumOptionsT())
    yield Case("TOPK_V2", (T((1, 16)), T((), "i", 3)), (T((1, 3)), T((1, 3), dtype="int32")))
