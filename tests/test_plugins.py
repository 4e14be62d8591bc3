"""What a user adds: a space, a block kind, a network, a target and its tool, a device, found in every way."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mogakit import plugins
from mogakit.errors import InputError
from mogakit.flows.zoo import save_summarised, summarise
from mogakit.nets import zoo
from mogakit.nets.block import Activation, Block, Op, parse_key
from mogakit.nets.kind_laws import broken_block_laws
from mogakit.nets.kinds import register_block_kind
from mogakit.nets.layer import Layer
from mogakit.nets.network import Network, count_params
from mogakit.nets.network_file import load_network, save_network
from mogakit.nets.resolve import resolve
from mogakit.nets.spaces import SearchSpace, SlotSpace, get_space, register_space, space_names
from mogakit.nets.spaces.laws import broken_laws, check_space


class Ghost:
    """Half of the channels by a 1x1 convolution, the other half from these by a depthwise one (GhostNet)."""

    def module(self, block: Block) -> nn.Module:
        """Return the two convolutions, side by side."""
        return GhostModule(block)

    def layers(self, block: Block) -> Iterator[Layer]:
        """Yield the two convolutions."""
        half, size = block.out_channels // 2, block.output_size
        yield Layer(role="primary", in_channels=block.in_channels, out_channels=half, output_size=size, norm=True)
        yield Layer(
            role="cheap",
            in_channels=half,
            out_channels=half,
            output_size=size,
            kernel=dict(block.settings)["cheap"],
            groups=half,
            norm=True,
        )


class GhostModule(nn.Module):
    """The module of a `Ghost` block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        half, kernel = block.out_channels // 2, dict(block.settings)["cheap"]
        conv = nn.Conv2d(block.in_channels, half, 1, block.stride, bias=False)
        self.primary = nn.Sequential(conv, nn.BatchNorm2d(half), nn.ReLU())
        conv = nn.Conv2d(half, half, kernel, 1, kernel // 2, groups=half, bias=False)
        self.cheap = nn.Sequential(conv, nn.BatchNorm2d(half), nn.ReLU())

    def forward(self, x):
        """Map (N, in, H, W) to (N, out, H', W')."""
        import torch

        primary = self.primary(x)
        return torch.cat([primary, self.cheap(primary)], 1)


def ghost(channels: int, out: int, size: int, stride: int = 1, cheap: int = 3) -> Block:
    return Block(
        Op.OWN,
        channels,
        out,
        size,
        stride=stride,
        activation=Activation.RELU,
        kind="ghost",
        settings=(("cheap", cheap),),
    )


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test registers."""
    monkeypatch.setattr(plugins, "_registered", {group: {} for group in plugins.Group})
    register_block_kind("ghost", Ghost())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder; its modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


# --- spaces ---------------------------------------------------------------------------------------------------------


@st.composite
def slot_spaces(draw: st.DrawFn) -> SlotSpace:
    """Any space of independent slots, with blocks of the kit's kinds and of a user's."""
    size, channels = draw(st.integers(4, 32)), draw(st.integers(1, 8))
    stem = Block(Op.CONV, 3, channels, size, kernel=3, activation=Activation.RELU)
    slots, before = [], stem
    for _ in range(draw(st.integers(1, 4))):
        out, stride = 2 * draw(st.integers(1, 6)), draw(st.integers(1, 2))
        kinds = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True))
        choices = [_choice(kind, before, out, stride) for kind in kinds]
        slots.append(tuple(choices))
        before = choices[0]
    head = Block(
        Op.HEAD,
        before.out_channels,
        draw(st.integers(1, 9)),
        before.output_size,
        norm_eps=None,
    )
    return SlotSpace("mine", (stem,), tuple(slots), (head,))


def _choice(kind: int, before: Block, out: int, stride: int) -> Block:
    channels, size = before.out_channels, before.output_size
    if kind < 2:
        return ghost(channels, out, size, stride, cheap=3 + 2 * kind)
    return Block(
        Op.MB,
        channels,
        out,
        size,
        kernel=3,
        stride=stride,
        activation=Activation.RELU,
        expanded_channels=kind * channels,
    )


@settings(max_examples=30)
@given(space=slot_spaces())
def test_every_space_of_a_users_own_keeps_the_laws(space: SlotSpace) -> None:
    assert broken_laws(space, num_samples=4) == ()


@pytest.mark.parametrize("name", space_names())
def test_the_kits_spaces_keep_the_same_laws(name: str) -> None:
    check_space(get_space(name), num_samples=4)


class _Wrong:
    """A space with one fault."""

    def __init__(self, fault: str) -> None:
        self._inner, self._fault = get_space("digits"), fault
        self.name, self.num_choices = "wrong", self._inner.num_choices
        self.size = 7 if fault == "size" else self._inner.size
        self.fixed_blocks = self._inner.fixed_blocks[:1] if fault == "rows" else self._inner.fixed_blocks
        self.choice_blocks = self._inner.choice_blocks
        digits = self._inner.slotted
        self.slotted = replace(digits, slots=digits.slots[::-1]) if fault == "slots" else None
        self._count = 0

    def decode(self, chromosome):
        if self._fault == "range":
            chromosome = tuple(min(max(gene, 0), 11) for gene in chromosome)
        network = self._inner.decode(chromosome)
        return Network("nameless" if self._fault == "name" else f"wrong/{network.name.split('/')[1]}", network.blocks)

    def encode(self, network):
        if self._fault == "foreign":
            return (0,) * 6
        return (0,) * 6 if self._fault == "encode" else self._inner.encode(network)

    def sample(self, rng):
        self._count += 1
        drawn = self._inner.sample(rng)
        if self._fault == "seed":
            return (self._count % 12, *drawn[1:])
        return (99, *drawn[1:]) if self._fault == "sample" else drawn


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("size", "size is 7"),
        ("rows", "is in neither fixed_blocks nor choice_blocks"),
        ("range", "decode takes a gene above its range"),
        ("name", "decode calls"),
        ("encode", "another network"),
        ("foreign", "encode takes a network that is not in the space"),
        ("seed", "different chromosomes from one seed"),
        ("sample", "which is not in range"),
        ("slots", " gives |slotted decodes"),
    ],
)
def test_a_space_that_breaks_a_law_is_rejected_with_the_law(fault: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_space(_Wrong(fault))


MODULE = """
from mogakit.nets.block import Activation, Block, Op
from mogakit.nets.network import Network
from mogakit.nets.spaces import SlotSpace

def make(input_size=16, num_classes=10):
    stem = Block(Op.CONV, 3, 8, input_size, kernel=3, stride=2, activation=Activation.RELU)
    size = stem.output_size
    slot = tuple(
        Block(Op.MB, 8, 8, size, kernel=k, activation=Activation.RELU, expanded_channels=24, residual=True)
        for k in (3, 5)
    )
    head = Block(Op.HEAD, 8, num_classes, size, norm_eps=None)
    return SlotSpace("small", (stem,), (slot, slot), (head,))

space = make()
network = space.decode((0, 1))
number = 3
def wide(width=1.0, input_size=16, num_classes=10):
    return make(input_size, num_classes).decode((1, 1))
"""


def test_a_space_of_a_module_is_found_by_its_reference_and_so_are_its_networks(here: Path) -> None:
    (here / "own_module_a.py").write_text(MODULE)
    space = get_space("own_module_a:space")
    assert space.name == "own_module_a:space"
    network = space.decode((1, 0))
    assert network.name == "own_module_a:space/1-0"
    assert resolve(network.name) == network
    assert get_space("own_module_a:make", 32, 7).decode((0, 0)).num_classes == 7
    with pytest.raises(InputError, match="made for 16 px, not for 32"):
        get_space("own_module_a:space", 32)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("own_module_b:number", "int and not a search space"),
        ("own_module_b:absent", "has no 'absent'"),
        ("no_such_module:space", "no module 'no_such_module'"),
        ("nothing", "package.module:name for a space of yours"),
    ],
)
def test_what_is_not_a_space_is_rejected_by_name(here: Path, text: str, words: str) -> None:
    (here / "own_module_b.py").write_text(MODULE)
    with pytest.raises(InputError, match=words):
        get_space(text)


def test_a_registered_space_has_its_name_but_not_one_of_the_kits() -> None:
    space = get_space("digits")
    register_space(space)  # the kit's own under its own name changes nothing
    other = SlotSpace("mine", space.before, space.slots, space.after)  # type: ignore[attr-defined]
    register_space(other)
    assert get_space("mine") == other
    with pytest.raises(InputError, match="one of the kit's own spaces"):
        register_space(SlotSpace("moga", space.before, space.slots, space.after))  # type: ignore[attr-defined]


def test_an_installed_package_adds_through_its_entry_points(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "own_module_c.py").write_text(MODULE)
    info = here / "own_module_c-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-module-c\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mogakit.spaces]\ninstalled = own_module_c:make\n[mogakit.networks]\ninstalled-net = own_module_c:network\n"
    )
    monkeypatch.syspath_prepend(str(here))
    assert "installed" in plugins.names(plugins.Group.SPACES)
    assert get_space("installed").decode((0, 0)).name == "installed/0-0"
    assert resolve("installed-net").name == "small/0-1"
    twin = here / "twin-1.0.dist-info"
    twin.mkdir()
    (twin / "METADATA").write_text("Metadata-Version: 2.1\nName: twin\nVersion: 1.0\n")
    (twin / "entry_points.txt").write_text("[mogakit.spaces]\ninstalled = own_module_c:space\n")
    importlib.invalidate_caches()
    with pytest.raises(InputError, match="several installed packages"):
        get_space("installed")


# --- block kinds ----------------------------------------------------------------------------------------------------


@given(
    kind=st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True),
    given_settings=st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.integers(0, 9999), max_size=4),
    expanded=st.none() | st.integers(1, 999),
)
def test_the_key_of_a_block_of_any_kind_reads_back(
    kind: str, given_settings: dict[str, int], expanded: int | None
) -> None:
    block = Block(
        Op.OWN,
        8,
        8,
        14,
        kernel=3,
        expanded_channels=expanded,
        kind=kind,
        settings=tuple(sorted(given_settings.items())),
    )
    assert parse_key(block.key) == block


def test_a_block_of_a_users_kind_keeps_the_laws_and_is_counted() -> None:
    block = ghost(8, 16, 14, stride=2, cheap=5)
    assert block.key == "own-ghost_i8o16_h14_k1s2_relu_set-cheap5"
    assert broken_block_laws(block) == ()
    assert count_params(block) == 8 * 8 + 16 + 8 * 25 + 16


@pytest.mark.parametrize("network", ["moga-a", "mobilenet-v1", "mobilenet-v3-large"])
def test_the_kits_blocks_keep_the_same_laws(network: str) -> None:
    blocks = zoo.get(network, input_size=32, num_classes=10).network.blocks
    assert [broken_block_laws(block) for block in dict.fromkeys(blocks)] == [()] * len(set(blocks))


class _MissingBias(Ghost):
    def layers(self, block: Block) -> Iterator[Layer]:
        yield Layer(role="primary", in_channels=block.in_channels, out_channels=4, output_size=1)


def test_a_kind_that_counts_otherwise_than_it_computes_is_found_out() -> None:
    register_block_kind("ghost", _MissingBias())
    (found,) = broken_block_laws(ghost(8, 16, 14))
    assert "counts 32 parameters (primary) and its module has" in found


def test_an_unknown_kind_names_the_remedy_only_when_it_is_needed() -> None:
    block = parse_key("own-spook_i8o8_h14_k3s1_relu")  # a table of another machine reads without the kind
    with pytest.raises(InputError, match=r"no block kind is called 'spook' \(known: ghost\)"):
        count_params(block)
    with pytest.raises(InputError, match="has no module and no layers"):
        register_block_kind("spook", object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": None},
        {"kind": "Ghost"},
        {"kind": "gh-ost"},
        {"kind": "g", "settings": (("b", 1), ("a", 1))},
        {"kind": "g", "settings": (("a", -1),)},
        {"kind": "g", "settings": (("a1", 1),)},
    ],
)
def test_a_kind_or_setting_that_no_key_could_hold_is_rejected(fields) -> None:
    with pytest.raises(InputError, match="not a block"):
        Block(Op.OWN, 8, 8, 14, **fields)


# --- networks -------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(space=st.sampled_from(space_names()), seed=st.integers(0, 2**32 - 1))
def test_a_network_file_reads_back(tmp_path_factory: pytest.TempPathFactory, space: str, seed: int) -> None:
    found: SearchSpace = get_space(space)
    network = found.decode(found.sample(np.random.default_rng(seed)))
    path = tmp_path_factory.mktemp("net") / "net.json"
    save_network(network, path, source="a test")
    assert load_network(path) == network
    assert resolve(str(path)) == network


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no network file"),
        ("{", "is not JSON"),
        ('{"schema_version": 9}', "schema"),
        ('{"schema_version": 1, "name": "x"}', "neither of table and blocks"),
        (
            '{"schema_version": 1, "name": "x", "blocks": ["conv_i3"], "table": {"body": [], "head": "head", '
            '"activation": "relu"}}',
            "both of table and blocks",
        ),
        (
            '{"schema_version": 1, "name": "x", "table": {"body": ["mb_e6"], "head": "head", "activation": "relu"}}',
            "'mb_e6' is not a line of a zoo table",
        ),
        ('{"schema_version": 1, "name": "x", "blocks": ["conv_i3"]}', "not a block key"),
        ('{"schema_version": 1, "name": "x", "blocks": ["conv_i3o16_h224_k3s2_hswish"]}', "must end in its one head"),
    ],
)
def test_what_is_not_a_network_file_is_rejected(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "net.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=words):
        resolve(str(path))


@pytest.mark.parametrize("name", zoo.names())
def test_a_zoo_network_saved_as_a_file_is_that_network_at_every_scale(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.json"
    save_summarised(name, 1.0, None, None, path)
    assert resolve(str(path)).blocks == resolve(name).blocks
    assert resolve(f"{path}@0.75x@96px@10c").blocks == resolve(f"{name}@0.75x@96px@10c").blocks
    assert resolve(str(path), 0.5).blocks == resolve(name, 0.5).blocks
    of_file, of_zoo = summarise(str(path)), summarise(name)
    assert (of_file.published, of_file.source, of_file.name) == (of_zoo.published, of_zoo.source, of_zoo.name)


def test_a_network_of_a_module_is_found_and_made_as_asked(here: Path) -> None:
    (here / "own_module_d.py").write_text(MODULE)
    assert resolve("own_module_d:network").name == "small/0-1"
    assert resolve("own_module_d:wide", input_size=32, num_classes=3).num_classes == 3
    with pytest.raises(InputError, match="for 16 px, not for 32"):
        resolve("own_module_d:network", input_size=32)
    with pytest.raises(InputError, match="takes no width"):
        resolve("own_module_d:make", width=2.0)
    with pytest.raises(InputError, match="is a SlotSpace"):
        resolve("own_module_d:make")
