"""What a block's layers compute and move: the terms that a physical model of its latency adds up."""

from collections import defaultdict
from collections.abc import Hashable, Iterator

from mogakit.nets.block import Activation, Block
from mogakit.nets.layer import Layer
from mogakit.nets.network import block_layers


def layer_terms(block: Block) -> Iterator[tuple[Hashable, dict[str, float]]]:
    """Yield for each layer of a block what tells it from other layers, and its terms.

    Terms are millions of multiply-accumulates by kind of convolution and kernel, of weights, of activation values read
    and written, and the number of layers. What belongs to no single layer (the block itself, its addition, its
    squeeze-and-excitation's multiplication) comes last. Two layers of one shape, in whatever blocks, are one thing to
    a runtime.
    """
    for layer in block_layers(block):
        shape = "depthwise" if layer.groups > 1 else "dense"
        kind = "vector" if layer.output_size == 1 else f"{shape} {layer.kernel}"
        before = _input_size(layer, block)
        terms = {
            f"MAdds of {kind}": layer.madds / 1e6,
            "weights": layer.num_weights / 1e6,
            "layers": 1.0,
            f"values of {shape}": (layer.in_channels * before**2 + layer.out_channels * layer.output_size**2) / 1e6,
        }
        smooth = block.activation in (Activation.HSWISH, Activation.SILU)
        if smooth:
            terms["values of smooth activations"] = layer.out_channels * layer.output_size**2 / 1e6
        same = (kind, layer.in_channels, layer.out_channels, before, layer.output_size, smooth)
        yield same, terms
    yield ("block", block.key), _terms_of_the_whole(block)


def block_terms(block: Block) -> dict[str, float]:
    """Return the terms of a block, summed over its layers."""
    found: dict[str, float] = defaultdict(float)
    for _, terms in layer_terms(block):
        for name, value in terms.items():
            found[name] += value
    return found


def _terms_of_the_whole(block: Block) -> dict[str, float]:
    terms = {"blocks": 1.0}
    if block.residual or block.pool_skip:
        terms["values added"] = block.out_channels * block.output_size**2 / 1e6
    if block.se is not None:
        terms["values scaled"] = (block.expanded_channels or block.in_channels) * block.output_size**2 / 1e6
    return terms


def _input_size(layer: Layer, block: Block) -> int:
    """Return the height and width of a layer's input: the block's before the stride, the layer's own after it."""
    if layer.output_size == 1:
        return 1
    return block.input_size if layer.kernel > 1 or layer.output_size == block.input_size else layer.output_size
