"""`moga search` from arguments to output."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.search import command
from mogakit.errors import InputError
from mogakit.luts.table import load, save

TABLE = str(Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json")
SMALL = ["--population", "12", "--generations", "6"]


def run(*arguments):
    return CliRunner().invoke(command, ["--table", TABLE, *SMALL, *arguments], catch_exceptions=False)


def test_it_prints_the_picks_and_how_far_it_came(tmp_path):
    text = run("-o", str(tmp_path)).output
    assert "Picks, fastest first" in text
    assert "moga/" in text
    assert "exact front:" in text
    assert "proxy is a capacity, not an accuracy" in text


def test_it_says_where_each_latency_comes_from(tmp_path):
    assert "latency: table moga-xeon-xnnpack.json, tflite/cpu/float32 on" in run("-o", str(tmp_path / "a")).output
    table = load(Path(TABLE))
    save(replace(table, identity=replace(table.identity, flags=("transport=adb shell",))), tmp_path / "phone.json")
    arguments = ["--table", str(tmp_path / "phone.json"), *SMALL, "-o", str(tmp_path / "b")]
    output = " ".join(CliRunner().invoke(command, arguments, catch_exceptions=False).output.split())
    assert "a shell binary is scheduled differently from an app" in output


def test_json_is_the_record(tmp_path):
    document = json.loads(run("-o", str(tmp_path), "--json", "--picks", "2").stdout)
    assert len(document["picks"]) == 2
    assert document["engine"] == "nsga2"
    assert document["settings"]["population"] == 12


def test_options_reach_the_engine(tmp_path):
    options = ["--engine", "sms-emoa", "--crossover", "one-gene", "--mutation", "random", "--no-second-initial"]
    document = json.loads(run("-o", str(tmp_path), "--json", "--seed", "5", *options).stdout)
    assert document["seed"] == 5
    assert document["settings"]["engine"] == "sms-emoa"
    assert document["settings"]["crossover"] == "one-gene"
    assert document["settings"]["second_initial"] is False


def test_best_under_a_limit(tmp_path):
    document = json.loads(
        run("-o", str(tmp_path), "--json", "--engine", "best", "--limit", "latency<=6", "--forbid", "*_k7s*").stdout
    )
    assert document["front"]["values"][0][1] <= 6
    assert len(document["front"]["chromosomes"]) == 1


@pytest.mark.parametrize("arguments", [["--limit", "quick"], ["--accuracy", "unknown"], ["--forbid", "*_k9*"]])
def test_bad_input_is_rejected_before_anything_runs(tmp_path, arguments):
    with pytest.raises(InputError):
        run("-o", str(tmp_path / "out"), *arguments)


@pytest.mark.slow
def test_a_device_is_measured_in_the_loop(tmp_path):
    # only the first slot is free: two networks, measured once each although they are asked for eight times
    forbidden = [
        "*_se*",
        "*_k5s*",
        "*_k7s*",
        "mb_i24e144*",
        "mb_i40e240*",
        "mb_i80e480*",
        "mb_i112e672*",
        "mb_i160e960*",
    ]
    options = [word for pattern in forbidden for word in ("--forbid", pattern)]
    arguments = ["--target", "tflite/cpu/float32", *options, "--population", "4", "--generations", "2"]
    arguments += ["--objective", "accuracy", "--objective", "latency", "-o", str(tmp_path), "--json"]
    document = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)
    assert document["num_networks"] == 2
    assert all(latency > 0 for _, latency, *_ in document["front"]["values"])
    assert "measured in the loop" in document["front"]["metrics"][1]["source"]
    assert "does not add up" in document["quality"]["without"]


def test_help_shows_an_example():
    assert "moga search --table RUN/lut.json" in CliRunner().invoke(command, ["--help"]).output


def test_what_a_hardware_cannot_run_is_left_out_or_the_space_rejected(tmp_path):
    with pytest.raises(InputError, match="search --space moga-relu"):
        run("-o", str(tmp_path / "a"), "--runs-on", "edgetpu")
    document = json.loads(run("-o", str(tmp_path / "b"), "--json", "--runs-on", "tflite-gpu").stdout)
    assert document["num_evaluations"] == 72
