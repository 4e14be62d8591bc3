"""What MACE files compute, by the independent interpreter, against torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from ordinary import ordinary_block, ordinary_network

from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Precision
from mogakit.export.exact import run_float64
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.mace.check import checked
from mogakit.export.mace.interpreter import Interpreter, load
from mogakit.export.mace.netdef import Generation, RuntimeType
from mogakit.export.mace.writer import write
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
from mogakit.export.verify import FLOOR, MULTIPLE
from mogakit.nets import zoo
from mogakit.nets.spaces import get_space

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

    Errors of earlier operators are in it; the first large one is the wrong operator. `torch_relative` is how far
    torch's own float32 result is from float64 there, and `exact_relative` how far the file's is.
    """

    name: str
    type: str
    relative: float
    exact_relative: float
    torch_relative: float

    @property
    def within_rounding(self) -> bool:
        """Return whether the file is as near as torch is, which is the tolerance of every export."""
        return self.relative <= 1e-5 or self.exact_relative <= FLOOR + MULTIPLE * self.torch_relative


def per_operator(graph: Graph, interpreter: Interpreter, inputs: Mapping[str, FloatArray]) -> list[OperatorAgreement]:
    """Run the graph in torch and the file in numpy, and compare every tensor that both have.

    Args:
        graph: what the file was written from.
        inputs: by name, in torch's layout.

    Raises:
        ExportError: the two share no tensor, or shapes differ.
    """
    wanted, exact = evaluate(graph, inputs), evaluate(graph, inputs, torch.float64)
    ends = interpreter.model.inputs
    got = interpreter.trace([in_mace_order(inputs[end.name]) for end in ends])
    found: list[OperatorAgreement] = []
    for op in interpreter.model.ops:
        reference = wanted.get(op.output)
        if reference is None:  # half of a split operator, such as the gate of an h-swish
            continue
        expected, value = in_mace_order(reference), got[op.output]
        best = in_mace_order(exact[op.output])
        if expected.shape != value.shape:
            raise ExportError(f"operator {op.name!r} gives {value.shape}, torch gives {expected.shape}")
        scale = float(np.abs(expected).max()) or 1.0
        errors = (
            float(np.abs(one - other).max()) for one, other in ((value, expected), (value, best), (expected, best))
        )
        found.append(OperatorAgreement(op.name, op.type, *(error / scale for error in errors)))
    if not found:
        raise ExportError("the file and the graph share no tensor by name: they are not of one export")
    return found


def evaluate(
    graph: Graph, inputs: Mapping[str, FloatArray], dtype: torch.dtype = torch.float32
) -> dict[str, FloatArray]:
    """Return the value of every node of a graph, computed by torch in `dtype`, in torch's layout."""
    values = {
        name: torch.from_numpy(np.ascontiguousarray(value)).to(dtype)
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
            weight, bias = torch.from_numpy(node.weight).to(x), torch.from_numpy(node.bias).to(x)
            made = nnf.conv2d(_padded(x, node.padding), weight, bias, node.stride, 0, node.dilation, node.groups)
            return _FUNCTIONS[node.activation](made)
        case Linear():
            made = nnf.linear(x, torch.from_numpy(node.weight).to(x), torch.from_numpy(node.bias).to(x))
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


def in_mace_order(value: FloatArray) -> FloatArray:
    """Return a tensor as MACE has it: four dimensions, channels last."""
    return value.transpose(0, 2, 3, 1) if value.ndim == 4 else value.reshape(value.shape[0], 1, 1, -1)


SPACE = get_space("moga")
BLOCKS = (*SPACE.choice_blocks[::15], *SPACE.fixed_blocks)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.key for block in BLOCKS])
def test_every_operator_of_a_block_agrees_with_torch(block):
    module, shape = ordinary_block(block)
    graph = lower(module, shape)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    found = per_operator(graph, checked(write(graph)), {"input": x})
    assert len(found) >= 2
    assert max(item.relative for item in found) <= 1e-5


@pytest.mark.parametrize("name", ["moga-a", "mnasnet-a1", "mobilenet-v3-large", "mobilenet-v1"])
def test_a_whole_network_agrees_with_torch_and_so_does_each_of_its_operators(name):
    network = zoo.get(name, input_size=96).network
    module, shape = ordinary_network(network)
    graph = lower(module, shape)
    files = write(graph, name=name)
    x = np.random.default_rng(2).standard_normal(network.input_shape, dtype=np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x)).numpy()
    interpreter = load(files.pb[Generation.NET, RuntimeType.GPU], files.data)
    (got,) = interpreter.run([x.transpose(0, 2, 3, 1)])
    assert got.shape == (1, 1, 1, 1000)
    exact = run_float64(module, [torch.from_numpy(x)]).numpy()
    scale, own = np.abs(wanted).max(), np.abs(wanted - exact).max()
    assert np.abs(got.reshape(1, -1) - exact).max() <= FLOOR * scale + MULTIPLE * own
    found = per_operator(graph, interpreter, {"input": x})
    assert [item for item in found if not item.within_rounding] == []


def test_half_precision_agrees_as_far_as_eleven_bits_go():
    block = SPACE.choice_blocks[50]
    module, shape = ordinary_block(block)
    graph = lower(module, shape)
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32).transpose(0, 2, 3, 1)
    (full,), (half,) = (checked(write(graph, kind)).run([x]) for kind in (Precision.FLOAT32, Precision.FLOAT16))
    assert 1e-6 < np.abs(full - half).max() / np.abs(full).max() < 2e-3


def test_a_graph_that_is_not_the_files_own_is_noticed():
    module, shape = ordinary_block(SPACE.fixed_blocks[1])
    graph = lower(module, shape)
    foreign = Graph(
        graph.inputs, (Activate(name="x", inputs=("input",), shape=shape, function=Activation.RELU),), ("x",)
    )
    with pytest.raises(ExportError, match="share no tensor"):
        per_operator(foreign, checked(write(graph)), {"input": np.zeros(shape, np.float32)})


def test_inputs_of_another_shape_are_rejected_with_the_right_one():
    graph = lower(*ordinary_block(SPACE.fixed_blocks[1]))
    interpreter = checked(write(graph))
    with pytest.raises(InputError, match=r"\(1, 112, 112, 16\) \(NHWC\)"):
        interpreter.run([np.zeros((1, 16, 112, 112), np.float32)])
    with pytest.raises(InputError, match="1 inputs, 0 were given"):
        interpreter.run([])


def test_a_model_in_memory_needs_its_weights():
    graph = lower(*ordinary_block(SPACE.fixed_blocks[1]))
    with pytest.raises(InputError, match=r"needs its \.data"):
        load(write(graph).pb[Generation.NET, RuntimeType.CPU])
