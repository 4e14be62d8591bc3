"""Write a `Graph` as a TFLite file, in float32, or with weights in half or in 8 bits.

The operators are those that litert-torch chooses for the same network: channels last from end to end, HARD_SWISH kept
whole, relu and relu6 fused, the h-sigmoid of a squeeze-and-excite gate as relu6 with its `+ 3` in the bias of the
convolution and a MUL by 1/6. Where TFLite's SAME padding would be another function than torch's (stride 2 on an even
size), a PAD and a VALID convolution stand instead. A TRANSPOSE stands only where an operator needs an order of axes
that its input does not have (`tflite.layout`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mogakit.errors import InputError
from mogakit.export import layer_names
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.nodes import Conv2d, Linear, Node, Shape
from mogakit.export.tflite import elementwise, layers, moves, windows
from mogakit.export.tflite.layout import physical, standard
from mogakit.export.tflite.prepare import Form, prepared
from mogakit.export.tflite.windows import same_padding
from mogakit.export.tflite.writer import Rule, Writer

__all__ = ["DESCRIPTION", "RULES", "Built", "Form", "build", "channels_last", "prepared", "same_padding", "write"]

DESCRIPTION = "MoGA Kit"

RULES: dict[type[Node], Rule] = {**layers.RULES, **elementwise.RULES, **windows.RULES, **moves.RULES}
"""How each kind of node becomes operators."""


@dataclass(frozen=True)
class Built:
    """A file in memory, and how many TRANSPOSE operators stand in it."""

    data: bytes
    num_transposes: int

    @property
    def notes(self) -> dict[str, str]:
        """Return what belongs into an artifact's notes: the transpositions, where there are any."""
        return {"transposes": str(self.num_transposes)} if self.num_transposes else {}


WRITTEN = (Precision.FLOAT32, Precision.FLOAT16, Precision.DYNAMIC_RANGE)
"""Precisions that a graph is written in directly; integer files are made from a float32 one (`quantize`)."""


def build(
    graph: Graph, precision: Precision = Precision.FLOAT32, *, form: Form = Form.FLOAT, float_layers: Sequence[str] = ()
) -> Built:
    """Return a TFLite file; the same graph gives the same bytes.

    Float16 halves the file: every weight and bias is stored in half and turned back by a DEQUANTIZE, which XNNPACK and
    the GPU delegate fold away; input, output and single numbers stay float32. Dynamic range stores the weights of dense
    convolutions and linear layers in 8 bits. With another `form`, the file can be quantised where there is such a form:
    what integer files are made from and compared with.

    Args:
        float_layers: of dynamic range, names of layers whose weights stay in float (`layer_names.chosen`).

    Raises:
        InputError: `precision` is not one of `WRITTEN`, a float layer is not one of the graph's, no layer is left to be
            stored in 8 bits, or a tensor of more axes than TFLite reorders would have to be reordered.
        ExportError: a weight does not fit into float16.
    """
    if precision not in WRITTEN:
        raise InputError(
            f"this writer makes {', '.join(WRITTEN)}, not {precision}; integer files come from quantisation"
        )
    ready = prepared(graph, form)
    left = layer_names.chosen(float_layers, [node.name for node in ready.nodes if isinstance(node, Conv2d | Linear)])
    writer = Writer(ready, precision, left)
    inputs = {tensor.name: writer.begin(tensor.name, tensor.shape) for tensor in writer.graph.inputs}
    for node in writer.graph.nodes:
        RULES[type(node)](writer, node)
    outputs = {name: writer.index(name, standard(len(writer.shapes[name]))) for name in writer.graph.outputs}
    if precision is Precision.DYNAMIC_RANGE and not writer.num_in_bytes:
        raise InputError(
            "dynamic range stores the weights of dense convolutions and linear layers in 8 bits, and there are none: "
            "export it in float32 or float16"
        )
    return Built(writer.model.pack(inputs, outputs, DESCRIPTION), writer.num_transposes)


def write(graph: Graph, precision: Precision = Precision.FLOAT32) -> bytes:
    """Return the bytes of a TFLite file: see `build`."""
    return build(graph, precision).data


def channels_last(shape: Shape) -> Shape:
    """Turn (N, C, H, W) into (N, H, W, C); other ranks stay."""
    return physical(shape, standard(len(shape)))
