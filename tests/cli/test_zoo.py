"""`moga zoo` and `moga show` print what the tables hold."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mogakit.cli.show import command as show
from mogakit.cli.zoo import command as zoo_command
from mogakit.errors import InputError

COUNTS = json.loads((Path(__file__).parents[1] / "nets" / "data" / "counts.json").read_text())["networks"]
MOGA_A = "moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9"


def run_show(*arguments: str) -> Result:
    """Run `moga show`."""
    return CliRunner().invoke(show, arguments)


def test_zoo_lists_twenty_networks_with_their_counts_as_json() -> None:
    result = CliRunner().invoke(zoo_command, ["--json"])
    assert result.exit_code == 0
    listed = json.loads(result.stdout)
    assert {row["name"]: (row["params"], row["madds"]) for row in listed} == {
        name: (counts["params"], counts["madds"]) for name, counts in COUNTS.items()
    }
    for row in listed:
        assert row["source"]
        assert row["published"]["madds_m"] > 0


def test_zoo_prints_a_table_and_says_what_is_not_reproduced() -> None:
    result = CliRunner().invoke(zoo_command, [])
    assert result.exit_code == 0
    for word in ("moga-a", "304.0", "mismatch", "single-path-nas: 333M against 365M", "fbnet-b:"):
        assert word in " ".join(result.stdout.split())


def test_show_lists_blocks_that_add_up() -> None:
    shown = json.loads(run_show("moga-a", "--json").stdout)
    assert len(shown["blocks"]) == 17
    for count in ("params", "madds"):
        assert sum(block[count] for block in shown["blocks"]) == shown[count] == COUNTS["moga-a"][count]
    assert shown["blocks"][0]["key"] == "conv_i3o16_h224_k3s2_hswish"


def test_a_chromosome_shows_the_same_blocks_as_the_network_it_is() -> None:
    chromosome, network = (json.loads(run_show(name, "--json").stdout) for name in (MOGA_A, "moga-a"))
    assert chromosome["blocks"] == network["blocks"]
    assert chromosome["name"] == MOGA_A
    assert chromosome["published"] is None


def test_show_takes_width_size_and_classes() -> None:
    shown = json.loads(run_show("mobilenet-v2", "--width", "1.4", "--json").stdout)
    assert round(shown["madds"] / 1e6) == 582
    shown = json.loads(run_show("moga-a", "--input-size", "96", "--classes", "10", "--json").stdout)
    assert (shown["input_size"], shown["num_classes"]) == (96, 10)


def test_show_prints_a_table_with_a_total() -> None:
    result = run_show("moga-a")
    for word in ("mb_i16e96o24_h112_k5s2_relu", "5,159,802", "304.04"):
        assert word in result.stdout


@pytest.mark.parametrize("name", ["moga-z", "moga/1-2-3", "nowhere/1-2", "moga/a-b"])
def test_what_is_not_known_is_bad_input(name: str) -> None:
    result = run_show(name)
    assert result.exit_code == 2
    assert "Invalid value for 'NETWORK'" in result.stderr


def test_a_network_is_saved_and_taken_back_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    saved = run_show("mnasnet-a1", "--width", "0.5", "--save", str(path), "--json")
    first, second = json.loads(saved.output), json.loads(run_show(str(path), "--json").output)
    assert [block["key"] for block in first["blocks"]] == [block["key"] for block in second["blocks"]]
    assert first["params"] == second["params"]
    assert "mnasnet" in json.loads(path.read_text(encoding="utf-8"))["source"]
    wrong = run_show("mnasnet-a1", "--save", str(tmp_path / "mine.txt"))
    assert isinstance(wrong.exception, InputError)
    assert ".json" in str(wrong.exception)
