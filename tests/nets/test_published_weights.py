"""Published weights load in order where the networks are proven to be the same, and nowhere else."""

import warnings
from collections.abc import Callable

import pytest
import torch
from ordinary import ordinary
from torch import nn

from mogakit.errors import CheckpointError
from mogakit.nets import zoo
from mogakit.nets.modules import build_network
from mogakit.nets.published_weights import LAYOUTS, WeightsSource
from mogakit.nets.weights import load_weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside these packages are theirs
    import geffnet
    from pytorchcv.models import mnasnet, proxylessnas, spnasnet

PYTORCHCV = {**vars(mnasnet), **vars(proxylessnas), **vars(spnasnet)}

BUILD: dict[WeightsSource, Callable[[str], nn.Module]] = {
    WeightsSource.GEFFNET: lambda name: geffnet.create_model(name, pretrained=False),
    WeightsSource.PYTORCHCV: lambda name: PYTORCHCV[name](),
}
"""The packages that the tests install; torchvision and timm are compared by `make reference`."""

PAIRS = [(name, source) for name, layouts in LAYOUTS.items() for source in layouts if source in BUILD]


@pytest.mark.parametrize(("name", "source"), PAIRS)
@torch.no_grad()
def test_published_weights_give_the_output_of_their_package(name, source, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = BUILD[source](LAYOUTS[name][source].model)
    shape = (1, 3, 224, 224)
    ordinary(theirs, shape)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "published.pth")
    ours = build_network(zoo.get(name).network)
    load_weights(ours, tmp_path / "published.pth", source)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = theirs(x)
    # geffnet writes h-swish as x * relu6(x + 3) / 6, which rounds otherwise.
    allowed = 1e-5 if (name, source) == ("mobilenet-v3-large", WeightsSource.GEFFNET) else 1e-6
    assert (ours(x) - expected).abs().max() <= allowed * expected.abs().max()
    assert {norm.eps for norm in ours.modules() if isinstance(norm, nn.BatchNorm2d)} == {
        norm.eps for norm in theirs.modules() if isinstance(norm, nn.BatchNorm2d)
    }


def small(name="mobilenet-v2"):
    return build_network(zoo.get(name, input_size=32).network)


def test_a_pair_that_is_not_proven_is_rejected_with_those_that_are(tmp_path):
    torch.save(small("mobilenet-v1").state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="supported sources of 'mobilenet-v1': timm"):
        load_weights(small("mobilenet-v1"), tmp_path / "w.pth", WeightsSource.PYTORCHCV)


def changed(change):
    """Return the state dict of a package's MobileNetV2, spoiled."""
    items = [(f"net.{key}", value) for key, value in small().state_dict().items()]
    return dict(change(items))


def swap_layers(items):
    """Let two batch norms of equal size change places halfway."""
    keys = [key for key, _ in items]
    one, other = (keys.index(f"net.blocks.{number}.depthwise.norm.bias") for number in (4, 5))
    items[one], items[other] = items[other], items[one]
    return items


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swap_layers, "the order of its tensors is ambiguous"),
        (lambda items: items[:-1], "holds .* tensors; mobilenet_v2 of torchvision has"),
        (lambda items: [(key, value.squeeze(-1) if value.dim() == 4 else value) for key, value in items], "has shape"),
        (lambda items: [(key.replace(".norm.", ".conv."), value) for key, value in items], "ambiguous|tensors"),
    ],
)
def test_an_ambiguous_order_is_rejected(change, why, tmp_path):
    torch.save(changed(change), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=why):
        load_weights(small(), tmp_path / "w.pth", WeightsSource.TORCHVISION)


def test_without_a_source_the_message_names_those_there_are(tmp_path):
    torch.save(changed(lambda items: items), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"--weights-from torchvision \| timm \| geffnet"):
        load_weights(small(), tmp_path / "w.pth")


WRAPPED = {
    "DataParallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "torch.compile": lambda state: {f"_orig_mod.{key}": value for key, value in state.items()},
    "Lightning": lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3},
    "both": lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
    "thop": lambda state: state | {"total_ops": torch.zeros(1), "blocks.0.total_params": torch.zeros(1)},
    "no counters": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_harmless_differences_of_the_field_load(name, tmp_path):
    source, target = ordinary(small()), small()
    torch.save(WRAPPED[name](source.state_dict()), tmp_path / "w.pth")
    load_weights(target, tmp_path / "w.pth")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(target(x), source(x), rtol=0, atol=0)


def test_averaged_weights_are_chosen_by_ema(tmp_path):
    plain, averaged, target = ordinary(small(), seed=1), ordinary(small(), seed=2), small()
    torch.save({"state_dict": plain.state_dict(), "state_dict_ema": averaged.state_dict()}, tmp_path / "w.pth")
    for ema, expected in ((False, plain), (True, averaged)):
        load_weights(target, tmp_path / "w.pth", ema=ema)
        assert torch.equal(target.blocks[0].conv.conv.weight, expected.blocks[0].conv.conv.weight)
    torch.save({"state_dict": plain.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="holds no averaged weights"):
        load_weights(target, tmp_path / "w.pth", ema=True)


FIRST = "blocks.0.conv.conv.weight"

FAULTS = {
    "NaN": (lambda value: value.clone().fill_(torch.nan), "holds NaN"),
    "infinity": (lambda value: value.clone().fill_(torch.inf), "holds infinities"),
    "int8": (lambda value: value.to(torch.int8), "holds torch.int8, the integers of a quantised checkpoint"),
    "complex": (lambda value: value.to(torch.complex64), "holds complex numbers"),
    "sparse": (lambda value: value.to_sparse(), "is a sparse tensor"),
    "meta": (lambda value: value.to("meta"), "is a meta tensor"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_tensor_that_is_not_a_weight_is_named(name, tmp_path):
    fault, why = FAULTS[name]
    state = small().state_dict()
    torch.save(state | {FIRST: fault(state[FIRST])}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=f"{FIRST}' {why}"):
        load_weights(small(), tmp_path / "w.pth")


def test_2000_inverted_bytes_of_a_storage_are_found(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(small().state_dict(), path)
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 2000] = bytes(255 - byte for byte in data[start : start + 2000])
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError):
        load_weights(small(), path)


def test_a_safetensors_file_under_another_suffix_is_recognised(tmp_path):
    from safetensors.torch import save_file

    save_file(small().state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"rename it to \.safetensors"):
        load_weights(small(), tmp_path / "w.pth")


@pytest.mark.parametrize("content", ["module", "text", "empty pickle"])
def test_torchs_advice_to_read_a_file_unsafely_is_never_passed_on(content, tmp_path):
    path = tmp_path / "w.pth"
    if content == "module":
        torch.save(nn.Linear(2, 2), path)
    else:
        path.write_bytes(b"hello, I am text" * 10 if content == "text" else b"\x80\x02}q\x00.")
    with pytest.raises(CheckpointError) as caught:
        load_weights(small(), path)
    assert not any(word in str(caught.value) for word in ("weights_only", "safe_globals", "trust"))
