"""The papers' tables: each number belongs to a paper, a table and a row, and is printed as the paper has it."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mogakit.cli.compare import command
from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.block import Op
from mogakit.nets.detection.published import PUBLISHED
from mogakit.nets.network import count_madds
from mogakit.nets.network_file import load_network
from mogakit.nets.published import PAPER_TABLES, PIXEL4_FACTORS_MS, Holds, PaperTable, get_paper_table
from mogakit.nets.published.table import read_table
from mogakit.nets.variant import parse_variant
from mogakit.search.multi_hardware import f_avg, f_max

DETECTORS = {each.name for each in PUBLISHED}
NORMED = [
    pytest.param(table, row.label, id=f"{name} {row.label}")
    for name, table in PAPER_TABLES.items()
    for row in table.rows
    if table.index_of(Holds.METRIC) and table.index_of(Holds.LATENCY)
]


@pytest.mark.parametrize(("table", "label"), NORMED)
def test_every_mn_norm_of_tables_1_and_2_follows_from_the_factors(table: PaperTable, label: str) -> None:
    latencies = table.values(Holds.LATENCY)[label]
    factors = [table.columns[place].factor_ms for place in table.index_of(Holds.LATENCY)]
    assert factors == [36.8, 12.8, 4.82, 3.06, 2.37] == list(PIXEL4_FACTORS_MS.values())
    computed = (f_avg(latencies, factors), f_max(latencies, factors))
    for ours, printed in zip(computed, table.values(Holds.METRIC)[label], strict=True):
        assert ours is printed is None or ours == pytest.approx(printed, abs=0.005)


def test_these_are_24_values_and_one_row_without() -> None:
    printed = [value for one in NORMED for value in one.values[0].values(Holds.METRIC)[one.values[1]]]
    assert len(printed) == 26
    assert sum(value is not None for value in printed) == 24
    assert PAPER_TABLES["multi-hardware/1"].values(Holds.METRIC)["MobilenetV3Large"] == (None, None)


def test_table_3_repeats_the_norms_of_tables_1_and_2() -> None:
    norms = {
        label: values
        for number in (1, 2)
        for label, values in get_paper_table(f"multi-hardware/{number}").values(Holds.METRIC).items()
    }
    third = get_paper_table("multi-hardware/3")
    assert third.values(Holds.METRIC) == {label: norms[label] for label in third.values(Holds.METRIC)}
    assert third.values(Holds.COST) == {"Single-CPU uint8": (5,), "Multi-AVG": (1,)}


@pytest.mark.parametrize("table", PAPER_TABLES.values(), ids=PAPER_TABLES)
def test_every_network_of_a_row_exists(table: PaperTable) -> None:
    for row in table.rows:
        if row.network is not None and row.network not in DETECTORS:
            variant = parse_variant(row.network)
            assert zoo.get(variant.base, width=variant.width).network.name == row.network


@pytest.mark.parametrize(
    ("name", "label", "printed"),
    [
        ("multi-hardware/1", "Mobilenet-EdgeTPU", "1.0 76.2 4.05 991 59.3 19.4 7.52 4.29 2.67 1.44 1.61"),
        ("multi-hardware/1", "Multi-AVG", "1.0 75.8 4.91 433 31.0 13.9 5.40 3.81 2.40 1.06 1.25"),
        ("multi-hardware/2", "Single-DSP", "76.3 46.7 15.6 6.88 3.42 2.44 1.21 1.43"),
        ("multi-hardware/3", "Single-CPU uint8", "5 1.13 1.21"),
        ("moga/3", "MobileNetV3 Large 1.0", "219 5.4 10.8 9.5 70 (66) 75.0 (75.2) 92.2"),
        ("moga/3", "FBNet-B", "295 4.5 - - 23 (Galaxy S8) 74.1 -"),
        ("moga/3", "MoGA-C", "221 5.4 9.6 8.8 71 75.3 92.5"),
        ("mnasnet/1", "MnasNet-92 (+SE)", "5.1M 391M 76.13 107"),
        ("mnasnet/2", "MnasNet-92 + SSDLite", "5.3M 1.0B 22.9 227"),
        ("mnasnet/3", "only (e)", "74.8 157"),
        ("mnasnet/6", "MBConv6 (k5x5) only", "75.6 146"),
    ],
)
def test_a_row_is_printed_as_the_paper_has_it(name: str, label: str, printed: str) -> None:
    wide = {"COLUMNS": "200"}  # a narrow terminal has the same cells without a box
    done = CliRunner(env=wide).invoke(command, ["--published", name], catch_exceptions=False)
    line = next(line for line in done.output.splitlines() if line.strip("│ ").startswith(f"{label} "))
    assert next(cell.strip() for cell in line.split("│") if cell.strip()) == label
    assert " ".join(cell.strip() for cell in line.split("│")[2:-1]) == printed


@pytest.mark.parametrize("name", PAPER_TABLES)
def test_as_json_every_cell_is_there(name: str) -> None:
    done = CliRunner().invoke(command, ["--published", name, "--json"], catch_exceptions=False)
    (table,) = json.loads(done.output)["tables"]
    kept = PAPER_TABLES[name]
    assert [[cell["printed"] for cell in row["cells"]] for row in table["rows"]] == [
        [cell.printed for cell in row.cells] for row in kept.rows
    ]


def test_a_cell_that_is_not_a_number_is_an_error() -> None:
    columns = PAPER_TABLES["mnasnet/3"].columns
    with pytest.raises(InputError, match="row one: 1 cells for 2"):
        read_table("a/1", "", "", columns, "one | - | 1")
    with pytest.raises(InputError, match="'fast' is not a number"):
        read_table("a/1", "", "", columns, "one | - | 1 | fast")


def test_an_unknown_table_names_those_there_are() -> None:
    with pytest.raises(InputError, match="multi-hardware/1"):
        get_paper_table("multi-hardware/9")


def test_variants_of_one_layer_type_cost_in_the_papers_order() -> None:
    folder = Path(__file__).parents[2] / "examples" / "mnasnet_layer_types"
    names = ("mbconv3-k3", "mbconv3-k5", "mbconv6-k3", "mbconv6-k5")
    found = [load_network(folder / f"mnasnet-a1-{name}.json") for name in names]
    original = zoo.get("mnasnet-a1").network
    for network in found:
        assert [block.out_channels for block in network.blocks] == [block.out_channels for block in original.blocks]
        assert len({(b.kernel, b.expanded_channels // b.in_channels) for b in network.blocks if b.op is Op.MB}) == 1
    madds = [count_madds(network) for network in found]
    latencies = [value for (value,) in PAPER_TABLES["mnasnet/6"].values(Holds.LATENCY).values()][1:]
    assert np.argsort(madds).tolist() == np.argsort(latencies).tolist() == [0, 1, 2, 3]
