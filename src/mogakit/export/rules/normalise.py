"""Normalisations, spelled out in means and products where their statistics come from the input."""

import numpy as np
import torch

from mogakit.export.builder import Builder, NotInThisForm
from mogakit.export.nodes import Activation, BinaryKind
from mogakit.export.rules.rule import Rule, constant
from mogakit.export.trace import Argument, Call


def _batch_norm(builder: Builder, call: Call) -> list[str | None]:
    arguments = call.arguments
    x, rank = builder.read(call, "input"), len(call.shape)
    mean, variance = arguments["running_mean"], arguments["running_var"]
    if arguments.get("training") or mean is None or variance is None:
        axes = [axis for axis in range(rank) if axis != 1]
        return [_affine(builder, call, normalised(builder, x, axes, float(arguments["eps"])), 1), None, None]
    factor = 1.0 / torch.sqrt(variance.double() + arguments["eps"])
    if arguments["weight"] is not None:
        factor = factor * constant(call, "weight", "scales").double()
    shift = -mean.double() * factor
    if arguments["bias"] is not None:
        shift = shift + constant(call, "bias", "shifts").double()
    per_channel = (1, -1) + (1,) * (rank - 2)
    scaled = builder.mul(x, builder.operand(factor.reshape(per_channel)))
    return [builder.add(scaled, builder.operand(shift.reshape(per_channel))), None, None]


def normalised(builder: Builder, x: str, axes: list[int], eps: float) -> str:
    """Return (x - mean) / sqrt(variance + eps) over axes."""
    centred = builder.binary(BinaryKind.SUB, x, builder.mean(x, axes))
    variance = builder.mean(builder.mul(centred, centred), axes)
    return builder.mul(centred, builder.activate(Activation.RSQRT, builder.shifted(variance, eps)))


def _affine(builder: Builder, call: Call, x: str, first_axis: int) -> str:
    """Multiply by `weight` and add `bias`, whose first axis is `first_axis` of `x`."""
    rank = len(builder.shape(x))

    def aligned(value: Argument) -> torch.Tensor:
        assert isinstance(value, torch.Tensor)
        return value.reshape(*value.shape, *(1,) * (rank - first_axis - value.ndim))

    if call.arguments["weight"] is not None:
        x = builder.mul(x, builder.operand(aligned(constant(call, "weight", "scales"))))
    if call.arguments["bias"] is not None:
        x = builder.add(x, builder.operand(aligned(constant(call, "bias", "shifts"))))
    return x


def _layer_norm(builder: Builder, call: Call) -> list[str | None]:
    count, rank = len(call.arguments["normalized_shape"]), len(call.shape)
    axes = list(range(rank - count, rank))
    x = normalised(builder, builder.read(call, "input"), axes, float(call.arguments["eps"]))
    return [_affine(builder, call, x, rank - count), None, None]


def _group_norm(builder: Builder, call: Call) -> list[str | None]:
    x, groups = builder.read(call, "input"), int(call.arguments["group"])
    batch, channels, *rest = builder.shape(x)
    if groups == 1:
        made = normalised(builder, x, list(range(1, len(rest) + 2)), float(call.arguments["eps"]))
    elif groups == channels:
        made = normalised(builder, x, list(range(2, len(rest) + 2)), float(call.arguments["eps"]))
    else:
        split = builder.reshape(x, (batch, groups, channels // groups, *rest))
        axes = list(range(2, len(rest) + 3))
        made = builder.reshape(normalised(builder, split, axes, float(call.arguments["eps"])), (batch, channels, *rest))
    return [_affine(builder, call, made, 1), None, None]


def _vector_norm(builder: Builder, call: Call) -> str:
    """Return the norm over axes of order 1, 2 or infinity."""
    from mogakit.export.nodes import ReduceKind
    from mogakit.export.rules.elementwise import power

    order = call.arguments.get("ord", call.arguments.get("p"))
    order = 2.0 if order is None else float(order)
    axes, keep = call.arguments["dim"], bool(call.arguments["keepdim"])
    axes = [axes] if isinstance(axes, int) else axes
    x = builder.read(call)
    if order == np.inf:
        return builder.reduce(ReduceKind.MAX, builder.activate(Activation.ABS, x), axes, keep)
    if order not in (1.0, 2.0):
        raise NotInThisForm(f"it is of order {order:g}; supported are 1, 2 and infinity")
    if order == 1.0:
        return builder.reduce(ReduceKind.SUM, builder.activate(Activation.ABS, x), axes, keep)
    return power(builder, builder.reduce(ReduceKind.SUM, builder.mul(x, x), axes, keep), 0.5)


RULES: dict[str, Rule] = {
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "linalg_vector_norm": _vector_norm,
    "norm": _vector_norm,
}
