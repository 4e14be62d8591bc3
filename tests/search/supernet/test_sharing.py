"""Supernets of staged spaces: one set of weights for each stage and layer."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mogakit.errors import CheckpointError, InputError
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.modules import block_module
from mogakit.nets.network import count_params
from mogakit.nets.spaces import Chromosome, StagedSpace, get_space
from mogakit.nets.spaces.staged import LayerChoice, Shortcut, Stage
from mogakit.search.supernet.model import Supernet, set_dropout
from mogakit.search.supernet.sharing import SharedBlock
from mogakit.search.supernet.train import load_supernet
from mogakit.search.supernet.warm_up import operations, warmed_logits
from mogakit.training.checkpoint import save_checkpoint

STAGED = ("multi-hardware", "mnasnet", "tunas-proxyless")


def staged(name: str, size: int = 32) -> StagedSpace:
    space = get_space(name, size, 10)
    assert isinstance(space, StagedSpace)
    return space


def tiny_space(shared: bool = False, skippable: bool = False) -> StagedSpace:
    """Two stages of four operations (bottleneck and fused, kernels 3 and 5) in two expansions."""
    choices = tuple(
        LayerChoice(op=op, kernel=kernel, expansion=expansion, se=op is Op.MB and kernel == 5)
        for op in (Op.MB, Op.FUSED)
        for kernel in (3, 5)
        for expansion in (1, 2)
    )
    depths = (3,) if skippable else (1, 2, 3)
    stem = Stage(filters=(4, 8), stride=1, choices=(LayerChoice(op=Op.CONV, kernel=3, shortcut=Shortcut.NONE),))
    body = Stage(filters=(8, 4, 12), stride=2, choices=choices, depths=depths, shared=shared, skippable=skippable)
    head = Block(Op.HEAD, 8, 10, 2, activation=Activation.RELU, features=16)
    return StagedSpace(
        name="tiny",
        stages=(stem, body, body),
        head=head,
        input_size=8,
        activation=Activation.RELU,
        norm_eps=1e-3,
    )


TINY = (tiny_space(), tiny_space(shared=True), tiny_space(skippable=True))


def paths_of(space: StagedSpace, number: int, seed: int = 0) -> list[Chromosome]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(number)]


def images(size: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def largest_params(space: StagedSpace) -> int:
    """The largest network: every stage at its widest and deepest, every layer the choice with the most parameters."""
    genes = [
        [stage.filters.index(max(stage.filters)), stage.depths.index(max(stage.depths)), *[0] * (len(stage.genes) - 2)]
        for stage in space.stages
    ]

    def params() -> int:
        return sum(count_params(placed.block) for placed in space.place(genes))

    for stage, row in zip(space.stages, genes, strict=True):
        for gene in range(2, len(row)):
            sizes = []
            for row[gene] in range(len(stage.choices)):
                sizes.append(params())
            row[gene] = sizes.index(max(sizes))
    return params()


@pytest.mark.parametrize(("name", "millions"), [("multi-hardware", 237.0), ("mnasnet", 25.0)])
def test_all_networks_of_a_space_have_less_than_three_times_the_largest_one_s_weights(
    name: str, millions: float
) -> None:
    """Five thousand sampled paths; their weights are counted without storage."""
    space = staged(name)
    supernet = Supernet(space).to("meta")
    for path in paths_of(space, 5000):
        supernet.parts_of(path)
    counted = sum(weight.numel() for weight in supernet.parameters())
    assert counted == pytest.approx(millions * 1e6, rel=0.01)
    assert counted <= 3 * largest_params(space)


@given(st.integers(0, 10**6), st.sampled_from(STAGED))
@settings(max_examples=8)
def test_a_block_that_two_networks_have_in_the_same_place_is_one_module(seed: int, name: str) -> None:
    space = staged(name)
    supernet = Supernet(space).to("meta")
    one, two = paths_of(space, 2, seed)
    changed = seed % len(one)
    mixed = (*one[:changed], two[changed], *one[changed + 1 :])
    first, second = (
        {(p.stage, p.layer, p.block): module for p, module in zip(placed, supernet.path(path), strict=True)}
        for path in (one, mixed)
        for placed in [space.place(space.stage_genes(path))]
    )
    common = first.keys() & second.keys()
    assert common
    assert all(first[key] is second[key] for key in common)


def test_a_layer_more_in_one_stage_leaves_the_weights_of_all_others_alone() -> None:
    space = staged("multi-hardware")
    supernet = Supernet(space).to("meta")
    (path,) = paths_of(space, 1)
    # genes: filters of the stem, then filters, depth and four layers of each stage
    short, long = ((*path[:2], depth, *path[3:]) for depth in (0, 3))
    after = [len([p for p in space.place(space.stage_genes(each)) if p.stage > 1]) for each in (short, long)]
    assert after[0] == after[1]
    assert supernet.path(short)[-after[0] :] == supernet.path(long)[-after[0] :]


@pytest.mark.parametrize("space", TINY, ids=("apart", "shared", "skippable"))
def test_every_network_s_state_is_the_leading_filters_of_shared_weights(space: StagedSpace) -> None:
    supernet = Supernet(space, seed=1)
    for path in paths_of(space, 20):
        placed = space.place(space.stage_genes(path))
        assert tuple(p.block for p in placed) == space.decode(path).blocks
        for module in supernet.path(path):
            assert isinstance(module, SharedBlock)
            state = module.weights()
            own = block_module(module.block).state_dict()
            assert {name: value.shape for name, value in state.items()} == {k: v.shape for k, v in own.items()}
            for name, value in state.items():
                role, _, rest = name.partition(".")
                whole = module.parts[role].state_dict()[rest]
                assert value.data_ptr() == whole.data_ptr()
                assert value.stride() == whole.stride()


@pytest.mark.parametrize("space", TINY, ids=("apart", "shared", "skippable"))
def test_cutting_filters_off_gives_what_masking_them_gives(space: StagedSpace) -> None:
    """TuNAS computes with all filters and multiplies by a mask; weights behind the mask do not matter."""
    supernet = Supernet(space, seed=1).eval()
    (path,) = paths_of(space, 1, seed=4)
    for placed in space.place(space.stage_genes(path))[1:-1]:
        block = placed.block
        wide = space.widest(placed.stage, placed.layer, block.op, block.kernel)
        masked = block_module(replace(wide, residual=block.residual, pool_skip=block.pool_skip)).eval()
        module = supernet.shared(placed)
        masked.load_state_dict(
            {f"{r}.{n}": v for r, p in module.parts.items() for n, v in p.state_dict().items()}, strict=False
        )
        middle = block.expanded_channels or block.in_channels
        for child in ("expand", "depthwise"):
            getattr(masked, child).register_forward_hook(lambda _, __, out, middle=middle: mask(out, middle))
        if hasattr(masked.se, "reduce"):
            if block.se is None:
                masked.se = torch.nn.Identity()
            else:
                masked.se.reduce.register_forward_hook(lambda _, __, out, count=block.se.channels: mask(out, count))
        values = torch.randn(2, block.in_channels, block.input_size, block.input_size)
        padded = torch.zeros(2, wide.in_channels, block.input_size, block.input_size)
        padded[:, : block.in_channels] = values
        with torch.no_grad():
            assert torch.allclose(masked(padded)[:, : block.out_channels], module(values), atol=1e-5)


def mask(value: torch.Tensor, count: int) -> torch.Tensor:
    return torch.cat((value[:, :count], torch.zeros_like(value[:, count:])), dim=1)


@pytest.mark.parametrize("space", TINY, ids=("apart", "shared", "skippable"))
def test_an_extracted_network_gives_the_same_bits_after_training(space: StagedSpace) -> None:
    supernet = Supernet(space, seed=3)
    for path in paths_of(space, 8):
        supernet(images(8), path).sum().backward()  # moves running statistics
    supernet.eval()
    for path in paths_of(space, 12, seed=5):
        with torch.inference_mode():
            assert torch.equal(supernet(images(8), path), supernet.extract(path)(images(8)))


def test_it_does_so_in_mnasnet_s_space() -> None:
    space = staged("mnasnet")
    supernet = Supernet(space, seed=3)
    for path in paths_of(space, 3):
        supernet.train()(images(32), path).sum().backward()
        with torch.inference_mode():
            assert torch.equal(supernet.eval()(images(32), path), supernet.extract(path)(images(32)))


def test_running_statistics_of_a_path_are_those_of_its_own_filters() -> None:
    space = TINY[0]
    supernet = Supernet(space, seed=3)
    narrow = next(path for path in paths_of(space, 50) if path[0] == 0)  # four of the stem's eight filters
    supernet(images(8), narrow)
    norm = supernet.parts["0-0:conv-conv-k3"].norm
    assert torch.all(norm.running_mean[:4] != 0)
    assert torch.all(norm.running_mean[4:] == 0)
    assert norm.num_batches_tracked == 1


def test_weights_do_not_depend_on_the_order_of_paths() -> None:
    space = TINY[0]
    paths = paths_of(space, 6)
    one, two = Supernet(space, seed=1), Supernet(space, seed=1)
    for path in paths:
        one.parts_of(path)
    for path in reversed(paths):
        two.parts_of(path)
    assert set(one.part_names()) == set(two.part_names())
    second = two.state_dict()
    assert all(torch.equal(value, second[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("space", TINY, ids=("apart", "shared", "skippable"))
def test_parts_are_restored_by_name(space: StagedSpace) -> None:
    whole, again = Supernet(space, seed=1), Supernet(space, seed=2)
    paths = paths_of(space, 10)
    for path in paths:
        whole.parts_of(path)
    again.restore_parts(whole.part_names())
    again.load_state_dict(whole.state_dict())
    with torch.no_grad():
        assert all(torch.equal(whole.eval()(images(8), p), again.eval()(images(8), p)) for p in paths)


@pytest.mark.parametrize("name", STAGED)
def test_a_checkpoint_whose_networks_share_no_weights_is_rejected(name: str, tmp_path: Path) -> None:
    space = staged(name)
    blocks = space.decode((0,) * len(space.num_choices)).blocks
    parts = {f"{position}:{block.key}": block for position, block in enumerate(blocks)}
    run = {"space": name, "input_size": 32, "num_classes": 10}
    save_checkpoint(tmp_path / "old.pt", {"run": run, "step": 1, "parts": list(parts), "supernet": {}})
    with pytest.raises(CheckpointError, match=f"of space '{name}' did not share weights.*train the supernet again"):
        load_supernet(tmp_path / "old.pt")


@pytest.mark.parametrize("name", ["9-0:mb-expand", "1-9:mb-expand", "1-0:sep-project", "1-0:mb-depthwise-k7"])
def test_a_part_that_the_space_does_not_have_is_rejected(name: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(f"part {name!r} is not of the space")):
        Supernet(TINY[0]).restore_parts([name])


def test_the_widest_block_of_what_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match="has no sep of kernel 3 in layer 0 of stage 1"):
        TINY[0].widest(1, 0, Op.SEP, 3)


@pytest.mark.parametrize("space", TINY, ids=("apart", "shared", "skippable"))
def test_a_full_warm_up_trains_all_filters_of_all_operations(space: StagedSpace) -> None:
    supernet = Supernet(space, seed=1)
    (path,) = paths_of(space, 1)
    warmed_logits(supernet, images(8), path, 1.0, np.random.default_rng(0)).sum().backward()
    present = {(p.stage, p.layer) for p in space.place(space.stage_genes(path))}
    body = {place for place in present if 0 < place[0] < 3}
    for stage, layer in body:
        for kind in ("mb-depthwise-k3", "mb-depthwise-k5", "fused-expand-k3", "fused-expand-k5", "mb-se"):
            assert f"{stage}-{layer}:{kind}" in supernet.part_names()
    for name, part in supernet.parts.items():
        for weight in part.parameters():
            if weight.ndim == 4 and "se" not in name:
                assert weight.grad is not None
                assert torch.all(weight.grad.abs().amax(dim=(1, 2, 3)) > 0), name  # every filter


def test_an_averaged_operation_is_the_mean_of_all_with_the_widest_filters() -> None:
    space = TINY[0]
    supernet = Supernet(space, seed=1).eval()
    path = (0, 1, 0, 0, 0, 0, 2, 0, 7, 0, 0)  # the last stage has all its filters, the rest has not
    genes = space.stage_genes(path)
    for row in genes:
        row[0] = 2 if len(row) > 3 else 1
    with torch.no_grad():
        value = images(8)
        for placed in space.place(genes):
            if placed.stage in (1, 2):
                kinds = [1, 3, 5, 7]  # bottleneck and fused, kernels 3 and 5, each with expansion 2
                modules = [supernet.shared(space.alternative(placed, pick)) for pick in kinds]
                value = sum(module(value) for module in modules) / 4
            else:
                value = supernet.shared(placed)(value)
        warmed = warmed_logits(supernet, images(8), path, 1.0, np.random.default_rng(0))
        assert torch.allclose(warmed, value, atol=1e-5)
        plain = warmed_logits(supernet, images(8), path, 0.0, np.random.default_rng(0))
        assert torch.equal(plain, supernet(images(8), path))


@pytest.mark.parametrize("name", STAGED)
def test_each_operation_is_averaged_once(name: str) -> None:
    for stage in staged(name).stages:
        for pick, choice in enumerate(stage.choices):
            found = [stage.choices[index] for index in operations(stage, pick)]
            kinds = {(each.op, each.kernel, each.se, each.shortcut) for each in stage.choices}
            assert len(found) == len(kinds)
            assert choice in found


def test_dropout_is_that_of_the_supernet_in_training_and_can_be_taken_out_for_scoring() -> None:
    space = TINY[0]
    supernet = Supernet(space, seed=1)
    supernet.configure(norm_momentum=0.01, dropout=0.5, synchronised=False, layout=torch.contiguous_format)
    (path,) = paths_of(space, 1)
    one, two = supernet(images(8), path), supernet(images(8), path)
    assert not torch.equal(one, two)
    set_dropout(supernet.path(path)[-1], 0.0)
    assert torch.equal(supernet(images(8), path), supernet(images(8), path))
    norms = [layer for layer in supernet.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.01}
