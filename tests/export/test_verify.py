"""The check behind every export: rounding passes, whatever its size, and the smallest real fault does not."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
import torch.nn.functional as fn
from ordinary import ordinary, ordinary_block, ordinary_network
from torch import Tensor, nn

from mogakit.errors import ExportError
from mogakit.export import exact, verify
from mogakit.export.artifact import Agreement, Format, Precision, Role
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.nodes import Conv2d, Linear, Node, Padding
from mogakit.export.pipeline import export, prepare
from mogakit.export.writers import Options, writer_for
from mogakit.nets import zoo
from mogakit.nets.network import Network

BLOCKS = ("mb_i16e48o24_h28_k3s2_relu", "mb_i24e72o24_h14_k5s1_hswish_se18_res")
NETWORKS = ("mobilenet-v2", "moga-c")


def small(name: str) -> Network:
    return zoo.get(name, input_size=96).network


def module_of(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a block or network with the weights of an ordinary checkpoint, and the shape of its input."""
    if name in NETWORKS:
        return ordinary_network(small(name))
    return ordinary_block(name)


@lru_cache
def prepared(name: str) -> tuple[Graph, verify.Reference]:
    """Return a module's graph and what torch makes of it; both are read only."""
    module, shape = module_of(name)
    return lower(module, shape), verify.Reference(module, verify.check_inputs(shape))


def compare(reference: verify.Reference, graph: Graph, format: Format = Format.TFLITE) -> Agreement:
    """Write a graph and hold the file against a reference."""
    writer = writer_for(format, Precision.FLOAT32)
    run = writer.load(writer.write(graph, Options()))
    found = {kind: run(values) for kind, values in reference.usable.items()}
    return verify.agreement(reference, found, str(format))


def reference_of(module: nn.Module, shape: tuple[int, ...]) -> verify.Reference:
    return verify.Reference(module, verify.check_inputs(shape))


def faulty(graph: Graph, node: Node, changed: Node) -> Graph:
    return replace(graph, nodes=tuple(changed if other is node else other for other in graph.nodes))


def layers(graph: Graph) -> Iterator[Conv2d | Linear]:
    return (node for node in graph.nodes if isinstance(node, Conv2d | Linear))


def one_weight(node: Conv2d | Linear) -> Conv2d | Linear:
    """Move one weight of ordinary size, the root mean square of its layer, by 1 %."""
    weight = node.weight.copy()
    size = np.abs(weight.ravel())
    weight.ravel()[np.argmin(np.abs(size - np.sqrt((size**2).mean())))] *= np.float32(1.01)
    return replace(node, weight=weight)


def without_bias(node: Conv2d | Linear) -> Conv2d | Linear:
    return replace(node, bias=np.zeros_like(node.bias))


def padded_off_by_one(node: Conv2d | Linear) -> Conv2d | Linear:
    assert isinstance(node, Conv2d)
    old = node.padding
    return replace(node, padding=Padding(old.top - 1, old.bottom + 1, old.left, old.right))


@pytest.mark.parametrize("name", [*BLOCKS, *NETWORKS])
@pytest.mark.parametrize("format", [Format.TFLITE, Format.ONNX])
def test_a_sound_file_passes_with_ordinary_statistics(name: str, format: Format) -> None:
    graph, reference = prepared(name)
    found = compare(reference, graph, format)
    assert found.num_inputs == len(verify.Distribution)
    assert found.relative <= verify.FLOOR + verify.MULTIPLE * (found.torch_relative or 0)


@pytest.mark.parametrize("name", BLOCKS)
def test_one_weight_off_by_1_percent_is_found_in_every_layer_of_a_block(name: str) -> None:
    graph, reference = prepared(name)
    for node in layers(graph):
        with pytest.raises(ExportError, match="differs from torch by"):
            compare(reference, faulty(graph, node, one_weight(node)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("change", [without_bias, padded_off_by_one])
def test_a_missing_bias_and_a_shifted_padding_are_found_at_any_depth_of_a_network(
    name: str, change: Callable[[Conv2d | Linear], Conv2d | Linear]
) -> None:
    graph, reference = prepared(name)
    fit = [
        node
        for node in layers(graph)
        if (bool(node.bias.any()) if change is without_bias else isinstance(node, Conv2d) and bool(node.padding))
    ]
    for node in fit[:: max(1, len(fit) // 5)]:
        with pytest.raises(ExportError, match="differs from torch by"):
            compare(reference, faulty(graph, node, change(node)))


def test_one_weight_in_two_million_off_by_1_percent_is_found_in_most_layers_of_a_network() -> None:
    """In some layers of a deep network it changes the output by less than torch's own rounding does."""
    graph, reference = prepared("mobilenet-v2")
    chosen = list(layers(graph))[::6]
    found = 0
    for node in chosen:
        try:
            compare(reference, faulty(graph, node, one_weight(node)))
        except ExportError:
            found += 1
    assert found >= 0.6 * len(chosen)


@pytest.mark.parametrize("name", [*BLOCKS, *NETWORKS])
def test_the_epsilon_of_another_framework_is_found(name: str) -> None:
    _, reference = prepared(name)
    other, shape = module_of(name)
    for child in other.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = 1e-3 if child.eps < 1e-4 else 1e-5
    with pytest.raises(ExportError, match="differs from torch by"):
        compare(reference, lower(other, shape))


def test_the_message_gives_both_errors_and_what_is_allowed() -> None:
    graph, reference = prepared("mobilenet-v2")
    first = next(layers(graph))
    with pytest.raises(ExportError) as caught:
        compare(reference, faulty(graph, first, without_bias(first)))
    number = r"[\d.e-]+"
    assert re.search(
        rf"differs from torch by {number} of the scale of output 0 in tflite on the normal input; torch's own float32 "
        rf"result is off by {number} from a float64 run of the same module; allowed is {number}$",
        str(caught.value),
    )


class Plain(nn.Module):
    """A function of the input."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def dead() -> nn.Module:
    """A network whose last ReLU never opens, so that its output is its last bias, whatever it reads."""
    module = ordinary(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)))
    module[0].weight.data.mul_(1e-9)
    module[0].bias.data.fill_(-1)
    return module


@pytest.mark.parametrize("scale", [1.0, 0.0])
def test_a_constant_output_proves_nothing_and_is_not_verified(scale: float) -> None:
    module = dead()
    module[2].weight.data.mul_(scale)
    module[2].bias.data.mul_(scale)
    source = prepare(module, "dead", Role.NETWORK, (1, 3, 8, 8))
    with pytest.raises(ExportError, match=r"is the same on every check input.*proves nothing"):
        verify.agreement(source.reference, source.reference.expected, "torch")


@pytest.mark.parametrize("share", [1e-5, 5e-5, 1e-3, 1.0])
def test_an_output_that_varies_by_more_than_rounding_is_verified_and_a_constant_is_not_taken_for_it(
    share: float,
) -> None:
    """What the constant input allows says nothing of the others: a change below it proves something between those."""
    reference = reference_of(Plain(lambda x: 1 + share * x.mean((2, 3)).tanh()), (1, 3, 8, 8))
    verify.agreement(reference, reference.expected, "torch")
    column = np.stack([outputs[0] for outputs in reference.expected.values()])
    middle = (column.min(0) + column.max(0)) / 2
    with pytest.raises(ExportError, match="differs from torch"):
        verify.agreement(reference, {kind: [middle] for kind in reference.expected}, "a constant")


def test_an_output_that_varies_by_less_than_rounding_is_not_verified() -> None:
    reference = reference_of(Plain(lambda x: 1 + 2e-6 * x.mean((2, 3)).tanh()), (1, 3, 8, 8))
    with pytest.raises(ExportError, match=r"is the same on every check input.*proves nothing"):
        verify.agreement(reference, reference.expected, "torch")


def test_weights_of_nan_are_reported_as_such() -> None:
    module = ordinary(nn.Conv2d(3, 4, 1))
    module.weight.data[0, 0] = torch.nan
    with pytest.raises(ExportError, match="torch itself gives infinities or NaN on every check input"):
        prepare(module, "nan", Role.NETWORK, (1, 3, 8, 8))


def test_an_input_on_which_torch_overflows_is_left_out() -> None:
    reference = reference_of(Plain(lambda x: x.exp()), (1, 3, 4, 4))
    assert verify.Distribution.BYTES not in reference.usable
    assert len(reference.usable) == len(verify.Distribution) - 1


def test_the_check_shares_no_memory_with_torch() -> None:
    """A module that writes into its input or returns its own buffer must not change what its file is compared with."""
    kept = torch.zeros(1, 3, 4, 4)

    def rude(x: Tensor) -> Tensor:
        x.mul_(2)
        return kept.copy_(x)

    reference = reference_of(Plain(rude), (1, 3, 4, 4))
    for kind, (value,) in verify.check_inputs((1, 3, 4, 4)).items():
        assert np.array_equal(reference.inputs[kind][0], value)
        assert np.array_equal(reference.expected[kind][0], 2 * value)


def test_a_graph_keeps_its_weights_when_the_module_changes() -> None:
    module = ordinary(nn.Conv2d(3, 4, 1))
    node = lower(module, (1, 3, 4, 4)).nodes[0]
    before = module.weight.detach().clone()
    module.weight.data.zero_()
    assert isinstance(node, Conv2d) and np.array_equal(node.weight, before.numpy())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: fn.conv2d(x, torch.full((2, 3, 1, 1), 1 / 3), torch.full((2,), 1 / 7)),
        lambda x: torch.zeros(1, 3, 4, 4).add_(x) / 3,
        lambda x: x.float() / 3,
        lambda x: x.to(torch.float32) * torch.ones(1, 3, 1, 1, dtype=torch.float32) / 3,
    ],
)
def test_a_module_that_asks_for_float32_by_name_runs_in_float64(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = exact.run_float64(Plain(function), [x])
    assert found.dtype == torch.float64
    assert 0 < (found - function(x)).abs().max() < 1e-6


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT16, Precision.INT8])
def test_an_ordinary_checkpoint_is_exported_in_every_precision(precision: Precision, tmp_path: object) -> None:
    module, shape = module_of("mobilenet-v2")
    source = prepare(module, "net", Role.NETWORK, shape)
    made = export(source, Format.TFLITE, precision, tmp_path)  # type: ignore[arg-type]
    assert made.agreement is not None and made.path.is_file()
    assert (Format.TFLITE, Precision.FLOAT32) in source.agreed or precision is Precision.FLOAT16


def test_an_integer_file_is_made_only_of_a_float_file_that_agrees(tmp_path: object) -> None:
    module, shape = module_of(BLOCKS[0])
    source = prepare(module, "block", Role.CHOICE, shape)
    first = next(layers(source.graph))
    wrong = replace(source, graph=faulty(source.graph, first, without_bias(first)))
    with pytest.raises(ExportError, match="the float twin of tflite int8: differs from torch"):
        export(wrong, Format.TFLITE, Precision.INT8, tmp_path)  # type: ignore[arg-type]
