"""What can be lowered computes what torch computes, in every format; what cannot is refused by name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as fn
from ordinary import ordinary
from torch import Tensor, nn

from mogakit.errors import InputError, UnsupportedOperator
from mogakit.export import verify
from mogakit.export.artifact import Format, Precision
from mogakit.export.graph import Graph
from mogakit.export.lower import lower
from mogakit.export.nodes import Activate, Activation, Add, Conv2d, GlobalMean, Linear, Mul
from mogakit.export.rules import RULES
from mogakit.export.writers import Options, writer_for


class Function(nn.Module):
    """A module made of a plain function, with a convolution before it so that values are of both signs."""

    def __init__(self, function: Callable[[Tensor], Any], channels: int = 4) -> None:
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(3, channels, 1)

    def forward(self, x: Tensor) -> Any:
        return self.function(self.conv(x) * 4)


def seeded(module: nn.Module) -> nn.Module:
    """Give a module the weights and norm statistics of an ordinary checkpoint."""
    return ordinary(module)


def worst_error(module: nn.Module, graph: Graph, shape: tuple[int, ...]) -> float:
    """Return the largest relative error over TFLite and both opsets of ONNX."""
    reference = verify.Reference(module, verify.check_inputs(shape))
    errors = []
    for format, opset in ((Format.TFLITE, 17), (Format.ONNX, 17), (Format.ONNX, 13)):
        writer = writer_for(format, Precision.FLOAT32)
        written = writer.write(graph, Options(opset=opset))
        run = writer.load(written)
        found = {kind: run(values) for kind, values in reference.usable.items()}
        errors.append(verify.agreement(reference, found, str(format)).relative)
    return max(errors)


def hswish_by_hand(x: Tensor) -> Tensor:
    return x * fn.relu6(x + 3.0) / 6.0


def gate_first(x: Tensor) -> Tensor:
    return x * (fn.relu6(x + 3.0) / 6.0)


def in_place(x: Tensor) -> Tensor:
    y = fn.hardswish(x, inplace=True)
    y += 1.0
    return y.mul_(0.5).clamp_(min=0)


CHANNELS = torch.linspace(-1, 1, 4).reshape(1, 4, 1, 1)

FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "relu": fn.relu,
    "relu6": fn.relu6,
    "hardswish": fn.hardswish,
    "hardsigmoid": fn.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "silu": fn.silu,
    "hswish by hand": hswish_by_hand,
    "hswish, gate first": gate_first,
    "silu by hand": lambda x: x * torch.sigmoid(x),
    "clamp": lambda x: x.clamp(0, 6),
    "clamp_min": lambda x: x.clamp(min=0),
    "in place": in_place,
    "add": lambda x: x + fn.relu(x),
    "add number": lambda x: fn.relu(x) + 1.5,
    "number on the left": lambda x: 2.0 * fn.relu(x) + 1.0,
    "subtract": lambda x: fn.relu(x) - 0.25,
    "divide": lambda x: fn.relu(x) / 3.0,
    "add per channel": lambda x: fn.relu(x) + CHANNELS,
    "multiply per channel": lambda x: fn.relu(x) * CHANNELS,
    "divide per channel": lambda x: fn.relu(x) / (CHANNELS + 2),
    "gate broadcast": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "mean keepdim": lambda x: x.mean([-1, -2], keepdim=True),
    "mean": lambda x: x.mean((2, 3)),
    "adaptive pool": lambda x: fn.adaptive_avg_pool2d(x, 1),
    "adaptive pool 2x4": lambda x: fn.adaptive_avg_pool2d(x, (2, 4)),
    "adaptive pool same": lambda x: fn.relu(fn.adaptive_avg_pool2d(x, 8)),
    "average pool": lambda x: fn.avg_pool2d(x, 2),
    "average pool padded": lambda x: fn.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "average pool whole": lambda x: fn.avg_pool2d(x, 8),
    "max pool": lambda x: fn.max_pool2d(x, 3, 2),
    "max pool padded": lambda x: fn.max_pool2d(x, 3, 2, 1),
    "concat": lambda x: torch.cat([x, fn.relu(x)], 1),
    "concat of height": lambda x: torch.cat([x, fn.relu(x)], 2),
    "flatten 1x1": lambda x: fn.adaptive_avg_pool2d(x, 1).flatten(1),
    "view": lambda x: fn.adaptive_avg_pool2d(x, 1).view(1, -1),
    "view there and back": lambda x: x * torch.sigmoid(x.mean((2, 3)).view(1, 4, 1, 1)),
    "softmax": lambda x: fn.softmax(x.mean((2, 3)), dim=-1),
    "dropout": lambda x: fn.dropout(x, 0.5, training=False),
    "two outputs": lambda x: (fn.relu(x), x.mean((2, 3))),
    "mapping": lambda x: {"a": fn.relu(x), "b": [fn.hardswish(x)]},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_supported_function_keeps_its_value(name: str) -> None:
    module = seeded(Function(FUNCTIONS[name]))
    shape = (1, 3, 8, 8)
    assert worst_error(module, lower(module, shape), shape) < 1e-6


MODULES: dict[str, Callable[[], nn.Module]] = {
    "same padding": lambda: nn.Conv2d(3, 4, 3, padding="same"),
    "dilated": lambda: nn.Conv2d(3, 4, 3, padding=2, dilation=2),
    "stride 2": lambda: nn.Conv2d(3, 4, 5, stride=2, padding=2),
    "stride 2, tall": lambda: nn.Conv2d(3, 4, (3, 1), stride=(2, 1), padding=(1, 0)),
    "depthwise": lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3),
    "depthwise multiplier": lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3),
    "one channel": lambda: nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 4, 3)),
    "norm": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)),
    "norm without scale": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)),
    "norm first": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3)),
    "zero pad": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 4, 3, 2)),
    "linear": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
    "linear without bias": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5, bias=False)),
    "linear on a map": lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(192, 5)),
    "norm of a vector": lambda: nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 5), nn.BatchNorm1d(5)),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_supported_module_keeps_its_value(name: str) -> None:
    module = seeded(MODULES[name]())
    shape = (1, 3, 8, 8)
    assert worst_error(module, lower(module, shape), shape) < 2e-6


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (fn.hardswish, Activation.HSWISH),
        (hswish_by_hand, Activation.HSWISH),
        (gate_first, Activation.HSWISH),
        (lambda x: x * fn.hardsigmoid(x), Activation.HSWISH),
        (lambda x: fn.relu6(x + 3) / 6, Activation.HSIGMOID),
        (lambda x: torch.sigmoid(x) * x, Activation.SILU),
    ],
)
def test_an_activation_spelled_out_becomes_one_node(function: Callable[[Tensor], Tensor], expected: Activation) -> None:
    graph = lower(seeded(Function(function)), (1, 3, 8, 8))
    assert [type(node) for node in graph.nodes] == [Conv2d, Activate]
    last = graph.nodes[-1]
    assert isinstance(last, Activate) and last.function is expected


def test_relu6_of_another_shift_is_no_hard_sigmoid() -> None:
    graph = lower(seeded(Function(lambda x: fn.relu6(x + 2) / 6)), (1, 3, 8, 8))
    assert [type(node) for node in graph.nodes] == [Conv2d, Activate, Mul]


def test_batch_norm_and_scales_are_folded_into_the_convolution() -> None:
    module = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()))
    graph = lower(module, (1, 3, 8, 8))
    assert [type(node) for node in graph.nodes] == [Conv2d, Activate]
    assert not graph.constants


def test_a_convolution_that_two_nodes_read_is_not_scaled_for_one() -> None:
    module = seeded(Function(lambda x: fn.relu(x) + x * 2))
    graph = lower(module, (1, 3, 8, 8))
    assert [type(node) for node in graph.nodes] == [Conv2d, Activate, Mul, Add]
    assert worst_error(module, graph, (1, 3, 8, 8)) < 1e-6


def test_an_output_keeps_its_own_value_when_it_is_read_on() -> None:
    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        return x, fn.relu(x)

    module = seeded(Function(both))
    assert worst_error(module, lower(module, (1, 3, 8, 8)), (1, 3, 8, 8)) < 1e-6


def test_nodes_carry_the_paths_of_their_modules() -> None:
    module = seeded(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, 2, 1)))
    assert [node.name for node in lower(module, (1, 3, 8, 8)).nodes] == ["0.0", "0.2", "output"]


def test_what_no_output_needs_may_use_any_operator() -> None:
    def wasteful(x: Tensor) -> Tensor:
        torch.sort(x)
        return fn.relu(x)

    assert len(lower(seeded(Function(wasteful)), (1, 3, 8, 8)).nodes) == 2


class Sorting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sort(x).values


def test_an_unsupported_operator_is_named_with_its_module_and_the_supported_ones() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU(), Sorting())).eval()
    with pytest.raises(UnsupportedOperator, match=r"torch\.sort in module '1\.1' \(Sorting\)") as rejection:
        lower(module, (1, 3, 8, 8))
    assert all(name in str(rejection.value) for name in RULES)


def test_all_unsupported_operators_of_a_network_are_listed_at_once() -> None:
    class Unusual(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.erfinv(torch.sort(x).values) + torch.sort(x).values + x.max(1)[1]

    module = nn.Sequential(Unusual(), nn.Sequential(nn.Conv2d(3, 3, 1), Sorting()), Sorting()).eval()
    with pytest.raises(UnsupportedOperator, match="3 operators of the network cannot be exported") as rejection:
        lower(module, (1, 3, 8, 8))
    message = str(rejection.value)
    assert "torch.sort in module '0' (Unusual), module '1.1' (Sorting), module '2' (Sorting)" in message
    assert "torch.erfinv in module '0' (Unusual): not supported" in message
    assert "torch.max in module '0' (Unusual): its result 1 is read; supported is result 0" in message


def test_a_layer_of_torch_is_named_by_its_class() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softshrink()).eval()
    with pytest.raises(UnsupportedOperator, match=r"nn\.Softshrink in module '1'"):
        lower(module, (1, 3, 8, 8))


REJECTED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "data as weight": (lambda x: fn.conv2d(x, x[:, :, :1, :1]), "weights depend on the input"),
    "every other column in place": (lambda x: (x, x[..., ::2].relu_())[0] + 1, "not one block of it"),
    "place of a maximum": (lambda x: x.max(1)[1], "its result 1 is read"),
    "clamped to data": (lambda x: x.clamp(max=x.amax()), "bounds that depend on the input"),
    "indexed by two": (lambda x: x[:, torch.tensor([0, 1]), torch.tensor([0, 1])], "several tensors"),
    "dilated pool": (lambda x: fn.max_pool2d(x, 2, dilation=2), "its dilation is"),
    "half": (lambda x: x.half().float(), "converts to torch.float16"),
    "complex": (lambda x: torch.view_as_real(torch.fft.fft(x)), "torch.fft"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_form_without_export_is_rejected_with_a_reason(name: str) -> None:
    function, reason = REJECTED[name]
    with pytest.raises(UnsupportedOperator, match=reason):
        lower(seeded(Function(function)), (1, 3, 8, 8))


class ConditionalConv(nn.Module):
    """A convolution whose weights are mixed by the sample (CondConv), the samples of a batch side by side as groups."""

    def __init__(self) -> None:
        super().__init__()
        self.route, self.experts = nn.Linear(3, 4), nn.Parameter(torch.randn(4, 4 * 3 * 9))

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        mixed = torch.sigmoid(self.route(x.mean((2, 3)))) @ self.experts
        kernel = mixed.view(batch * 4, 3, 3, 3)
        made = fn.conv2d(x.reshape(1, batch * channels, height, width), kernel, padding=1, groups=batch)
        return made.view(batch, 4, height, width)


class Unpooling(nn.Module):
    """A maximum's place is read again behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.unpool(*self.pool(x))
        return made


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (ConditionalConv(), ["nn.Conv2d in the module's own forward: its weights depend on the input; supported are"]),
        (
            Unpooling(),
            ["nn.MaxPool2d in module 'pool': its result 1 is read", "nn.MaxUnpool2d in module 'unpool': not"],
        ),
    ],
)
def test_what_no_format_holds_is_rejected_by_name_and_place(module: nn.Module, said: list[str]) -> None:
    with pytest.raises(UnsupportedOperator) as caught:
        lower(module.eval(), (1, 3, 8, 8))
    assert [line in str(caught.value) for line in said] == [True] * len(said)


def test_a_module_in_training_mode_is_rejected() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    module[1].train()
    with pytest.raises(InputError, match=r"Sequential\.1 is in training mode; call \.eval\(\)"):
        lower(module, (1, 3, 8, 8))


def test_other_numbers_than_float32_are_rejected() -> None:
    with pytest.raises(InputError, match=r"0\.weight holds torch\.float64"):
        lower(nn.Sequential(nn.Conv2d(3, 4, 1)).double().eval(), (1, 3, 8, 8))


def test_a_shape_that_the_module_does_not_take_is_rejected() -> None:
    with pytest.raises(InputError, match=r"Conv2d does not run on an input of shape \(1, 2, 8, 8\)"):
        lower(nn.Conv2d(3, 4, 1).eval(), (1, 2, 8, 8))


@pytest.mark.parametrize("returned", [lambda x: None, lambda x: torch.ones(1), lambda x: "text"])
def test_a_module_that_returns_no_tensors_of_its_input_is_rejected(returned: Callable[[Tensor], Any]) -> None:
    with pytest.raises(InputError, match="not tensors made from its input"):
        lower(seeded(Function(returned)), (1, 3, 8, 8))


def test_lowering_leaves_no_hook_and_no_thread_count_behind() -> None:
    module = seeded(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
    before = torch.get_num_threads()
    lower(module, (1, 3, 8, 8))
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())
    assert torch.get_num_threads() == before


def test_the_squeeze_and_excite_of_old_torchvision_through_linear_layers_is_lowered() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3), nn.Hardsigmoid())

        def forward(self, x: Tensor) -> Tensor:
            batch, channels, _, _ = x.shape
            gate = fn.adaptive_avg_pool2d(x, 1).view(batch, channels)
            return x * self.fc(gate).view(batch, channels, 1, 1)

    module = seeded(Gate())
    graph = lower(module, (1, 3, 8, 8))
    assert {type(node) for node in graph.nodes} >= {GlobalMean, Linear, Mul}
    assert worst_error(module, graph, (1, 3, 8, 8)) < 1e-6


def other_peoples(name: str) -> nn.Module:
    """Build a network of a package that knows nothing of this kit."""
    if name == "proxylessnas_mobile":
        from pytorchcv.models.proxylessnas import proxylessnas_mobile

        return proxylessnas_mobile().eval()
    import geffnet

    return geffnet.create_model(name, pretrained=False).eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name", ["mobilenetv3_large_100", "efficientnet_lite0", "mnasnet_a1", "fbnetc_100", "proxylessnas_mobile"]
)
def test_other_peoples_networks_take_the_same_road(name: str) -> None:
    shape = (1, 3, 224, 224) if name == "proxylessnas_mobile" else (1, 3, 128, 128)  # its last pool is 7x7
    module = ordinary(other_peoples(name), shape)
    worst_error(module, lower(module, shape), shape)  # raises where more than rounding differs


def test_equal_modules_give_equal_graphs() -> None:
    first, second = (lower(seeded(MODULES["norm"]()), (1, 3, 8, 8)) for _ in range(2))
    assert [node.name for node in first.nodes] == [node.name for node in second.nodes]
    one, other = first.nodes[0], second.nodes[0]
    assert isinstance(one, Conv2d) and isinstance(other, Conv2d)
    assert np.array_equal(one.weight, other.weight)
