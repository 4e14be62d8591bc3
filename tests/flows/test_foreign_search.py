"""From another project's table to a network that ships: imported, searched in its own space, exported, verified."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.luts.foreign.mapping import blocks_of
from mogakit.luts.foreign.ofa import mobilenetv3_names, proxylessnas_names
from mogakit.nets.network import count_madds
from mogakit.nets.spaces import get_space

SPACES = {"ofa-mobilenetv3@64px": mobilenetv3_names, "proxylessnas": proxylessnas_names}


def moga(*words: object):
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def lookup_table(space: str) -> str:
    """Return a table in the grammar of Once-for-All; times are made up, and grow with the work."""
    rng = np.random.default_rng(7)
    entries = {}
    for block in blocks_of(get_space(space)):
        for name in SPACES[space](block)[0]:
            mean = 0.03 + count_madds(block) / 6e6 * float(rng.uniform(0.9, 1.1))
            entries[name] = {"count": 100, "mean": round(mean, 6), "std": round(mean / 40, 6)}
    return yaml.safe_dump(entries)


@pytest.mark.parametrize("space", SPACES)
def test_a_table_of_once_for_all_drives_both_engines(space: str, tmp_path: Path) -> None:
    source = tmp_path / "lookup_table.yaml"
    source.write_text(lookup_table(space))
    table = tmp_path / "lut.json"
    done = json.loads(moga("lut", "import", "--format", "ofa", source, "--unit", "ms", "-o", table, "--json").output)
    assert (done["coverage"]["space"], done["coverage"]["missing"]) == (space, [])
    words = ("search", "--space", space, "--table", table, "--objective", "accuracy", "--objective", "latency")
    moga(*words, "--engine", "exact", "-o", tmp_path / "exact")
    moga(*words, "--set", "population=30", "--set", "generations=20", "-o", tmp_path / "nsga2")
    exact = json.loads((tmp_path / "exact" / "search.json").read_text())
    found = json.loads((tmp_path / "nsga2" / "search.json").read_text())
    assert exact["quality"]["tolerance_percent"] == 0
    assert len(exact["front"]["chromosomes"]) > len(found["front"]["chromosomes"]) > 10
    assert 75 < found["quality"]["archive_percent"] <= 100
    place = found["front"]["chromosomes"].index(found["picks"][0])
    names = [metric["name"] for metric in found["front"]["metrics"]]
    predicted = moga("predict", f"{space}/{found['picks'][0]}", "--table", table, "--json").output
    latency = found["front"]["values"][place][names.index("latency")]
    assert json.loads(predicted)["networks"][0]["latency_ms"] == pytest.approx(latency, rel=1e-6)


def test_a_table_with_gaps_drives_a_search_of_what_it_covers(tmp_path: Path) -> None:
    content = yaml.safe_load(lookup_table("proxylessnas"))
    known = {key: entry for key, entry in content.items() if "kernel:7" not in key and "Logits" not in key}
    source, table = tmp_path / "lookup_table.yaml", tmp_path / "lut.json"
    source.write_text(yaml.safe_dump(known | {key: content[key] for key in content if "Logits" in key}))
    shown = moga("lut", "import", "--format", "ofa", source, "--unit", "ms", "-o", table).output
    assert "space proxylessnas: 47 of 69 blocks have a number" in shown
    assert "22 blocks without an entry: " in shown
    assert "and 19 more (--json lists all)" in shown
    words = ("--table", table, "--objective", "accuracy", "--objective", "latency", "-o", tmp_path / "S")
    moga("search", "--space", "proxylessnas", "--engine", "exact", *words)
    front = json.loads((tmp_path / "S" / "search.json").read_text())["front"]["chromosomes"]
    networks = [get_space("proxylessnas").decode(tuple(map(int, text.split("-")))) for text in front]
    assert len(networks) > 20
    assert {block.kernel for network in networks for block in network.blocks} == {1, 3, 5}
    head = {key: entry for key, entry in known.items() if "stride:2" not in key}
    source.write_text(yaml.safe_dump(head))
    moga("lut", "import", "--format", "ofa", source, "--unit", "ms", "-o", table)
    with pytest.raises(InputError, match="has no number for any choice of gene 0, such as mb_i16e48o24_h112_k3s2"):
        moga("search", "--space", "proxylessnas", "--engine", "exact", *words[:-1], tmp_path / "T")


@pytest.mark.parametrize(
    "network",
    [
        "fbnet-cifar/" + "-".join(map(str, [5, *[1, 8, 5, 0], *[8, 1, 5, 8], *[3, 7] * 6, 1])),
        "nas-bench-201/3-4-0-1-2-1",
        "nas-bench-201/0-3-3-1-0-1",
    ],
)
def test_networks_of_such_spaces_are_exported_and_agree_with_torch(network: str, tmp_path: Path) -> None:
    done = json.loads(
        moga(
            "export", "model", network, "-o", tmp_path / "E", "--format", "tflite", "--format", "onnx", "--json"
        ).output
    )
    assert len(list((tmp_path / "E").rglob("*.tflite"))) == 1
    assert len(list((tmp_path / "E").rglob("*.onnx"))) == 1
    assert done


def test_a_pick_of_once_for_all_ships(tmp_path: Path) -> None:
    network = "ofa-mobilenetv3@64px/" + "-".join(["0", "1", "4", "0", "0"] * 5)
    moga("ship", network, "-o", tmp_path / "B")
    moga("ship", "--check", tmp_path / "B")
