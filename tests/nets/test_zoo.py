"""The zoo says what it knows, where from, and what it cannot reproduce."""

import re

import pytest

from mogakit.errors import InputError, KeySyntaxError
from mogakit.nets import zoo
from mogakit.nets.block import Activation, Op
from mogakit.nets.network import count_madds, count_params, count_params_without_norm
from mogakit.nets.zoo.table import Table, build, make_divisible


def test_twenty_networks_are_known() -> None:
    assert len(zoo.names()) == 20


@pytest.mark.parametrize("name", zoo.names())
def test_a_match_is_within_the_rounding_of_what_was_published(name: str) -> None:
    entry = zoo.get(name)
    if entry.verdict not in (zoo.Verdict.MATCH, zoo.Verdict.MATCH_REPOSITORY):
        return
    published = entry.published
    params = {count_params(entry.network), count_params_without_norm(entry.network)}
    assert min(abs(count / 1e6 - published.params_m) for count in params) < 0.1  # papers truncate
    assert abs(count_madds(entry.network) / 1e6 - published.madds_m) < 1


@pytest.mark.parametrize("name", ["mnasnet-b1", "single-path-nas"])
def test_what_cannot_be_reproduced_is_said(name: str) -> None:
    entry = zoo.get(name)
    assert entry.verdict is zoo.Verdict.MISMATCH
    assert re.search(r"against \d", entry.comment)


def test_the_row_of_the_fbnet_paper_is_not_claimed() -> None:
    entry = zoo.get("fbnet-b")
    assert entry.verdict is zoo.Verdict.MATCH_REPOSITORY
    assert "paper's row (295M, 4.5M" in entry.comment


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_has_a_source_and_published_numbers(name: str) -> None:
    entry = zoo.get(name)
    assert "github.com/" in entry.source
    assert entry.published.source
    assert 70 < entry.published.top1 < 77
    assert all(latency.latency_ms > 0 and latency.device for latency in entry.latencies)


def test_latencies_are_those_of_the_papers() -> None:
    moga = [(row.latency_ms, row.framework) for row in zoo.get("moga-c").latencies]
    assert moga == [(9.6, "SNPE 1.27.1.382"), (8.8, "MACE 03362fa0"), (71.0, "TFLite float")]  # MoGA Table 3
    multi = [row.latency_ms for row in zoo.get("multi-max").latencies]
    assert multi == [25.2, 11.7, 4.47, 3.38, 2.22]  # multi-hardware paper Table 1
    assert {row.width for row in zoo.get("mobilenet-v1").latencies if "Pixel 4" in row.device} == {1.25}


def test_v3_on_the_edge_tpu_is_absent() -> None:
    devices = [row.device for row in zoo.get("mobilenet-v3-large").latencies]
    assert not any("EdgeTPU" in device for device in devices)


def test_the_first_moga_bottleneck_has_no_residual_and_that_of_v3_has() -> None:
    assert not zoo.get("moga-a").network.blocks[1].residual
    assert zoo.get("mobilenet-v3-large").network.blocks[1].residual


def test_the_first_fused_block_of_edgetpu_is_a_bare_1x1_convolution() -> None:
    block = zoo.get("mobilenet-edgetpu").network.blocks[1]
    assert (block.op, block.kernel, block.activation) == (Op.CONV, 1, Activation.LINEAR)


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
@pytest.mark.parametrize("name", zoo.names())
def test_scaled_channels_are_multiples_of_eight(name: str, width: float) -> None:
    for block in zoo.get(name, width).network.blocks[:-1]:
        assert block.out_channels % 8 == 0


def test_variants_have_names_of_their_own() -> None:
    assert zoo.get("mobilenet-v2").network.name == "mobilenet-v2"
    assert zoo.get("mobilenet-v2", 1.4, 192).network.name == "mobilenet-v2@1.4x@192px"
    assert zoo.get("mobilenet-v2", num_classes=10).network.name == "mobilenet-v2@10c"


@pytest.mark.parametrize(
    ("value", "rounded"), [(18, 24), (30, 32), (184, 184), (8 * 0.35, 8), (24 * 0.75, 24), (32 * 1.4, 48)]
)
def test_rounding_never_takes_more_than_a_tenth(value: float, rounded: int) -> None:
    assert make_divisible(value) == rounded


def test_unknown_names_and_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="unknown network 'resnet-50'; supported: moga-a"):
        zoo.get("resnet-50")
    for arguments in ((0.0, 224, 10), (1.0, 0, 10), (1.0, 224, 0)):
        with pytest.raises(InputError, match="out of range"):
            zoo.get("moga-a", *arguments)


@pytest.mark.parametrize(
    "line", ["mb_o24_k3s1", "mb_e6o24_k3", "bottleneck", "mb_e6o24_k3s1_res_se", "mb_e6o24_k3s1_se"]
)
def test_lines_that_do_not_parse_are_rejected(line: str) -> None:
    table = Table(body=("conv_o16_k3s2", line), head="head", activation=Activation.RELU)
    with pytest.raises((KeySyntaxError, InputError)):
        build("bad", table, 1.0, 224, 10)
