"""`moga check`: networks, files and spaces, with what would run in their place."""

import json
import re
import stat
import sys

import pytest
from click.testing import CliRunner

from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.flows.deploy.check import check_model, check_space
from mogakit.flows.deploy.export import export_network
from mogakit.nets import zoo
from mogakit.nets.resolve import resolve

NETWORK = "digits/10-7-6-3-3-0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("check")
    export_network(resolve(NETWORK), [Format.TFLITE, Format.MACE], Precision.FLOAT32, target)
    export_network(resolve(NETWORK), [Format.TFLITE], Precision.INT8, target)
    return target


def test_moga_a_leaves_the_edgetpu_and_its_relu_variant_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    (found,) = check_model("moga-a", [Hardware.EDGETPU])
    assert found.report.answer is Answer.NO
    assert found.suggestion == "moga-relu/8-10-6-7-1-7-6-10-5-10-6-6-9-9"
    assert "edgetpu_compiler is not on PATH" in found.remark


def test_a_chromosome_and_mobilenet_v3_get_their_relu_variants():
    (chromosome,) = check_model("moga/0-0-0-0-0-0-0-0-0-0-0-0-0-0", [Hardware.EDGETPU])
    assert chromosome.suggestion == "moga-relu/0-0-0-0-0-0-0-0-0-0-0-0-0-0"
    (found,) = check_model("mobilenet-v3-large", [Hardware.EDGETPU])
    assert found.suggestion == "mobilenet-v3-large-minimalistic"
    (fine,) = check_model("mobilenet-v2", [Hardware.EDGETPU])
    assert fine.suggestion is None and fine.report.runs


def test_files_are_read_off_themselves(folder):
    stem = folder / "digits_10-7-6-3-3-0"
    (integer,) = check_model(f"{stem}.int8.tflite", [Hardware.HEXAGON])
    assert integer.report.answer is Answer.YES
    (single,) = check_model(f"{stem}.tflite", [Hardware.HEXAGON])
    assert "takes int8, uint8 files" in single.report.findings[-1].reason
    (mace,) = check_model(f"{stem}.multi-gpu.pb", [Hardware.MACE_GPU])
    assert mace.report.runs
    (crossed,) = check_model(f"{stem}.multi-gpu.pb", [Hardware.TFLITE_GPU])
    assert crossed.report.findings[0].reason == "takes TFLite files, this is a MACE file"


def test_corals_compiler_is_asked_where_it_is_installed(folder, tmp_path, monkeypatch):
    report = (
        "Edge TPU Compiler version 16.0.384591198\nNumber of Edge TPU subgraphs: 1\nTotal number of operations: 40\n"
        "On-chip memory used for caching model parameters: 90.00KiB\n"
        "On-chip memory remaining for caching model parameters: 7.00MiB\n"
        "Off-chip memory used for streaming uncached model parameters: 0.00B\n"
        "Number of operations that will run on Edge TPU: 3\n"
    )
    program = tmp_path / "edgetpu_compiler"
    program.write_text(f"#!{sys.executable}\nprint({report!r})\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    for what in (NETWORK, str(folder / "digits_10-7-6-3-3-0.int8.tflite")):
        (found,) = check_model(what, [Hardware.EDGETPU])
        assert found.compilation is not None
        assert (found.compilation.num_on_edgetpu, found.compilation.num_on_cpu) == (3, 37)


def test_a_space_is_intersected_with_its_fixed_parts():
    assert check_space("moga-relu", [Hardware.EDGETPU]).size == 12**14
    with pytest.raises(InputError, match="no independent slots"):
        check_space("multi-hardware", [Hardware.EDGETPU])


def test_unknown_names_and_files_are_refused():
    with pytest.raises(InputError, match="unknown network"):
        check_model("moga-z", [Hardware.EDGETPU])
    with pytest.raises(InputError, match="there is no file"):
        check_model("absent.tflite", [Hardware.EDGETPU])


def test_the_command_prints_layers_reasons_and_sources():
    result = CliRunner().invoke(cli, ["check", NETWORK, "--hardware", "edgetpu"])
    assert result.exit_code == 0, result.output
    assert re.search(r"HARD_SWISH leaves it \(\d+\): blocks\.0\.conv\.act, ", result.output)
    assert "source: github.com/google-coral/edgetpu issues 272 and 353" in result.output
    assert "what would fix it: use ReLU" in result.output


def test_the_commands_json_is_one_document_for_all_hardware():
    result = CliRunner().invoke(cli, ["check", NETWORK, "--json"])
    document = json.loads(result.output)
    assert [item["report"]["hardware"] for item in document] == [item.value for item in Hardware]


def test_the_command_says_that_a_space_is_empty_and_what_is_not():
    result = CliRunner().invoke(cli, ["check", "--space", "moga", "--hardware", "edgetpu"])
    assert result.exit_code == 0, result.output
    assert "no network is left: 2 fixed parts" in result.output
    assert "--space moga-relu" in result.output
    as_json = CliRunner().invoke(cli, ["check", "--space", "moga", "--hardware", "edgetpu", "--json"])
    assert json.loads(as_json.output)["suggestion"] == "moga-relu"


def test_several_models_are_a_table_of_answers_and_one_json_document():
    words = ["check", "--zoo", "--hardware", "edgetpu", "--hardware", "mace-gpu"]
    printed = CliRunner().invoke(cli, words)
    assert printed.exit_code == 0, printed.output
    cells = [line.split("│") for line in printed.output.splitlines() if "│" in line]
    answers = {row[1].strip(): row[2].strip() for row in cells}
    assert set(answers) == set(zoo.names())
    assert answers["mobilenet-v3-large"] == "no"
    assert answers["multi-avg"] == answers["multi-max"] == "yes"
    document = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert len(document) == 2 * len(answers)
    reports = {(item["name"], item["report"]["hardware"]): item["report"]["answer"] for item in document}
    assert {name: reports[name, "edgetpu"] for name in answers} == answers


def test_one_of_model_and_space_is_needed():
    assert CliRunner().invoke(cli, ["check", "moga-a", "--zoo"]).exit_code == 2
    assert CliRunner().invoke(cli, ["check"]).exit_code == 2
    assert CliRunner().invoke(cli, ["check", "moga-a", "--space", "moga"]).exit_code == 2
