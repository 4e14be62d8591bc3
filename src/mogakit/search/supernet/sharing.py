"""How networks of a `StagedSpace` share weights: one set a stage and layer, the widest, of which paths take slices.

From TuNAS (Bender et al., arXiv 2008.06120, and the authors' code): weights belong to a stage and a layer within it, so
that a layer more in one stage leaves all others alone; filters, those of an expansion included, are chosen by masking
the widest convolution; kernels have a convolution each; what stands around the choice (expansion and projection of a
bottleneck, whatever its kernel and whether it has squeeze-and-excitation) is one.

Ours: filters are cut off instead of masked, with equal outputs; regular, fused, separable and bottleneck layers share
nothing but their place, since their convolutions read different values; a batch norm belongs to its convolution and is
shared with it (TuNAS always normalises by the batch, here running statistics are kept too and recalibrated before a
network is scored or extracted); absent layers are the last of their stage.
"""

import re
from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mogakit.errors import CheckpointError, InputError
from mogakit.nets.block import Block, Op
from mogakit.nets.modules import block_module
from mogakit.nets.spaces import StagedSpace
from mogakit.nets.spaces.staged import PlacedBlock

_SPATIAL: Mapping[Op, str] = {Op.CONV: "conv", Op.SEP: "depthwise", Op.MB: "depthwise", Op.FUSED: "expand"}
"""The role within a block's module that has the kernel; there is one of it for each kernel."""

_CONVOLUTIONS: Mapping[Op, tuple[str, ...]] = {
    Op.CONV: ("conv",),
    Op.SEP: ("depthwise", "project"),
    Op.MB: ("expand", "depthwise", "project"),
    Op.FUSED: ("expand", "project"),
}
"""The convolutions of a body's module, by their names there."""

_ROWS = torch.contiguous_format

_PART = re.compile(rf"(\d+)-(\d+):({'|'.join(Op)})-([a-z]+)(?:-k(\d+))?", re.ASCII)


class SharedBlock(nn.Module):
    """A block that computes with the leading filters of parts that others compute with too; it owns no weights.

    Attributes:
        block: what it computes.
        parts: the modules that hold its weights, at their widest, by role.
    """

    def __init__(
        self, block: Block, template: nn.Module, parts: Mapping[str, nn.Module], layout: torch.memory_format
    ) -> None:
        """Take the block's own module, without storage, for its forward pass, and the layout of weights in it."""
        super().__init__()
        self.block = block
        self.parts = nn.ModuleDict(parts)
        self._template = (template,)  # in a tuple: not a child, since its weights are not this module's
        self._layout = torch.contiguous_format if layout is torch.preserve_format else layout
        shapes = {name: value.shape for name, value in template.state_dict().items()}
        self._shapes = {role: _below(role, shapes) for role in parts}

    @property
    def template(self) -> nn.Module:
        """The block's own module, without storage, for its forward pass alone."""
        return self._template[0]

    def weights(self) -> dict[str, Tensor]:
        """Return the block's own state, by the names of `block_module(block)`, as views of the shared weights."""
        found = {}
        for role, part in self.parts.items():
            whole = dict(chain(part.named_parameters(), part.named_buffers()))
            for name, shape in self._shapes[role].items():
                found[f"{role}.{name}"] = take_slice(whole[name], shape)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H', W'), or to logits behind a head."""
        template = self.template
        training = next(iter(self.parts.values())).training
        if template.training is not training:
            template.train(training)
        # Dense as a network's own weights are, so that convolutions round alike. Running statistics stay the views
        # that they are, since they are updated in place.
        weights = self.weights()
        for name, value in weights.items():
            if value.ndim > 1:
                weights[name] = value.contiguous(memory_format=self._layout if value.ndim == 4 else _ROWS)
        result: Tensor = functional_call(template, weights, (x,))
        return result


def take_slice(value: Tensor, shape: torch.Size) -> Tensor:
    """Cut leading channels (axes 0 and 1) and the centre of a kernel (axes 2 and 3)."""
    for axis, wanted in enumerate(shape):
        if value.shape[axis] != wanted:
            start = (value.shape[axis] - wanted) // 2 if axis >= 2 else 0
            value = value.narrow(axis, start, wanted)
    return value


def part_names_of(placed: PlacedBlock) -> dict[str, str]:
    """Return the names of the parts that a block shares, by role: `3-0:mb-depthwise-k5` is of stage 3, layer 0."""
    block = placed.block
    names = {}
    for role in _roles(block):
        kernel = f"-k{block.kernel}" if _SPATIAL.get(block.op) == role else ""
        names[role] = f"{placed.stage}-{placed.layer}:{block.op}-{role}{kernel}"
    return names


def _roles(block: Block) -> list[str]:
    """Return the names of the children of a block's module that have weights."""
    if block.op is Op.HEAD:
        optional = (("features", block.features), ("hidden", block.hidden))
        return [*(role for role, width in optional if width is not None), "classifier"]
    return [*_CONVOLUTIONS[block.op], *(["se"] if block.se is not None else [])]


def parse_part(space: StagedSpace, name: str) -> tuple[Block, str]:
    """Return the widest block that a part belongs to, and its role there.

    Raises:
        CheckpointError: the name is not that of a part of the space.
    """
    found = _PART.fullmatch(name)
    if found is not None:
        stage, layer, op, role, kernel = found.groups()
        try:
            return space.widest(int(stage), int(layer), Op(op), int(kernel) if kernel else None), role
        except InputError as error:
            raise CheckpointError(f"the supernet's part {name!r} is not of the space: {error}") from error
    raise CheckpointError(
        f"the supernet's part {name!r} is that of an earlier version, in which networks of space {space.name!r} did "
        "not share weights by stage and layer; such weights cannot be converted: train the supernet again"
    )


def make_part(space: StagedSpace, name: str, device: torch.device) -> nn.Module:
    """Build a part at its widest, its weights not yet set."""
    block, role = parse_part(space, name)
    with torch.device("meta"):
        part = block_module(block).get_submodule(role)
    return part.to_empty(device=device)


def _below(role: str, shapes: Mapping[str, torch.Size]) -> dict[str, torch.Size]:
    start = f"{role}."
    return {name.removeprefix(start): shape for name, shape in shapes.items() if name.startswith(start)}
