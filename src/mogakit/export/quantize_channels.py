"""Channels whose weights are all zero, in an integer file.

The quantiser gives them a scale of zero, with which XNNPACK rejects the file and the bias is lost. They are usual: the
last batch norm of a residual block starts at zero, and pruning leaves such channels behind.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_LAYERS = {
    schema.BuiltinOperator.CONV_2D: (0, 1, 2),
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: (0, 1, 2),
    schema.BuiltinOperator.FULLY_CONNECTED: (0, 1, 2),
    schema.BuiltinOperator.TRANSPOSE_CONV: (2, 1, 3),
}
"""Operators with weights, and which of their inputs are input, weights and bias."""

SCALE = 1e-3
"""The scale of weights where no channel of a layer has one: small enough for a bias in units of it."""


def revive(quantized: Any, original: Any) -> None:
    """Give channels without a scale the smallest one of their layer, and their bias in units of it.

    Args:
        quantized: an unpacked integer file, which is changed.
        original: the unpacked float file it was made from, which has the biases.
    """
    graph = quantized.subgraphs[0]
    biases = {tensor.name: tensor for tensor in original.subgraphs[0].tensors}
    for operator in graph.operators:
        places = _LAYERS.get(quantized.operatorCodes[operator.opcodeIndex].builtinCode)
        if places is None:
            continue
        source, weight, bias = (graph.tensors[operator.inputs[place]] for place in places)
        if weight.type != schema.TensorType.INT8:
            continue
        scales = np.array(weight.quantization.scale, np.float32)
        dead = scales <= np.finfo(np.float32).tiny
        if not dead.any():
            continue
        scales[dead] = scales[~dead].min(initial=np.float32(SCALE))
        weight.quantization.scale = scales
        units = scales * np.float32(source.quantization.scale[0])
        bias.quantization.scale = units
        wanted = np.frombuffer(bytes(original.buffers[biases[bias.name].buffer].data), np.float32)
        kind = np.int64 if bias.type == schema.TensorType.INT64 else np.int32
        limits = np.iinfo(np.int32)
        steps = np.frombuffer(bytes(quantized.buffers[bias.buffer].data), kind).copy()
        steps[dead] = np.clip(np.round(wanted[dead] / units[dead].astype(np.float64)), limits.min, limits.max)
        quantized.buffers[bias.buffer] = schema.BufferT(data=steps.view(np.uint8))
