"""`moga search` from arguments to output."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mogakit.cli.search import command
from mogakit.errors import InputError
from mogakit.luts.table import load, save

TABLE = str(Path(__file__).parents[1] / "search" / "data" / "moga-xeon-xnnpack.json")
SMALL = ["--set", "population=12", "--set", "generations=6"]


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
    document = json.loads(run("-o", str(tmp_path), "--json", "--set", "picks=2").stdout)
    assert len(document["picks"]) == 2
    assert document["engine"] == "nsga2"
    assert document["settings"]["population"] == 12


def test_options_reach_the_engine(tmp_path):
    options = ["--engine", "sms-emoa", "--set", "crossover=one-gene", "--set", "mutation=random"]
    options += ["--set", "second_initial=false"]
    document = json.loads(run("-o", str(tmp_path), "--json", "--seed", "5", *options).stdout)
    assert document["seed"] == 5
    assert document["settings"]["engine"] == "sms-emoa"
    assert document["settings"]["crossover"] == "one-gene"
    assert document["settings"]["second_initial"] is False


def test_best_under_a_limit(tmp_path):
    arguments = ["--engine", "best", "--limit", "latency<=6", "--forbid", "*_k7s*"]
    found = CliRunner().invoke(command, ["--table", TABLE, *arguments, "-o", str(tmp_path), "--json"])
    document = json.loads(found.stdout)
    assert document["front"]["values"][0][1] <= 6
    assert len(document["front"]["chromosomes"]) == 1


@pytest.mark.parametrize("arguments", [["--accuracy", "unknown"], ["--forbid", "*_k9*"], ["--set", "steps=9"]])
def test_bad_input_is_rejected_before_anything_runs(tmp_path, arguments):
    with pytest.raises(InputError):
        run("-o", str(tmp_path / "out"), *arguments)
    assert run("-o", str(tmp_path / "out"), "--limit", "quick").exit_code == 2


@pytest.mark.parametrize(
    ("engine", "setting", "message"),
    [
        ("nsga2", "populaton=12", "did you mean population?"),
        ("nsga2", "num_fit=100", "it has population, generations"),
        ("best", "population=12", "it has none"),
        ("nsga2", "population=many", "is not a whole number"),
        ("nsga2", "population=1e400", "is not a whole number"),
        ("nsga2", "crossover_rate=nan", "is not a number"),
        ("nsga2", "population", "not of the form name=value"),
        ("nsga2", "target_ms=3", "engine nsga2 has no setting target_ms"),
        ("ppo", "reward=absolute", "needs target_ms"),
    ],
)
def test_a_setting_that_is_not_of_the_engine_is_rejected_with_what_is(tmp_path, engine, setting, message):
    arguments = ["--table", TABLE, "--engine", engine, "--set", setting, "-o", str(tmp_path / "out")]
    with pytest.raises(InputError, match=re.escape(message)):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_the_old_spelling_of_a_setting_still_works_with_a_warning(tmp_path):
    old = ["--population", "12", "--generations=6", "--no-second-initial", "--crossover-rate", "0.9"]
    found = CliRunner().invoke(command, ["--table", TABLE, *old, "-o", str(tmp_path), "--json"])
    settings = json.loads(found.stdout)["settings"]
    assert (settings["population"], settings["generations"], settings["second_initial"]) == (12, 6, False)
    assert settings["crossover_rate"] == 0.9
    assert "warning: --population is deprecated; write --set population=12" in found.stderr
    assert len(found.stderr.splitlines()) == 4


@pytest.mark.parametrize("spelled", [("--combine", "--factor"), ("--set", "--set")])
def test_settings_of_every_engine_have_an_old_and_a_new_spelling(tmp_path, spelled):
    old = spelled[0] != "--set"
    combined = ["--combine", "max", "--factor", "4", "--factor", "6"]
    combined = combined if old else ["--set", "combine=max", "--set", "factor=4", "--set", "factor=6"]
    arguments = ["--table", TABLE, "--table", TABLE.replace("xnnpack", "plain"), *combined, "--engine", "best"]
    found = CliRunner().invoke(command, [*arguments, "-o", str(tmp_path), "--json"], catch_exceptions=False)
    document = json.loads(found.stdout)
    first, second, f_avg, f_max = document["front"]["values"][0][1:5]
    assert f_max == pytest.approx(max(first / 4, second / 6))
    assert f_avg == pytest.approx((first / 4 + second / 6) / 2)
    assert document["front"]["objectives"][1]["metric"] == "f_max"
    assert ("warning: --factor is deprecated; write --set factor=6" in found.stderr) == old


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["picks=0"], "--set picks: 0 is not in the range 1 to 1000"),
        (["jobs=many"], "--set jobs: 'many' is not a valid integer"),
        (["picks=2", "picks=3"], "setting picks is given twice: 2 and 3"),
        (["combine=worst"], "--set combine: 'worst' is not one of"),
        (["factor=0"], "--set factor: 0 is not in the range above 0 to 1000000"),
        (["picks"], "not of the form name=value"),
    ],
)
def test_a_wrong_value_of_a_setting_names_the_setting(tmp_path, settings, message):
    words = [word for text in settings for word in ("--set", text)]
    found = CliRunner().invoke(command, ["--table", TABLE, *words, "-o", str(tmp_path / "out")])
    assert found.exit_code == 2 or isinstance(found.exception, InputError)
    assert message in found.output + str(found.exception)
    assert not (tmp_path / "out").exists()


def test_a_run_folder_is_a_table(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lut.json").write_bytes(Path(TABLE).read_bytes())
    arguments = ["--table", str(tmp_path / "run"), "--engine", "best", "-o", str(tmp_path / "out"), "--json"]
    assert json.loads(CliRunner().invoke(command, arguments).stdout)["engine"] == "best"


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
    arguments = ["--target", "tflite/cpu/float32", *options, "--set", "population=4", "--set", "generations=2"]
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
        run("-o", str(tmp_path / "a"), "--forbid", "unsupported:edgetpu")
    document = json.loads(run("-o", str(tmp_path / "b"), "--json", "--forbid", "unsupported:tflite-gpu").stdout)
    assert document["num_evaluations"] == 72
