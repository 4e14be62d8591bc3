"""The file under construction: which tensor, in which order of axes, stands for each name of the graph."""

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from mogakit.errors import ExportError, InputError
from mogakit.export.artifact import Precision
from mogakit.export.graph import Graph
from mogakit.export.nodes import Activation, FloatArray, Node, Padding, Shape
from mogakit.export.tflite.layout import CHANNELS_LAST, Order, moves, physical, standard
from mogakit.export.tflite_model import ModelBuilder

Operator = schema.BuiltinOperator
Options = schema.BuiltinOptions

FUSED = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}
"""Activations that ride on another operator."""

MAX_TRANSPOSED = 6
"""Axes that LiteRT's TRANSPOSE moves."""


class Writer:
    """Turns nodes into operators one by one; the rules of `tflite.RULES` call its methods."""

    def __init__(self, graph: Graph, stored: Precision = Precision.FLOAT32, left: Collection[str] = ()) -> None:
        """Start a file.

        Args:
            stored: FLOAT16 and DYNAMIC_RANGE store weights in half, and those of layers in 8 bits.
            left: names of layers whose weights stay in float.
        """
        self.graph = graph
        self.model = ModelBuilder()
        self.shapes = graph.shapes()
        self.makers = graph.makers()
        self.readers = graph.readers()
        self.flattened: dict[str, str] = {}
        self.num_transposes = 0
        self._half = stored is Precision.FLOAT16
        self._in_bytes = stored is Precision.DYNAMIC_RANGE
        self._left = frozenset(left)
        self.num_in_bytes = 0
        self._placed: dict[str, dict[Order, int]] = {}
        self._outputs = frozenset(graph.outputs)

    # Tensors by name

    def begin(self, name: str, shape: Shape) -> int:
        """Add an input of the graph, in the standard order."""
        order = standard(len(shape))
        made = self.model.activation(name, physical(shape, order))
        self._placed[name] = {order: made}
        return made

    def order(self, name: str) -> Order:
        """Return the order that a tensor was made in; of a constant, the standard one."""
        placed = self._placed.get(name)
        return next(iter(placed)) if placed else standard(len(self.shapes[name]))

    def index(self, name: str, order: Order | None = None) -> int:
        """Return the tensor of a name in an order, transposed if it is not there yet; by default in its own."""
        wanted = self.order(name) if order is None else order
        placed = self._placed.setdefault(name, {})
        if wanted not in placed:
            if name in self.graph.constants:
                placed[wanted] = self.weight(name, self.graph.constants[name].transpose(wanted))
            else:
                placed[wanted] = self._turned(name, wanted)
        return placed[wanted]

    def _turned(self, name: str, wanted: Order) -> int:
        made_in, source = next(iter(self._placed[name].items()))
        shape = self.shapes[name]
        target = physical(shape, wanted)
        if not moves(shape, made_in, wanted):
            return source if target == physical(shape, made_in) else self.reshaped(f"{name}.reshaped", source, target)
        if len(shape) > MAX_TRANSPOSED:
            raise InputError(f"{name} has {len(shape)} axes to be reordered; TFLite reorders {MAX_TRANSPOSED}")
        self.num_transposes += 1
        perm = self.integers(f"{name}.perm", [made_in.index(axis) for axis in wanted])
        final = name in self._outputs and wanted == standard(len(shape))
        turned = self.model.activation(name if final else f"{name}.turned", target)
        options = (Options.TransposeOptions, schema.TransposeOptionsT())
        self.model.operator(Operator.TRANSPOSE, [source, perm], turned, *options)
        return turned

    def reshaped(self, name: str, source: int, shape: Shape) -> int:
        """Return a tensor with the same numbers in memory under another shape."""
        made = self.model.activation(name, shape)
        self._reshape(name, source, shape, made)
        return made

    def _reshape(self, name: str, source: int, shape: Shape, made: int) -> None:
        target = self.integers(f"{name}.shape", shape)
        options = schema.ReshapeOptionsT(newShape=list(shape))
        self.model.operator(Operator.RESHAPE, [source, target], made, Options.ReshapeOptions, options)

    def lifted(self, name: str, rank: int, order: Order) -> int:
        """Return a tensor as one of `rank` axes in `order`, with axes of size 1 in front, as broadcasting has it."""
        shape = self.shapes[name]
        missing = rank - len(shape)
        if missing == 0 or int(np.prod(shape)) == 1:
            return self.index(name, order if missing == 0 else None)
        whole = (*(1,) * missing, *shape)
        if name in self.graph.constants:
            key = f"{name}.as_{rank}"
            placed = self._placed.setdefault(key, {})
            if order not in placed:
                placed[order] = self.weight(name, self.graph.constants[name].reshape(whole).transpose(order))
            return placed[order]
        own = tuple(axis - missing for axis in order if axis >= missing)
        source, target = self.index(name, own), physical(whole, order)
        leading = next((place for place, size in enumerate(target) if size != 1), 0)
        if target[min(leading, missing) :] == physical(shape, own):
            return source  # TFLite broadcasts axes that are missing in front by itself
        return self.reshaped(f"{name}.lifted", source, target)

    # Constants

    def weight(self, name: str, value: FloatArray) -> int:
        """Add a constant in the precision asked for."""
        if not self._half or value.size == 1:
            return self.model.constant(name, value)
        with np.errstate(over="ignore"):
            narrow = value.astype(np.float16)
        if not np.isfinite(narrow).all():
            raise ExportError(f"{name} holds {np.abs(value).max():g}, beyond float16's 65504; export it as float32")
        stored = self.model.constant(f"{name}.half", narrow)
        wide = self.model.activation(name, value.shape)
        self.model.operator(Operator.DEQUANTIZE, [stored], wide, Options.DequantizeOptions, schema.DequantizeOptionsT())
        return wide

    def layer_weight(self, node: Node, value: FloatArray) -> int:
        """Add the weights of a layer, output channels first: in 8 bits with a step for each channel, where asked for.

        LiteRT then scales the layer's input by the values of each run. XNNPACK does so for dense convolutions and
        linear layers only; the weights of other layers, few beside these, stay in float so that it keeps the graph.
        """
        name = f"{node.name}.weight"
        if not self._in_bytes or node.name in self._left:
            return self.weight(name, value)
        self.num_in_bytes += 1
        steps, integers = by_channel(value)
        return self.model.scaled(name, integers, steps, axis=0)

    def number(self, name: str, value: float) -> int:
        """Add a single float32 number."""
        return self.model.constant(name, np.array([value], np.float32))

    def integers(self, name: str, value: npt.ArrayLike) -> int:
        """Add an int32 constant: axes, paddings, shapes."""
        return self.model.constant(name, np.asarray(value, dtype=np.int32))

    # Operators

    def emit(
        self,
        node: Node,
        code: int,
        inputs: list[int],
        options_type: int = 0,
        options: Any = None,
        order: Order | None = None,
    ) -> None:
        """Append the operator that makes `node`'s output in an order; by default the standard one."""
        own = standard(len(node.shape)) if order is None else order
        turned = node.name in self._outputs and own != standard(len(node.shape))
        output = self.model.activation(f"{node.name}.inner" if turned else node.name, physical(node.shape, own))
        self._placed[node.name] = {own: output}
        self.model.operator(code, inputs, output, options_type, options)
        if turned:
            self._finish(node)

    def part(self, node: Node, part: str, shape: Shape, code: int, inputs: list[int], options_type: int = 0,
             options: Any = None) -> int:  # fmt: skip
        """Append an operator that makes an inner tensor of `node`, with a shape as in the file, and return it."""
        made = self.model.activation(f"{node.name}.{part}", shape)
        self.model.operator(code, inputs, made, options_type, options)
        return made

    def stand_for(self, node: Node, source: int, order: Order) -> None:
        """Let a tensor that is there stand for `node` in an order; an output of the graph gets one of its own."""
        self._placed[node.name] = {order: source}
        if node.name in self._outputs:
            self._finish(node)

    def _finish(self, node: Node) -> None:
        """Make the output tensor, which has the standard order and the graph's name."""
        wanted = standard(len(node.shape))
        made_in, source = next(iter(self._placed[node.name].items()))
        if moves(node.shape, made_in, wanted):
            self.index(node.name, wanted)
            return
        shape = physical(node.shape, wanted)
        made = self.model.activation(node.name, shape)
        self._reshape(node.name, source, shape, made)
        self._placed[node.name][wanted] = made

    def padded(self, node: Node, source: str, padding: Padding, value: float = 0.0) -> int:
        """Return the map `source`, channels last, with `padding` around it."""
        batch, channels, height, width = self.shapes[source]
        shape = (batch, height + padding.top + padding.bottom, width + padding.left + padding.right, channels)
        amounts = [[0, 0], [padding.top, padding.bottom], [padding.left, padding.right], [0, 0]]
        inputs = [self.index(source, CHANNELS_LAST), self.integers(f"{node.name}.paddings", amounts)]
        if value == 0.0:
            return self.part(node, "padded", shape, Operator.PAD, inputs, Options.PadOptions, schema.PadOptionsT())
        inputs.append(self.number(f"{node.name}.padding_value", value))
        return self.part(node, "padded", shape, Operator.PADV2, inputs, Options.PadV2Options, schema.PadV2OptionsT())


def by_channel(value: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int8]]:
    """Return a step for each channel (axis 0), and the weights in these steps: -127 to 127."""
    largest = np.abs(value).max(axis=tuple(range(1, value.ndim)))
    # The steps of a channel without weights are never used; a step of zero would be rejected.
    steps = np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny).astype(np.float32)
    integers = np.round(value / steps.reshape(-1, *(1,) * (value.ndim - 1)))
    return steps, np.clip(integers, -127, 127).astype(np.int8)


Rule: TypeAlias = Callable[[Writer, Any], None]
