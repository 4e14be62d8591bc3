"""`moga check`: networks, files and spaces, with what would run in their place."""

import json
import re
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from one_operator import build, cases

from mogakit.cli.main import cli
from mogakit.errors import InputError
from mogakit.export.artifact import Format, Precision
from mogakit.export.support.entry import Answer, Hardware
from mogakit.flows.deploy.check import check_model, check_models, check_space
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


CASES = Path(__file__).parents[2] / "export" / "data" / "cases"


@pytest.mark.parametrize(
    ("name", "hardware", "answer", "reason"),
    [
        ("tflite/dec_int8.tflite", Hardware.XNNPACK_INT8, Answer.YES, ""),
        ("tflite/int16x8.tflite", Hardware.TFLITE_GPU, Answer.NO, "unsupported dequantization type"),
        ("tflite/dilated.int8.tflite", Hardware.HEXAGON, Answer.NO, "the dilation is 1"),
        ("tflite/drq.tflite", Hardware.XNNPACK_FLOAT, Answer.YES, ""),
        ("tflite/two_signatures.tflite", Hardware.XNNPACK_FLOAT, Answer.YES, ""),
        ("onnx/fp16_io32.onnx", Hardware.TFLITE_GPU, Answer.NO, "takes TFLite files, this is a ONNX file"),
        ("onnx/nms.onnx", Hardware.QNN_HTP, Answer.UNKNOWN, "does not name this operator"),
        ("onnx/two_inputs.onnx", Hardware.NNAPI, Answer.YES, ""),
    ],
)
def test_files_of_other_makers_get_the_answer_of_the_source(name, hardware, answer, reason):
    (found,) = check_model(str(CASES / name), [hardware])
    assert found.report.answer is answer, found.report.findings
    assert any(reason in finding.reason for finding in found.report.findings) or not reason


def test_depth_multipliers_over_several_channels_leave_the_gpu(tmp_path):
    case = next(case for case in cases() if case.name == "DEPTHWISE_CONV_2D multiplier 2")
    (tmp_path / "a.tflite").write_bytes(build(case, "float32"))
    (found,) = check_model(str(tmp_path / "a.tflite"), [Hardware.TFLITE_GPU])
    assert found.report.answer is Answer.NO
    assert "the depth multiplier is 1, or the input has one channel" in found.report.findings[0].reason


def test_one_damaged_file_never_ends_the_others():
    words = ["check", str(CASES / "tflite/truncated.tflite"), str(CASES / "tflite/dec_int8.tflite"), "--json"]
    result = CliRunner().invoke(cli, [*words, "--hardware", "xnnpack-int8"])
    assert result.exit_code == 1
    damaged, whole = json.loads(result.stdout)
    assert "damaged or truncated" in damaged["error"] and damaged["report"]["answer"] == "unknown"
    assert (whole["error"], whole["report"]["answer"]) == (None, "yes")


def compiler(folder, text, code=0):
    """Put a program in place of Coral's that says `text`."""
    program = folder / "edgetpu_compiler"
    program.write_text(f"#!{sys.executable}\nimport sys\nprint({text!r})\nsys.exit({code})\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("log", "code", "answer", "reason"),
    [
        ("log342", 0, Answer.NO, "edgetpu_compiler: Operation not supported"),
        ("log512", 1, Answer.NO, "a graph that has dynamic-sized tensors"),
        ("log512", 0, Answer.NO, "only supports static-sized tensors"),
        ("log_act", 1, Answer.NO, "large activation tensors"),
    ],
)
def test_the_compilers_word_overrules_the_list_and_its_failure_is_that_models_answer(
    folder, tmp_path, monkeypatch, log, code, answer, reason
):
    compiler(tmp_path, (CASES / "text" / f"{log}.txt").read_text(), code)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = check_models([str(folder / "digits_10-7-6-3-3-0.int8.tflite"), "mobilenet-v2"], [Hardware.EDGETPU])
    assert [item.report.answer for item in found] == [answer, answer]  # the list says yes to the second
    assert all(any(reason in finding.reason for finding in item.report.findings) for item in found)
    assert [item.error for item in found] == [None, None]


def test_a_compiler_that_maps_everything_overrules_a_no(folder, tmp_path, monkeypatch):
    text = (CASES / "text" / "log342.txt").read_text()
    text = text.replace("run on Edge TPU: 2", "run on Edge TPU: 155").partition("Operator  ")[0]
    compiler(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = check_model(str(folder / "digits_10-7-6-3-3-0.int8.tflite"), [Hardware.EDGETPU])
    assert (found.report.answer, found.report.findings, found.suggestion) == (Answer.YES, (), None)


def test_a_compiler_that_says_something_else_leaves_the_list_and_an_error(folder, tmp_path, monkeypatch):
    compiler(tmp_path, "hello")
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = check_model(str(folder / "digits_10-7-6-3-3-0.int8.tflite"), [Hardware.EDGETPU])
    assert "hello" in (found.error or "")
