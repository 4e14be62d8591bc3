"""Products of matrices: linear layers where one factor is a constant, general ones elsewhere."""

import numpy as np
import torch

from mogakit.export.builder import Builder, array
from mogakit.export.nodes import Linear
from mogakit.export.rules.rule import Rule
from mogakit.export.trace import Argument, Call


def _linear(builder: Builder, x: str, weight: torch.Tensor, bias: Argument) -> str:
    """Apply a constant matrix (I, O) to the last axis."""
    rows = array(weight.t())
    flat = np.zeros(len(rows), np.float32) if bias is None else array(bias.broadcast_to(len(rows)))
    shape = (*builder.shape(x)[:-1], len(rows))
    return builder.add_node(Linear(name="", inputs=(x,), shape=shape, weight=rows, bias=flat))


def _one_row(value: Argument) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() == value.shape[-1]


def _product(builder: Builder, first: Argument, second: Argument) -> str:
    if isinstance(second, torch.Tensor) and second.ndim == 2:
        return _linear(builder, builder.operand(first), second, None)
    return builder.matmul(builder.operand(first), builder.operand(second))


def _mm(builder: Builder, call: Call) -> str:
    return _product(builder, call.arguments["self"], call.arguments["mat2"])


def _addmm(builder: Builder, call: Call) -> str:
    arguments = call.arguments
    names = ("mat1", "mat2") if call.operator == "addmm" else ("batch1", "batch2")
    first, second = (arguments[name] for name in names)
    bias, alpha, beta = arguments["self"], float(arguments["alpha"]), float(arguments["beta"])
    if isinstance(second, torch.Tensor) and second.ndim == 2 and _one_row(bias):
        return _linear(builder, builder.operand(first), second * alpha, bias.reshape(-1) * beta)
    product = builder.scaled(_product(builder, first, second), alpha)
    return product if beta == 0.0 else builder.add(product, builder.scaled(builder.operand(bias), beta))


def _mv(builder: Builder, call: Call) -> str:
    name = "vec" if call.operator == "mv" else "tensor"
    vector = builder.operand(call.arguments[name])
    column = builder.reshape(vector, (builder.shape(vector)[0], 1))
    matrix = builder.read(call)
    rows = builder.reshape(matrix, (1, *builder.shape(matrix))) if call.operator == "dot" else matrix
    return builder.reshape(builder.matmul(rows, column), call.shape)


RULES: dict[str, Rule] = {
    "mm": _mm,
    "bmm": _mm,
    "matmul": _mm,
    "addmm": _addmm,
    "baddbmm": _addmm,
    "mv": _mv,
    "dot": _mv,
}
