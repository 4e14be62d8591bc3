"""A file of ONNX Runtime's own format (`.ort`), read as the ONNX graph that it stores.

Slots follow onnxruntime/core/flatbuffers/schema/ort.fbs, version 6.
"""

from typing import Any

import onnx

from mogakit.export.foreign.describe_onnx import describe_graph
from mogakit.export.foreign.flatbuffer import Reader, Table
from mogakit.export.foreign.model import ModelFile

IDENTIFIER = b"ORTM"
_FIXED, _TENSOR = 1, 1
"""DimensionValueType.VALUE and TypeInfoValue.tensor_type."""


def describe(data: bytes) -> ModelFile:
    """Describe the bytes of an `.ort` file.

    Raises:
        InputError: it is not one, or it is damaged.
    """
    stored = Reader(data, IDENTIFIER, "an ONNX Runtime model").root().table(1)
    source = None if stored is None else stored.table(7)
    graph = onnx.GraphProto()
    if source is not None:
        _fill(graph, source)
    return describe_graph(graph)


def _fill(graph: Any, source: Table) -> None:
    for item in source.tables(0):
        graph.initializer.add(name=item.text(0), dims=item.integers(2, "q") or (), data_type=item.integer(3, "i"))
    values = {item.text(0): item for item in source.tables(1)}
    for name in source.texts(5):
        _value(graph.input.add(name=name), values.get(name))
    for name in source.texts(6):
        _value(graph.output.add(name=name), values.get(name))
    for item in source.tables(2):
        node = graph.node.add(op_type=item.text(5), domain=item.text(2), input=item.texts(8), output=item.texts(9))
        for attribute in item.tables(10):
            node.attribute.add(name=attribute.text(0), i=attribute.integer(4, "q"))


def _value(target: Any, item: Table | None) -> None:
    info = None if item is None else item.table(2)
    kind = None if info is None or info.integer(1, "B") != _TENSOR else info.table(2)
    if kind is None:
        return
    tensor = target.type.tensor_type
    tensor.elem_type = kind.integer(0, "i")
    shape = kind.table(1)
    for size in () if shape is None else shape.tables(0):
        value = size.table(0)
        dimension = tensor.shape.dim.add()
        if value is not None and value.integer(0, "b") == _FIXED:
            dimension.dim_value = value.integer(1, "q")
