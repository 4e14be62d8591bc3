"""Convolutions in one and two dimensions, transposed or not."""

import numpy as np
import torch

from mogakit.export.builder import Builder, NotInThisForm, array
from mogakit.export.nodes import Conv2d, ConvTranspose2d, Padding
from mogakit.export.rules.rule import Rule, constant
from mogakit.export.trace import Call


def _convolution(builder: Builder, call: Call) -> str:
    arguments = call.arguments
    weight = constant(call, "weight", "weights")
    flat = weight.ndim == 3
    if weight.ndim not in (3, 4) or len(call.shape) != weight.ndim:
        raise NotInThisForm(
            f"its weight has {weight.ndim} dimensions; supported are 1-D and 2-D convolutions of a batch"
        )
    name, shape = builder.read(call, "input"), call.shape
    if flat:  # one row high
        weight, shape = weight.unsqueeze(2), (*shape[:2], 1, shape[2])
        before = builder.shape(name)
        name = builder.reshape(name, (*before[:2], 1, before[2]))

    def both(key: str, row: int) -> tuple[int, int]:
        values = [int(value) for value in arguments[key]]
        return (row, values[0]) if flat else (values[0], values[-1])

    bias, groups = arguments["bias"], int(arguments["groups"])
    out_channels = weight.shape[1] * groups if arguments["transposed"] else weight.shape[0]
    if bias is not None:
        bias = constant(call, "bias", "biases")
    biases = np.zeros(out_channels, np.float32) if bias is None else array(bias)
    stride, padding, dilation = both("stride", 1), both("padding", 0), both("dilation", 1)
    if arguments["transposed"]:
        made = _transposed(builder, name, shape, weight, biases, stride, padding, dilation, groups)
    else:
        made = builder.add_node(
            Conv2d(
                name="",
                inputs=(name,),
                shape=shape,
                weight=array(weight),
                bias=biases,
                stride=stride,
                padding=Padding(padding[0], padding[0], padding[1], padding[1]),
                dilation=dilation,
                groups=groups,
            )
        )
    return builder.reshape(made, call.shape)


def _transposed(
    builder: Builder,
    name: str,
    shape: tuple[int, ...],
    weight: torch.Tensor,
    bias: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> str:
    return builder.add_node(
        ConvTranspose2d(
            name="",
            inputs=(name,),
            shape=shape,
            weight=array(weight),
            bias=bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    )


RULES: dict[str, Rule] = {"convolution": _convolution}
