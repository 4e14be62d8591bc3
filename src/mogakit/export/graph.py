"""`Graph`: a network as a list of typed nodes, the one thing that every writer reads.

Layout. Shapes and axes are those of torch: maps are `(N, C, H, W)`, convolution weights `(O, I/groups, KH, KW)`, linear
weights `(O, I)`, all float32. The order in memory is the business of a writer: one whose format wants channels last
keeps, for each tensor, the order its axes have in the file, so that a permutation costs nothing until an operator
demands another order (`tflite.layout`).

Names. A node has one output, and both carry the node's name, which is unique in the graph; names come from module
paths (`blocks.3.expand.conv`), so that a tensor in a file can be traced to its layer.

Batch normalisation has been folded. Activations stand as nodes of their own until `fold.fuse_activations` moves those
that a format can fuse into the node before them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mogakit.export.nodes import FloatArray, Node, Shape


@dataclass(frozen=True)
class Tensor:
    """A graph input."""

    name: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which they can run.

    Attributes:
        inputs: what is fed.
        nodes: each reads inputs, constants and earlier nodes only.
        outputs: names of the nodes that are read out.
        constants: float32 operands; the weights of layers lie in their nodes.
    """

    inputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {tensor.name for tensor in self.inputs} | set(self.constants)
        if len(known) != len(self.inputs) + len(self.constants):
            raise ValueError("two graph inputs or constants share a name")
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing:
                raise ValueError(f"node {node.name!r} reads {missing[0]!r}, which is neither an input nor before it")
            if node.name in known:
                raise ValueError(f"the name {node.name!r} is used twice in the graph")
            known.add(node.name)
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"the graph's output {name!r} is made by no node")

    def shapes(self) -> dict[str, Shape]:
        """Return the shape of every tensor: inputs, constants and node outputs."""
        found: dict[str, Shape] = {tensor.name: tensor.shape for tensor in self.inputs}
        found.update((name, value.shape) for name, value in self.constants.items())
        found.update((node.name, node.shape) for node in self.nodes)
        return found

    def makers(self) -> dict[str, Node]:
        """Return the node behind each name."""
        return {node.name: node for node in self.nodes}

    def readers(self) -> dict[str, tuple[Node, ...]]:
        """Return the nodes that read each tensor; one that no node reads is absent."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}
