"""Passes over a `Graph` that take away what only moves numbers: pads, expansions, chains of reshapes."""

from dataclasses import replace

import numpy as np

from mogakit.export.graph import Graph
from mogakit.export.nodes import (
    Add,
    Binary,
    Conv2d,
    Expand,
    Linear,
    Mul,
    Node,
    Pad,
    Padding,
    PadKind,
    Permute,
    Pool,
    PoolKind,
    Reshape,
)

NEVER_WINS = float(np.finfo(np.float32).min)
"""Padding at or below this has no part in a maximum."""


def simplify(graph: Graph) -> Graph:
    """Apply every pass of this module; outputs keep their nodes."""
    for pass_ in (linear_over_last_axis, join_moves, absorb_pads, skip_expansions):
        graph = pass_(graph)
    return graph


def join_moves(graph: Graph) -> Graph:
    """Make one reshape of two in a row and one permutation of two; what moves nothing disappears."""
    shapes = graph.shapes()
    made: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        node = replace(node, inputs=tuple(renamed.get(name, name) for name in node.inputs))
        before = made.get(node.inputs[0]) if node.inputs else None
        if isinstance(node, Reshape) and isinstance(before, Reshape):
            node = replace(node, inputs=before.inputs)
        if isinstance(node, Permute) and isinstance(before, Permute):
            node = replace(node, inputs=before.inputs, axes=tuple(before.axes[axis] for axis in node.axes))
        still = (isinstance(node, Permute) and node.axes == tuple(range(len(node.shape)))) or (
            isinstance(node, Reshape) and node.shape == shapes[node.inputs[0]]
        )
        if still and node.name not in graph.outputs:
            renamed[node.name] = node.inputs[0]
            continue
        made[node.name] = node
    return replace(graph, nodes=tuple(made.values()))


def linear_over_last_axis(graph: Graph) -> Graph:
    """Apply linear layers to tensors of any rank: torch flattens the axes before the last one, and cuts them again."""
    shapes, readers = graph.shapes(), graph.readers()
    made: dict[str, Node] = {}
    for node in graph.nodes:
        layer = made.get(node.inputs[0]) if isinstance(node, Reshape) else None
        flat = made.get(layer.inputs[0]) if isinstance(layer, Linear) else None
        if isinstance(layer, Linear) and isinstance(flat, Reshape):
            source = shapes[flat.inputs[0]]
            fits = (*source[:-1], layer.weight.shape[0]) == node.shape and source[-1] == layer.weight.shape[1]
            alone = len(readers[layer.name]) == 1 and layer.name not in graph.outputs
            if fits and alone:
                del made[layer.name]
                node = replace(layer, name=node.name, inputs=flat.inputs, shape=node.shape)
        made[node.name] = node
    return replace(graph, nodes=tuple(made.values()))


def absorb_pads(graph: Graph) -> Graph:
    """Move padding of maps into the convolutions and pooling windows that read it."""
    pads: dict[str, Pad] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, Pad) and node.kind is PadKind.CONSTANT and not _beyond_maps(node):
            pads[node.name] = node
        while node.inputs and (pad := pads.get(node.inputs[0])) is not None and pad is not node:
            joined = _padded(node, pad)
            if joined is None:
                break
            node = joined
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _beyond_maps(pad: Pad) -> bool:
    """Return whether anything but height and width of a map is padded."""
    return len(pad.shape) != 4 or any((*pad.before[:2], *pad.after[:2]))


def _padded(node: Node, pad: Pad) -> Node | None:
    """Return `node` reading what `pad` reads, where that is the same function."""
    padding = Padding(pad.before[2], pad.after[2], pad.before[3], pad.after[3])
    match node:
        case Conv2d() if pad.value == 0:
            return replace(node, inputs=pad.inputs, padding=_joined(padding, node.padding))
        case Pool(kind=PoolKind.MAX) if pad.value <= NEVER_WINS:
            return replace(node, inputs=pad.inputs, padding=_joined(padding, node.padding))
        case Pool(kind=PoolKind.AVERAGE) if pad.value == 0 and (node.counts_padding or not node.padding):
            return replace(node, inputs=pad.inputs, padding=_joined(padding, node.padding), counts_padding=True)
    return None


def _joined(first: Padding, second: Padding) -> Padding:
    return Padding(
        first.top + second.top, first.bottom + second.bottom, first.left + second.left, first.right + second.right
    )


def skip_expansions(graph: Graph) -> Graph:
    """Let arithmetic read what an expansion reads: it broadcasts by itself."""
    shapes, makers = graph.shapes(), graph.makers()
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node, Add | Mul | Binary):
            inputs = list(node.inputs)
            for place, name in enumerate(inputs):
                maker = makers.get(name)
                if isinstance(maker, Expand):
                    shorter = [*inputs[:place], maker.inputs[0], *inputs[place + 1 :]]
                    if np.broadcast_shapes(*(shapes[one] for one in shorter)) == node.shape:
                        inputs = shorter
            node = replace(node, inputs=tuple(inputs))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def separate_outputs(graph: Graph) -> Graph:
    """Give an output that is also an input, a constant or another output a node of its own."""
    taken = {tensor.name for tensor in graph.inputs} | set(graph.constants)
    shapes = graph.shapes()
    nodes, outputs = list(graph.nodes), []
    for index, name in enumerate(graph.outputs):
        if name in taken:
            copy = f"{name}.returned_{index}"
            nodes.append(Reshape(name=copy, inputs=(name,), shape=shapes[name]))
            name = copy
        taken.add(name)
        outputs.append(name)
    return replace(graph, nodes=tuple(nodes), outputs=tuple(outputs))
