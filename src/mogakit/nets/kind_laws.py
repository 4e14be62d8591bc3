"""What every block keeps to, of the kit's kinds and of a user's: checked on the module that it becomes."""

import torch

from mogakit.errors import InputError
from mogakit.nets.block import Block, Op, parse_key
from mogakit.nets.modules import build_block
from mogakit.nets.network import block_layers, count_params


def broken_block_laws(block: Block) -> tuple[str, ...]:
    """Return what a block does that no block may do, in words; empty where it keeps to all laws.

    1. Its key reads back to it.
    2. Its module maps (N, in, H, W) to (N, out, H', W') with `H' = output_size`; a head to (N, classes).
    3. Its module has the parameters that its layers count.
    4. Its module gives every image of a batch what it gives the image alone.
    5. Built twice from one seed, it has the same weights.
    """
    found = [] if parse_key(block.key) == block else [f"the key {block.key} reads back to another block"]
    module, again = build_block(block), build_block(block)
    size, classes = block.output_size, block.op is Op.HEAD
    images = torch.rand(2, block.in_channels, block.input_size, block.input_size, generator=torch.Generator())
    with torch.no_grad():
        both, one = module(images), module(images[:1])
    shape = (2, block.out_channels) if classes else (2, block.out_channels, size, size)
    if tuple(both.shape) != shape:
        found.append(f"{block.key} gives the shape {tuple(both.shape)}, not {shape}")
    elif not torch.allclose(both[:1], one, rtol=1e-4, atol=1e-5):
        found.append(f"{block.key} gives an image another result alone than in a batch")
    counted, built = count_params(block), sum(each.numel() for each in module.parameters())
    if counted != built:
        roles = ", ".join(layer.role for layer in block_layers(block))
        found.append(f"{block.key} counts {counted} parameters ({roles}) and its module has {built}")
    if any(
        not torch.equal(a, b) for a, b in zip(module.state_dict().values(), again.state_dict().values(), strict=True)
    ):
        found.append(f"{block.key} is built with other weights from the same seed")
    return tuple(found)


def check_block(block: Block) -> None:
    """Raise where `broken_block_laws` finds something.

    Raises:
        InputError: the block breaks a law; the message lists every one that it breaks.
    """
    found = broken_block_laws(block)
    if found:
        raise InputError(f"block {block.key} cannot be used: {'; '.join(found)}")
