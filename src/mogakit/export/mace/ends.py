"""Outputs that MACE cannot make in one piece: rows cut from maps and joined, as detectors have them.

MACE's Reshape differs between versions and runtimes, and its GPU joins channels only. So the maps themselves become the
outputs, `boxes_0`, `boxes_1`, ...: they leave MACE channels last, and one behind the other in memory they are the rows.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mogakit.errors import UnsupportedOperator
from mogakit.export import fold
from mogakit.export.graph import Graph
from mogakit.export.nodes import Concat, Node, Permute, Reshape, Shape


def maps_as_outputs(graph: Graph) -> Graph:
    """Return `graph` with each output that joins rows replaced by the maps the rows are cut from.

    Raises:
        UnsupportedOperator: one map is needed for two outputs.
    """
    makers = graph.makers()
    sources: list[str] = []
    names: list[str] = []
    for output in graph.outputs:
        node = makers.get(output)
        parts = [makers.get(name) for name in node.inputs] if isinstance(node, Concat) else [node]
        maps = [source for part in parts if (source := _cut_into_rows(graph, part)) is not None]
        if maps and len(maps) == len(parts):
            sources += maps
            names += [f"{output}_{index}" for index in range(len(maps))]
        else:
            sources.append(output)
            names.append(output)
    if tuple(sources) == graph.outputs:
        return graph
    if len(set(sources)) < len(sources):
        raise UnsupportedOperator("two outputs are cut from one map; a MACE file gives a tensor once")
    return fold.name_outputs(fold.drop_unread(replace(graph, outputs=tuple(sources))), tuple(names))


def _cut_into_rows(graph: Graph, node: Node | None) -> str | None:
    """Return the map whose pixels `node` holds as rows, (N, A*V, H, W) as (N, H*W*A, V), or None."""
    makers = graph.makers()
    turned = makers.get(node.inputs[0]) if isinstance(node, Reshape) and len(node.shape) == 3 else None
    if node is None or not isinstance(turned, Permute) or turned.axes != (0, 2, 3, 1):
        return None
    return turned.inputs[0] if turned.shape[0] == node.shape[0] and turned.shape[3] % node.shape[2] == 0 else None


def joined(found: Sequence[NDArray[np.float32]], shapes: Sequence[Shape]) -> list[NDArray[np.float32]]:
    """Return what a MACE file gives (NHWC) in torch's `shapes`: undo `maps_as_outputs`, the layout, and the rank."""
    left = list(found)
    results = []
    for shape in shapes:
        if len(shape) == 3:
            rows = [left.pop(0).reshape(shape[0], -1, shape[2])]
            while sum(part.shape[1] for part in rows) < shape[1] and left:
                rows.append(left.pop(0).reshape(shape[0], -1, shape[2]))
            results.append(np.concatenate(rows, axis=1))
        elif len(shape) == 4:
            results.append(left.pop(0).transpose(0, 3, 1, 2))
        else:
            results.append(left.pop(0).reshape(shape))
    return results
