"""Write a `Graph` as a TFLite file, float32 or with weights in float16.

The operators are those that litert-torch chooses for the same network: channels last from end to end, HARD_SWISH kept
whole, relu and relu6 fused, the h-sigmoid of a squeeze-and-excite gate as relu6 with its `+ 3` in the bias of the
convolution and a MUL by 1/6. Where TFLite's SAME padding would be another function than torch's (stride 2 on an even
size), a PAD and a VALID convolution stand instead. A TRANSPOSE stands only where an operator needs an order of axes
that its input does not have (`tflite.layout`).
"""

from dataclasses import dataclass

from mogakit.errors import InputError
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.nodes import Node, Shape
from mogakit.export.tflite import elementwise, layers, moves, windows
from mogakit.export.tflite.layout import physical, standard
from mogakit.export.tflite.prepare import prepared
from mogakit.export.tflite.windows import same_padding
from mogakit.export.tflite.writer import Rule, Writer

__all__ = ["DESCRIPTION", "RULES", "Built", "build", "channels_last", "prepared", "same_padding", "write"]

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


def build(graph: Graph, precision: Precision = Precision.FLOAT32, *, integers: bool = False) -> Built:
    """Return a TFLite file; the same graph gives the same bytes.

    Float16 halves the file: every weight and bias is stored in half and turned back by a DEQUANTIZE, which XNNPACK and
    the GPU delegate fold away; input, output and single numbers stay float32. With `integers`, the file has a form that
    can be quantised where there is one: what integer files are made from and compared with.

    Raises:
        InputError: `precision` is neither float32 nor float16, or a tensor of more axes than TFLite reorders would have
            to be reordered.
        ExportError: a weight does not fit into float16.
    """
    if precision not in (Precision.FLOAT32, Precision.FLOAT16):
        raise InputError(
            f"this writer makes float32 and float16, not {precision}; integer files come from quantisation"
        )
    writer = Writer(prepared(graph, integers), half=precision is Precision.FLOAT16)
    inputs = {tensor.name: writer.begin(tensor.name, tensor.shape) for tensor in writer.graph.inputs}
    for node in writer.graph.nodes:
        RULES[type(node)](writer, node)
    outputs = {name: writer.index(name, standard(len(writer.shapes[name]))) for name in writer.graph.outputs}
    return Built(writer.model.pack(inputs, outputs, DESCRIPTION), writer.num_transposes)


def write(graph: Graph, precision: Precision = Precision.FLOAT32) -> bytes:
    """Return the bytes of a TFLite file: see `build`."""
    return build(graph, precision).data


def channels_last(shape: Shape) -> Shape:
    """Turn (N, C, H, W) into (N, H, W, C); other ranks stay."""
    return physical(shape, standard(len(shape)))
