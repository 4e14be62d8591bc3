"""A graph in the form in which TFLite's operators can say it."""

from dataclasses import replace
from enum import StrEnum

import numpy as np

from mogakit.export import fold, spell
from mogakit.export.graph import Graph
from mogakit.export.nodes import Activation, BlocksFirst, Conv2d, DepthToSpace, Gather, Mul, Node, Pool, PoolKind
from mogakit.export.tflite.integers import integer_ready
from mogakit.export.tflite.windows import area, scheme_of


class Form(StrEnum):
    """What the operators of a file have to be able to do."""

    FLOAT = "float"
    BYTES = "bytes"  # become 8-bit integers by LiteRT's quantiser
    WORDS = "words"  # become 16-bit activations with 8-bit weights


SPELLED = (Activation.HSIGMOID, Activation.SILU, Activation.MISH, Activation.SOFTPLUS, Activation.NEG)
WITHOUT_WORDS = (Activation.HSWISH, Activation.GELU_TANH)
"""Activations that have no kernel of 16 bits."""


def prepared(graph: Graph, form: Form = Form.FLOAT) -> Graph:
    """Return `graph` with h-sigmoid and the like spelled out, relu fused, channels and averages as TFLite has them.

    In the other forms, only in operators that LiteRT's quantiser knows, where there is such a form.
    """
    graph = spell.split_activations(graph, (*SPELLED, *WITHOUT_WORDS) if form is Form.WORDS else SPELLED)
    if form is not Form.FLOAT:
        graph = integer_ready(graph, words=form is Form.WORDS)
    graph = fold.fuse_activations(fold.fold_scales(graph), (Activation.RELU, Activation.RELU6))
    return blocks_first(averages_over_padding(graph))


def averages_over_padding(graph: Graph) -> Graph:
    """Turn averages that leave padding out, where SAME does not do so, into ones that count it, times a correction."""
    shapes, constants = graph.shapes(), dict(graph.constants)
    nodes: list[Node] = []
    for node in graph.nodes:
        if not isinstance(node, Pool) or node.kind is not PoolKind.AVERAGE or node.counts_padding:
            nodes.append(node)
            continue
        before = shapes[node.inputs[0]]
        if scheme_of(before, node) is not None:
            nodes.append(node)
            continue
        pads = ((node.padding.top, node.shape[2]), (node.padding.left, node.shape[3]))
        held = [
            np.minimum(np.arange(count) * step - first + window, size) - np.maximum(np.arange(count) * step - first, 0)
            for (first, count), step, window, size in zip(pads, node.stride, node.kernel, before[2:], strict=True)
        ]
        inner, factor = f"{node.name}.counted", f"{node.name}.factor"
        constants[factor] = (area(node) / np.outer(*held)).astype(np.float32)[None, None]
        nodes.append(replace(node, name=inner, counts_padding=True))
        nodes.append(Mul(name=node.name, inputs=(inner, factor), shape=node.shape))
    return replace(graph, nodes=tuple(nodes), constants=constants)


def blocks_first(graph: Graph) -> Graph:
    """Put the channels before a pixel shuffle in TFLite's order, in the convolution before it, else by a gather."""
    readers = graph.readers()
    made: dict[str, Node] = {}
    for node in graph.nodes:
        if not isinstance(node, DepthToSpace):
            made[node.name] = node
            continue
        source, block, channels = node.inputs[0], node.block, node.shape[1]
        # Place (i, j, c) of TFLite takes torch's channel c * b * b + i * b + j.
        taken = np.arange(channels * block * block).reshape(channels, block, block).transpose(1, 2, 0).reshape(-1)
        maker = made.get(source)
        alone = len(readers[source]) == 1 and source not in graph.outputs
        if isinstance(maker, Conv2d) and maker.groups == 1 and alone:
            made[source] = replace(maker, weight=maker.weight[taken], bias=maker.bias[taken])
        else:
            source = f"{node.name}.channels"
            shape = (node.shape[0], len(taken), node.shape[2] // block, node.shape[3] // block)
            indices = tuple(int(index) for index in taken)
            made[source] = Gather(name=source, inputs=node.inputs, shape=shape, axis=1, indices=indices)
        made[node.name] = BlocksFirst(name=node.name, inputs=(source,), shape=node.shape, block=block)
    return replace(graph, nodes=tuple(made.values()))
