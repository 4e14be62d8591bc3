"""Agreement of a MACE file with torch, operator by operator: where a wrong file goes wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf

from mogakit.errors import ExportError
from mogakit.export.graph import Graph
from mogakit.export.mace.interpreter import Interpreter
from mogakit.export.nodes import (
    Activate,
    Activation,
    Add,
    Concat,
    Conv2d,
    FloatArray,
    GlobalMean,
    Linear,
    Mul,
    Node,
    Padding,
    Pool,
    PoolKind,
    Reshape,
    Softmax,
)

_FUNCTIONS: dict[Activation, Callable[[torch.Tensor], torch.Tensor]] = {
    Activation.NONE: lambda x: x,
    Activation.RELU: nnf.relu,
    Activation.RELU6: nnf.relu6,
    Activation.HSWISH: nnf.hardswish,
    Activation.HSIGMOID: nnf.hardsigmoid,
    Activation.SIGMOID: torch.sigmoid,
    Activation.SILU: nnf.silu,
}


@dataclass(frozen=True)
class OperatorAgreement:
    """One operator's output against torch's at the same place: `relative` is over the largest value there.

    Errors of earlier operators are in it; the first large one is the wrong operator.
    """

    name: str
    type: str
    max_abs_error: float
    relative: float


def per_operator(graph: Graph, interpreter: Interpreter, inputs: Mapping[str, FloatArray]) -> list[OperatorAgreement]:
    """Run the graph in torch and the file in numpy, and compare every tensor that both have.

    Args:
        graph: what the file was written from.
        inputs: by name, in torch's layout.

    Raises:
        ExportError: the two share no tensor, or shapes differ.
    """
    wanted = evaluate(graph, inputs)
    ends = interpreter.model.inputs
    got = interpreter.trace([_channels_last(inputs[end.name]) for end in ends])
    found: list[OperatorAgreement] = []
    for op in interpreter.model.ops:
        reference = wanted.get(op.output)
        if reference is None:  # half of a split operator, such as the gate of an h-swish
            continue
        expected, value = _channels_last(reference), got[op.output]
        if expected.shape != value.shape:
            raise ExportError(f"operator {op.name!r} gives {value.shape}, torch gives {expected.shape}")
        error, scale = float(np.abs(value - expected).max()), float(np.abs(expected).max())
        found.append(OperatorAgreement(op.name, op.type, error, error / scale if scale else error))
    if not found:
        raise ExportError("the file and the graph share no tensor by name: they are not of one export")
    return found


def evaluate(graph: Graph, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the value of every node of a graph, computed by torch, in torch's layout."""
    values = {
        name: torch.from_numpy(np.ascontiguousarray(value))
        for name, value in (*inputs.items(), *graph.constants.items())
    }
    with torch.no_grad():
        for node in graph.nodes:
            values[node.name] = _compute(node, [values[name] for name in node.inputs])
    return {node.name: values[node.name].numpy() for node in graph.nodes}


def _compute(node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    x = operands[0]
    match node:
        case Conv2d():
            weight, bias = torch.from_numpy(node.weight), torch.from_numpy(node.bias)
            made = nnf.conv2d(_padded(x, node.padding), weight, bias, node.stride, 0, node.dilation, node.groups)
            return _FUNCTIONS[node.activation](made)
        case Linear():
            made = nnf.linear(x, torch.from_numpy(node.weight), torch.from_numpy(node.bias))
            return _FUNCTIONS[node.activation](made)
        case Add():
            return _FUNCTIONS[node.activation](x + operands[1])
        case Mul():
            return _FUNCTIONS[node.activation](x * operands[1])
        case Activate():
            return _FUNCTIONS[node.function](x)
        case GlobalMean():
            return x.mean((2, 3), keepdim=node.keep_dims)
        case Concat():
            return torch.cat(operands, node.axis)
        case Softmax():
            return torch.softmax(x, -1)
        case Reshape():
            return x.reshape(node.shape)
        case Pool() if node.kind is PoolKind.MAX:
            return nnf.max_pool2d(_padded(x, node.padding, -torch.inf), node.kernel, node.stride)
        case Pool():
            window = (
                _padded(x, node.padding)
                .unfold(2, node.kernel[0], node.stride[0])
                .unfold(3, node.kernel[1], node.stride[1])
            )
            ones = _padded(torch.ones_like(x), node.padding)
            counted = ones.unfold(2, node.kernel[0], node.stride[0]).unfold(3, node.kernel[1], node.stride[1])
            return window.sum((-2, -1)) / counted.sum((-2, -1))
    raise ExportError(f"node {node.name!r} is a {type(node).__name__}, which this evaluator does not know")


def _padded(x: torch.Tensor, padding: Padding, fill: float = 0.0) -> torch.Tensor:
    return nnf.pad(x, (padding.left, padding.right, padding.top, padding.bottom), value=fill) if padding else x


def _channels_last(value: FloatArray) -> FloatArray:
    """Return a tensor as MACE has it: four dimensions, channels last."""
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value.reshape(value.shape[0], 1, 1, -1)
