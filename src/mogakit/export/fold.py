"""Passes over a `Graph` that keep its function: recognise activations spelled out, fold scales into weights, fuse.

Each pass takes a graph and returns one. `tidy` is what every lowered graph goes through; `fuse_activations` is for the
formats whose operators carry an activation.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from mogakit.export.graph import Graph
from mogakit.export.nodes import Activate, Activation, Add, Conv2d, FloatArray, Linear, Mul, Node, Reshape
from mogakit.export.simplify import separate_outputs, simplify


def tidy(graph: Graph, output_names: tuple[str, ...] = ()) -> Graph:
    """Recognise spelled-out activations, fold batch norms and other scales, drop what nothing reads, name the outputs.

    Activations come first: folding the `+ 3` of a spelled-out h-swish into the convolution before it would hide it.
    """
    for pass_ in (separate_outputs, simplify, recognise_activations, fold_scales, drop_unread):
        graph = pass_(graph)
    return name_outputs(graph, output_names)


def recognise_activations(graph: Graph) -> Graph:
    """Turn relu6(x + 3) / 6, x times that (in either order of the division), and x * sigmoid(x) into one node each."""
    makers = graph.makers()

    def scalar(name: str, value: float) -> bool:
        constant = graph.constants.get(name)
        return constant is not None and constant.size == 1 and bool(np.isclose(constant.item(), value, rtol=1e-6))

    def shifted_relu6(name: str) -> str | None:
        """Return x where `name` is relu6(x + 3)."""
        clamp = makers.get(name)
        if not (isinstance(clamp, Activate) and clamp.function is Activation.RELU6):
            return None
        shift = makers.get(clamp.inputs[0])
        return shift.inputs[0] if isinstance(shift, Add) and scalar(shift.inputs[1], 3.0) else None

    def spelled_out(node: Node) -> tuple[Activation, str] | None:
        """Return the activation that `node` ends, and what it is applied to."""
        if not isinstance(node, Mul):
            return None
        left, right = node.inputs
        if scalar(right, 1 / 6):
            source = shifted_relu6(left)
            if source is not None:
                return Activation.HSIGMOID, source
            product = makers.get(left)
            if isinstance(product, Mul):
                for one, other in (product.inputs, product.inputs[::-1]):
                    if shifted_relu6(other) == one:
                        return Activation.HSWISH, one
        for one, other in ((left, right), (right, left)):
            gate = makers.get(other)
            if isinstance(gate, Activate) and gate.inputs[0] == one:
                whole = {Activation.HSIGMOID: Activation.HSWISH, Activation.SIGMOID: Activation.SILU}
                if gate.function in whole:
                    return whole[gate.function], one
        return None

    nodes: list[Node] = []
    for node in graph.nodes:
        found = spelled_out(node)
        if found is not None:
            node = Activate(name=node.name, inputs=(found[1],), shape=node.shape, function=found[0])
            makers[node.name] = node
        nodes.append(node)
    return drop_unread(replace(graph, nodes=tuple(nodes)))


def fold_scales(graph: Graph) -> Graph:
    """Fold constant factors and shifts per channel (batch norm is both) into the convolution or linear layer before."""

    def absorb(maker: Node, node: Node) -> Node | None:
        if not isinstance(maker, Conv2d | Linear) or maker.activation is not Activation.NONE:
            return None
        if not isinstance(node, Add | Mul) or node.shape != maker.shape:
            return None
        constant = graph.constants.get(node.inputs[1])
        axis = 1 if isinstance(maker, Conv2d) else len(maker.shape) - 1
        channels = None if constant is None else _per_channel(constant, maker.shape, axis)
        if channels is None:
            return None
        if isinstance(node, Add):
            return replace(maker, bias=_float32(maker.bias + channels))
        weight = maker.weight * channels.reshape(-1, *(1,) * (maker.weight.ndim - 1))
        return replace(maker, weight=_float32(weight), bias=_float32(maker.bias * channels))

    return _absorb_readers(graph, absorb)


def _per_channel(
    constant: FloatArray, shape: tuple[int, ...], channels: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]] | None":
    """Return `constant` as one number a channel (an axis of `shape`), or None where it varies along another axis."""
    padded = (1,) * (len(shape) - constant.ndim) + constant.shape
    if len(padded) != len(shape) or any(size != 1 for axis, size in enumerate(padded) if axis != channels):
        return None
    return np.broadcast_to(constant.reshape(-1).astype(np.float64), (shape[channels],))


def _float32(value: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> FloatArray:
    return np.ascontiguousarray(value, dtype=np.float32)


def fuse_activations(graph: Graph, kinds: Collection[Activation]) -> Graph:
    """Move activations of `kinds` into the convolution, linear, add or mul node that alone feeds them."""

    def absorb(maker: Node, node: Node) -> Node | None:
        if not isinstance(maker, Conv2d | Linear | Add | Mul) or maker.activation is not Activation.NONE:
            return None
        if not isinstance(node, Activate) or node.function not in kinds:
            return None
        return replace(maker, activation=node.function)

    return _absorb_readers(graph, absorb)


def _absorb_readers(graph: Graph, absorb: Callable[[Node, Node], Node | None]) -> Graph:
    """Replace a node and its only reader by what `absorb` makes of them, repeatedly.

    The name of the first stays, except where the second is an output of the graph: that name is known outside. A node
    that is itself an output is never absorbed into, since its own value is read.
    """
    readers = graph.readers()
    made: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        node = replace(node, inputs=_rename(node.inputs, renamed))
        maker = made.get(node.inputs[0]) if node.inputs else None
        if maker is not None and maker.name not in graph.outputs and len(readers.get(maker.name, ())) == 1:
            joined = absorb(maker, node)
            if joined is not None and node.name in graph.outputs:
                del made[maker.name]
                node = replace(joined, name=node.name)
            elif joined is not None:
                made[maker.name] = joined
                renamed[node.name] = maker.name
                readers[maker.name] = readers.get(node.name, ())
                continue
        made[node.name] = node
    return _without_unread_constants(replace(graph, nodes=tuple(made.values())))


def linear_as_convolution(graph: Graph) -> Graph:
    """Turn linear layers into 1x1 convolutions on 1x1 maps, for converters that run those on a GPU and not the others.

    A flatten of a 1x1 map before such a layer is skipped over; only a Reshape to (N, O) after it stays.
    """
    makers = graph.makers()
    shapes = graph.shapes()
    nodes: list[Node] = []
    for node in graph.nodes:
        if not isinstance(node, Linear) or len(node.shape) != 2:
            nodes.append(node)
            continue
        source = node.inputs[0]
        maker = makers.get(source)
        map_shape = (shapes[source][0], shapes[source][1], 1, 1)
        if isinstance(maker, Reshape) and shapes[maker.inputs[0]] == map_shape:
            source = maker.inputs[0]
        else:
            reshaped = f"{node.name}.map"
            nodes.append(Reshape(name=reshaped, inputs=(source,), shape=map_shape))
            source = reshaped
        conv = Conv2d(
            name=f"{node.name}.conv",
            inputs=(source,),
            shape=(*node.shape, 1, 1),
            weight=node.weight[:, :, None, None],
            bias=node.bias,
            activation=node.activation,
        )
        nodes += [conv, Reshape(name=node.name, inputs=(conv.name,), shape=node.shape)]
        makers[node.name] = nodes[-1]
        shapes[conv.name] = conv.shape
    return drop_unread(replace(graph, nodes=tuple(nodes)))


def drop_unread(graph: Graph) -> Graph:
    """Drop nodes and constants that no output depends on."""
    wanted = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    return _without_unread_constants(replace(graph, nodes=tuple(reversed(kept))))


def _without_unread_constants(graph: Graph) -> Graph:
    read = {name for node in graph.nodes for name in node.inputs}
    return replace(graph, constants={name: value for name, value in graph.constants.items() if name in read})


def name_outputs(graph: Graph, wanted: tuple[str, ...] = ()) -> Graph:
    """Name the outputs as `wanted`, which an app's author looks for in a file.

    Without it, the only output is called `output`, and several `output_0`, `output_1`, ...
    """
    if not wanted:
        count = len(graph.outputs)
        wanted = ("output",) if count == 1 else tuple(f"output_{index}" for index in range(count))
    names = dict(zip(graph.outputs, wanted, strict=True))
    clashes = set(names.values()) & (set(graph.makers()) | set(graph.constants)) - set(names)
    names.update((name, f"{name}.inner") for name in clashes)
    nodes = tuple(
        replace(node, name=names.get(node.name, node.name), inputs=_rename(node.inputs, names)) for node in graph.nodes
    )
    constants = {names.get(name, name): value for name, value in graph.constants.items()}
    return replace(graph, nodes=nodes, outputs=_rename(graph.outputs, names), constants=constants)


def _rename(names: Iterable[str], new: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(new.get(name, name) for name in names)
