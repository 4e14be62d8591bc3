"""The float file with the weights that an integer file has: what rounding the weights alone changes.

Against it, a file with 16-bit activations is held closely: what is left is the rounding of activations.
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mogakit.export.tflite_model import packed


def with_weights_of(made: bytes, original: bytes) -> bytes:
    """Return `original` with the 8-bit weights of `made`, turned back into float32.

    Args:
        made: a TFLite file with weights in 8 bits, whose constants have the names that they have in `original`.
        original: the float file that it was made from.
    """
    integers, floats = (schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0)) for data in (made, original))
    stored = {tensor.name: tensor for tensor in integers.subgraphs[0].tensors if tensor.type == schema.TensorType.INT8}
    for tensor in floats.subgraphs[0].tensors:
        twin = stored.get(tensor.name)
        if twin is None or integers.buffers[twin.buffer].data is None or not tensor.buffer:
            continue
        floats.buffers[tensor.buffer] = schema.BufferT(data=_in_floats(twin, integers.buffers[twin.buffer]))
    return packed(floats)


def _in_floats(tensor: Any, buffer: Any) -> Any:
    values = np.frombuffer(bytes(buffer.data), np.int8).reshape(tensor.shape).astype(np.float32)
    steps = np.asarray(tensor.quantization.scale, np.float32)
    shape = [1] * values.ndim
    if len(steps) > 1:
        shape[tensor.quantization.quantizedDimension] = len(steps)
    zeros = np.asarray(tensor.quantization.zeroPoint, np.float32).reshape(shape)
    return ((values - zeros) * steps.reshape(shape)).astype(np.float32).reshape(-1).view(np.uint8)
