"""Upsampling and downsampling of maps; what is not an operator of the formats becomes one matrix for each axis."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mogakit.export.builder import Builder
from mogakit.export.nodes import Corners, Resize, ResizeKind
from mogakit.export.rules.rule import Rule
from mogakit.export.trace import Call


def _matrix(call: Call, size: int, count: int, scale: float | None) -> npt.NDArray[np.float64]:
    """Return what torch computes along one axis as a matrix (count, size): it is run on every unit vector."""
    units = torch.eye(size, dtype=torch.float64).reshape(1, size, 1, size)
    # The 1-D operators are the 2-D ones on maps of one row.
    name = {"upsample_nearest1d": "upsample_nearest2d", "upsample_linear1d": "upsample_bilinear2d"}
    operator = getattr(torch.ops.aten, name.get(call.operator, call.operator))
    aligned = [bool(call.arguments["align_corners"])] if "align_corners" in call.arguments else []
    found = operator(units, [1, count], *aligned, None, scale)
    matrix: npt.NDArray[np.float64] = found[0, :, 0, :].T.numpy()
    return matrix


def _scales(call: Call) -> tuple[float | None, float | None]:
    """Return the factors that the user gave for (height, width), or None for those that follow from the sizes."""
    arguments: dict[str, Any] = call.arguments
    if arguments.get("scale_factors"):
        return arguments["scale_factors"][0], arguments["scale_factors"][-1]
    if "scales" in arguments:
        return None, arguments["scales"]
    return arguments.get("scales_h"), arguments.get("scales_w")


def _resize(builder: Builder, call: Call) -> str:
    x = builder.read(call)
    before, shape = builder.shape(x), call.shape
    if len(shape) == 3:
        x, shape = builder.reshape(x, (*before[:2], 1, before[2])), (*shape[:2], 1, shape[2])
        before = builder.shape(x)
    if shape == before and "bicubic" not in call.operator:
        return builder.reshape(x, call.shape)
    kind, corners = _form(call, before, shape)
    if kind is not None and corners is not None:
        node = Resize(name="", inputs=(x,), shape=shape, kind=kind, corners=corners)
        return builder.reshape(builder.add_node(node), call.shape)
    for axis, scale in zip((2, 3), _scales(call), strict=True):
        matrix = _matrix(call, before[axis], shape[axis], scale)
        if "nearest" in call.operator:
            x = builder.gather(x, axis, matrix.argmax(1).tolist())
        elif matrix.shape[0] != matrix.shape[1] or not np.allclose(matrix, np.eye(len(matrix)), atol=1e-7):
            x = builder.along(x, axis, matrix)
    return builder.reshape(x, call.shape)


def _form(call: Call, before: tuple[int, ...], shape: tuple[int, ...]) -> tuple[ResizeKind | None, Corners | None]:
    """Return the operator of the formats that computes the same, if there is one."""
    axes = list(zip(before[2:], shape[2:], _scales(call), strict=True))
    if call.operator in ("upsample_nearest2d", "upsample_nearest1d"):
        # Other ratios depend on how a runtime rounds their quotient: they become explicit indices.
        exact = all(count % size == 0 and (scale is None or size * scale == count) for size, count, scale in axes)
        return (ResizeKind.NEAREST, Corners.ASYMMETRIC) if exact else (None, None)
    if call.operator not in ("upsample_bilinear2d", "upsample_linear1d"):
        return None, None
    if call.arguments["align_corners"]:
        return (ResizeKind.BILINEAR, Corners.ALIGNED) if min(shape[2:]) > 1 or before[2:] == (1, 1) else (None, None)
    follows = all(scale is None or abs(size * scale - count) < 1e-6 * count for size, count, scale in axes)
    return (ResizeKind.BILINEAR, Corners.HALF_PIXEL) if follows else (None, None)


OPERATORS = (
    "upsample_nearest1d",
    "upsample_nearest2d",
    "_upsample_nearest_exact2d",
    "upsample_linear1d",
    "upsample_bilinear2d",
    "upsample_bicubic2d",
    "_upsample_bilinear2d_aa",
    "_upsample_bicubic2d_aa",
)

RULES: dict[str, Rule] = dict.fromkeys(OPERATORS, _resize)
