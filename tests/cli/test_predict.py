"""`moga predict` as a process: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json"


def test_a_prediction_has_an_error_bar_and_says_where_it_is_from(moga):
    ended = moga("predict", "moga-a", "moga-b", "--table", TABLE, COLUMNS="80")
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, ended.out.splitlines())) <= 80
    for words in ("moga-a", "24.387", "0.188", "mean error 0.77 %", "over 8 networks"):
        assert words in ended.out


def test_the_parts_are_a_table_that_adds_up(moga):
    out = moga("predict", "moga-a", "--table", TABLE, "--parts").out
    for words in ("mb_i24e144o24_h56_k7s1_relu_res", "paid once (overhead)", "calibration", "24.3869", "100.0"):
        assert words in out


def test_one_network_without_a_prediction_is_1_and_names_the_command(moga):
    ended = moga("predict", "moga-a", "mobilenet-v2", "--table", TABLE, "--json")
    assert ended.code == 1
    assert "mobilenet-v2 has no prediction" in ended.err
    moga_a, mobilenet = json.loads(ended.out)["networks"]
    assert moga_a["latency_ms"] == pytest.approx(24.387, abs=0.001)
    assert mobilenet["latency_ms"] is None
    assert mobilenet["command"] == "moga bench mobilenet-v2 --target tflite/cpu/float32"
