"""A checkpoint loads whole or not at all, whatever its layout."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mogakit.errors import CheckpointError
from mogakit.nets import zoo
from mogakit.nets.modules import NetworkModule, build_network
from mogakit.nets.network import Network
from mogakit.nets.weights import authors_layers, load_weights, save_weights

DATA = Path(__file__).parent / "data"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> Network:
    """MoGA-A, small in pixels: weights do not depend on the resolution."""
    return zoo.get("moga-a", input_size=32).network


@pytest.fixture(scope="module")
def trained(network: Network) -> NetworkModule:
    """A network with weights that no other seed gives."""
    return build_network(network, seed=7)


@pytest.fixture(scope="module")
def authors_state(network: Network, trained: NetworkModule) -> State:
    """The weights of `trained` under the names of the MoGA authors' code."""
    names = dict(authors_layers(network))
    state = {}
    for key, value in trained.state_dict().items():
        layer, _, leaf = key.rpartition(".")
        state[f"{names[layer]}.{leaf}"] = value
    return state


def same_output(left: NetworkModule, right: NetworkModule) -> bool:
    """Whether two modules compute the same, bit for bit."""
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.equal(left(x), right(x))


def test_the_names_and_shapes_are_those_of_the_authors_checkpoint(authors_state: State) -> None:
    expected = json.loads((DATA / "moga_a_state_dict_shapes.json").read_text())
    assert {key: list(value.shape) for key, value in authors_state.items()} == expected
    assert len(expected) == 303


@pytest.mark.parametrize(("name", "entries"), [("moga-a", 303), ("moga-b", 303), ("moga-c", 299)])
def test_every_moga_network_has_as_many_entries_as_the_authors_net(name: str, entries: int) -> None:
    network = zoo.get(name, input_size=32).network
    assert len(build_network(network).state_dict()) == entries


WRAPPINGS: dict[str, Callable[[State], object]] = {
    "model_state": lambda state: {"model_state": state, "epoch": 3},
    "state_dict": lambda state: {"state_dict": state},
    "bare": lambda state: state,
    "module prefix": lambda state: {"model_state": {f"module.{key}": value for key, value in state.items()}},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_authors_layout_loads_in_every_wrapping(
    wrapping: str, network: Network, trained: NetworkModule, authors_state: State, tmp_path: Path
) -> None:
    path = tmp_path / "moga.pth"
    torch.save(WRAPPINGS[wrapping](authors_state), path)
    module = build_network(network)
    assert not same_output(module, trained)
    load_weights(module, path)
    assert same_output(module, trained)


def test_safetensors_load_in_both_layouts(
    network: Network, trained: NetworkModule, authors_state: State, tmp_path: Path
) -> None:
    save_file({key: value.contiguous() for key, value in authors_state.items()}, tmp_path / "theirs.safetensors")
    save_weights(trained, tmp_path / "own.safetensors")
    for name in ("theirs", "own"):
        module = build_network(network)
        load_weights(module, tmp_path / f"{name}.safetensors")
        assert same_output(module, trained)


def test_another_network_is_rejected_with_the_first_key_and_both_shapes(authors_state: State, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model_state": authors_state}, path)
    module = build_network(zoo.get("moga-b", input_size=32).network)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"'blocks.2.expand.conv.weight' has shape 96x16x1x1 .* 48x16x1x1"):
        load_weights(module, path)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_a_network_of_another_shape_is_rejected(authors_state: State, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(authors_state, path)
    with pytest.raises(CheckpointError, match="layout of the MoGA authors"):
        load_weights(build_network(zoo.get("mobilenet-v2", input_size=32).network), path)


def test_missing_and_surplus_tensors_are_named(network: Network, trained: NetworkModule, tmp_path: Path) -> None:
    state = dict(trained.state_dict())
    state["extra.weight"] = torch.zeros(2, 3)
    torch.save(state, tmp_path / "surplus.pt")
    with pytest.raises(CheckpointError, match=r"'extra.weight' of shape 2x3 has no place"):
        load_weights(build_network(network), tmp_path / "surplus.pt")
    del state["blocks.16.classifier.bias"]
    torch.save(state, tmp_path / "missing.pt")
    with pytest.raises(CheckpointError, match=r"'blocks.16.classifier.bias' of shape 1000 is missing.*'extra.weight'"):
        load_weights(build_network(network), tmp_path / "missing.pt")


def test_what_is_no_checkpoint_is_rejected(network: Network, tmp_path: Path) -> None:
    module = build_network(network)
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("no tensors")
    with zipfile.ZipFile(tmp_path / "archive.pth.tar", "w") as archive:
        archive.writestr("MoGaA.pth", "inner")
    torch.save({"model_state": {"weight": torch.zeros(1), "epoch": 3}}, tmp_path / "mixed.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    for name in ("text.pth", "empty.pth", "text.safetensors", "archive.pth.tar", "mixed.pth", "list.pth"):
        with pytest.raises(CheckpointError, match=name):
            load_weights(module, tmp_path / name)


def test_nothing_in_a_checkpoint_is_executed(network: Network, tmp_path: Path) -> None:
    torch.save(build_network(network), tmp_path / "object.pth")  # a whole module, as careless code saves it
    with pytest.raises(CheckpointError, match="state_dict"):
        load_weights(build_network(network), tmp_path / "object.pth")


def test_weights_are_written_as_safetensors_only(trained: NetworkModule, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="safetensors"):
        save_weights(trained, tmp_path / "weights.pth")
