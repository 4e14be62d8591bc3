"""The tables that ship with the kit: made from the data beside these tests, licensed, checked, good for a search."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from make_library import DATA, SHIPPED, make_library

from mogakit.cli.lut import command
from mogakit.errors import InputError
from mogakit.flows.search.find import search
from mogakit.flows.search.plan import Method, SearchPlan, table_input
from mogakit.luts.check import Severity
from mogakit.luts.foreign.compose import compose
from mogakit.luts.foreign.mapping import blocks_of
from mogakit.luts.foreign.operators import import_operators, operator_times
from mogakit.luts.latencies import load_latencies
from mogakit.luts.library.shelf import ENTRIES, get, list_library, load_entry
from mogakit.luts.linear import CostModel
from mogakit.luts.table import LatencyTable, RowSource
from mogakit.nets import zoo
from mogakit.nets.spaces import get_space

NAMES = [entry.name for entry in ENTRIES]


def test_what_ships_is_small_and_nothing_else() -> None:
    found = {path.name for path in SHIPPED.iterdir()}
    assert found == {*(f"{name}.json.gz" for name in NAMES), "LICENSE.qed-usc"}
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 200_000


def shipped(name: str) -> LatencyTable:
    found = load_entry(name)
    assert isinstance(found, LatencyTable)
    return found


def test_the_files_are_what_the_data_give(tmp_path: Path) -> None:
    """`make_library` takes seconds for its fits; what needs none is made again here, of one phone."""
    made = {path.name: path for path in make_library(tmp_path, [])}
    assert {name: path.read_bytes() for name, path in made.items()} == {
        name: (SHIPPED / name).read_bytes() for name in made
    }
    operators = tmp_path / "cnn_ops_gpu.csv"
    operators.write_bytes(gzip.decompress((DATA / "qed_usc" / "cnn_ops_gpu.csv.gz").read_bytes()))
    again = import_operators(operators, "pixel4|gpu|float")
    known = shipped("pixel4-gpu-operators")
    assert {key: row.latency_ms for key, row in known.rows.items()} == {
        key: row.latency_ms for key, row in again.rows.items()
    }
    assert known.origin.source_sha256 == again.origin.source_sha256
    table = shipped("pixel4-gpu-tunas-proxyless")
    composed = compose(
        list(blocks_of(get_space("tunas-proxyless"))), operator_times(operators, "pixel4|gpu|float")
    ).rows
    assert composed.keys() == {key for key, row in table.rows.items() if row.source is RowSource.COMPOSED}
    assert all(table.rows[key].latency_ms == pytest.approx(row.latency_ms) for key, row in composed.items())
    assert table.calibration == known.calibration
    assert table.calibration.num_networks == 102


def test_every_entry_has_a_licence_a_source_a_use_and_no_error() -> None:
    for listed in list_library():
        entry = listed.entry
        assert entry.licence in ("Apache-2.0", "MIT")
        assert bool(entry.licence_file) == (entry.licence != "Apache-2.0")
        assert len(entry.good_for) > 80
        assert "@" in entry.source or "measured by this kit" in entry.source
        assert not [finding for finding in listed.findings if finding.severity is Severity.ERROR]
        assert listed.num_rows > 50


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_written_with_the_licence_of_others(name: str, tmp_path: Path) -> None:
    output = tmp_path / "table.json"
    listed = get(name, output)
    found = load_latencies(output)
    assert isinstance(found, CostModel) == (listed.kind == "cost model")
    licence = tmp_path / "table.json.LICENSE"
    assert licence.exists() == bool(listed.entry.licence_file)
    if licence.exists():
        assert licence.read_text().startswith("MIT License")


def test_a_phone_gpu_table_predicts_networks_that_were_measured() -> None:
    """Its blocks are half composed, half inferred; proxyless-mobile took 6.74 ms on the phone, with ReLU6 for ReLU."""
    table = load_entry("pixel4-gpu-tunas-proxyless")
    assert isinstance(table, LatencyTable)
    space = get_space("tunas-proxyless")
    network = space.decode((0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5))
    keys = {block.key.replace("_eps1e-3", "") for block in network.blocks}
    theirs = {
        block.key.replace("_eps1e-3", "").replace("relu6", "relu")
        for block in zoo.get("proxyless-mobile").network.blocks
    }
    assert keys == theirs
    assert table.latency_ms(network) == pytest.approx(6.74, rel=0.03)


@pytest.mark.parametrize("name", ["pixel1-tunas-proxyless", "mi8se-gpu-tunas-proxyless"])
def test_an_entry_drives_a_search(name: str, tmp_path: Path) -> None:
    get(name, tmp_path / "t.json")
    plan = SearchPlan(
        space="tunas-proxyless",
        latencies=(table_input(tmp_path / "t.json"),),
        objectives=("accuracy", "latency"),
        method=Method.EXACT,
    )
    assert len(search(plan, tmp_path / "S").front.chromosomes) > 20


def test_the_command_lists_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(command, ["list"], catch_exceptions=False).output
    assert all(name in shown for name in NAMES)
    listed = json.loads(CliRunner().invoke(command, ["list", "--json"], catch_exceptions=False).output)
    assert [one["name"] for one in listed] == NAMES
    assert {"licence", "source", "verdict", "good_for", "findings"} <= listed[0].keys()
    output = tmp_path / "pixel4.json"
    done = CliRunner().invoke(command, ["get", "pixel4-gpu-operators", "-o", str(output)], catch_exceptions=False)
    assert "licence MIT, with pixel4.json.LICENSE beside it" in done.output
    with pytest.raises(InputError, match="did you mean pixel4-gpu-operators"):
        CliRunner().invoke(command, ["get", "pixel4-gpu-operator", "-o", str(output)], catch_exceptions=False)
