"""`snpe-net-run`: its command line, its input, and its log, which `snpe-diagview` (a stand-in) reads here."""

import json
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phone_simulator import answers
from phone_simulator import snpe as phone_snpe
from phone_simulator.binaries import Abi, Tool, elf_header, write_tool
from phone_simulator.faults import Fault
from phone_simulator.latency import Plan
from phone_simulator.phone import Phone
from phone_simulator.snpe import CONVERTED, container_model, write_diagview
from phone_simulator.truth import request_of

from mogakit.android_runner import diagview, snpe_tools, tools
from mogakit.android_runner.commands import Call, RunLength, shell_command
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.android_runner.targets import HostTool, ToolKind, find_row
from mogakit.android_runner.tools import Probe, ToolMissing
from mogakit.bench.agreement import DeviceAgreement, Verdict
from mogakit.bench.measurement import Measurement, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.cli.main import cli
from mogakit.errors import InputError, KeySyntaxError, MeasurementError
from mogakit.export import snpe
from mogakit.export.artifact import Artifact, Format, Precision, Role, TensorSpec
from mogakit.export.describe import describe_file
from mogakit.flows.deploy.export import export_network
from mogakit.nets.resolve import resolve

TARGET = "snpe/dsp/int8,tool=net-run,input=1x224x224x3"
NUM_BYTES = 100_000


def moga(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def container(*inputs: tuple[int, ...]) -> Artifact:
    """Return what is known of a container; nothing of its inputs where the kit did not export it."""
    specs = tuple(TensorSpec(f"in{number}", shape, "float32") for number, shape in enumerate(inputs))
    return Artifact(
        name="net",
        role=Role.NETWORK,
        path=Path("net.dlc"),
        format=Format.DLC,
        precision=Precision.INT8,
        sha256="0" * 64,
        num_bytes=1,
        inputs=specs,
        outputs=(),
    )


@pytest.fixture
def dlc(tmp_path: Path) -> Path:
    path = tmp_path / "it's mine; $(reboot).dlc"
    path.write_bytes(bytes(NUM_BYTES))
    return path


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Register a stand-in for `snpe-diagview`."""
    return tools.add(write_diagview(tmp_path / "sdk" / "bin" / "x86_64-linux-clang")).path


def measure(phone: Phone, dlc: Path, options: PhoneOptions, times: int = 1) -> list[Measurement]:
    target = parse_target(TARGET)
    job = Job(replace(describe_file(dlc), precision=target.precision), target)
    with open_phone(phone.serial, options) as runner, runner.session([job], 0, 0) as session:
        return [measured for window in range(times) for measured in session.measure([job], window)]


def test_the_tool_sees_these_words_whatever_the_path_is(tmp_path: Path) -> None:
    echo = tmp_path / "a tool"
    echo.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done\n')
    echo.chmod(0o755)
    target = parse_target(TARGET)
    row = find_row(target)
    model = "/data/it's; $(reboot)/model.dlc"
    call = Call(
        tool=str(echo),
        libs="/libs",
        target=target,
        row=row,
        artifact=container(),
        model={"net.dlc": model},
        length=RunLength(),
        probe=Probe(str(row.tool), ()),
    )
    printed = subprocess.run(["/bin/sh", "-c", shell_command(call)], capture_output=True, check=True).stdout.decode()
    files = f"--container\0{model}\0--input_list\0input_list.txt\0--output_dir\0output"
    assert printed == f"{files}\0--use_dsp\0--perf_profile\0burst\0--profiling_level\0basic\0"


def test_before_a_run_its_input_is_made_and_an_old_log_removed(tmp_path: Path) -> None:
    old = tmp_path / "output" / "SNPEDiag_0.log"
    old.parent.mkdir()
    old.write_bytes(b"of an earlier run")
    prelude = snpe_tools.net_run_prelude(container((1, 3, 32, 32)), parse_target("snpe/gpu/float32,tool=net-run"), 7)
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", prelude], cwd=tmp_path, check=True)
    assert not old.exists()
    assert (tmp_path / "input.raw").read_bytes() == bytes(4 * 3 * 32 * 32)
    assert (tmp_path / "input_list.txt").read_text() == "input.raw\n" * 7


def test_the_inputs_size_comes_from_the_export_or_from_the_target() -> None:
    plain = parse_target("snpe/dsp/int8,tool=net-run")
    assert snpe_tools.input_bytes(container((1, 3, 224, 224)), plain) == 4 * 3 * 224 * 224
    assert snpe_tools.input_bytes(container(), parse_target(TARGET)) == 4 * 3 * 224 * 224
    assert snpe_tools.input_bytes(container((1, 3, 224, 224)), parse_target(TARGET)) == 4 * 3 * 224 * 224
    for artifact, target, said in (
        (container(), plain, r"name it as in snpe/dsp/int8,tool=net-run,input=1x224x224x3"),
        (container((1, 3, 32, 32)), parse_target(TARGET), r"exported for an input of 1x3x32x32, not 1x224x224x3"),
        (container((1, 3, 32, 32), (1, 8)), plain, r"net has 2 inputs and tool=net-run is given one"),
        (container(), parse_target("snpe/dsp/int8,tool=net-run,input=9999x9999x9999"), r"\d+ are the most"),
    ):
        with pytest.raises(InputError, match=said):
            snpe_tools.input_bytes(artifact, target)


def test_a_vector_is_a_shape() -> None:
    assert snpe_tools.input_bytes(container(), parse_target("snpe/dsp/int8,tool=net-run,input=224")) == 4 * 224


@pytest.mark.parametrize("shape", ["1,3", "1x0x3", "1x", "x3", "big", "-1x3", "1x99999999"])
def test_what_is_no_shape_is_rejected(shape: str) -> None:
    with pytest.raises(KeySyntaxError):
        parse_target(f"snpe/dsp/int8,tool=net-run,input={shape}")


def test_an_input_shape_has_no_meaning_for_the_other_tool() -> None:
    with pytest.raises(InputError, match=r"snpe/dsp/.*tool=net-run,\[input=\.\.\.\]"):
        find_row(parse_target("snpe/dsp/int8,input=1x224x224x3"))


@pytest.mark.parametrize("target", [TARGET, "snpe/gpu/float16,tool=net-run,input=1x224x224x3"])
def test_a_container_is_timed_as_the_phone_computes_it(snapdragon: Phone, reader: Path, dlc: Path, target: str) -> None:
    result = moga("bench", dlc, "--device", snapdragon.serial, "--target", target, "--quick", "--json")
    assert result.exit_code == 0, result.output
    (timing,) = json.loads(result.stdout)["timings"]
    operators = container_model(NUM_BYTES).operators
    truth = snapdragon.truth.file_ms(operators, request_of(snapdragon.truth, target), Plan((True,)))
    assert (timing["target"], timing["status"]) == (str(parse_target(target)), "ok")
    assert timing["latency_ms"] == pytest.approx(truth, rel=0.1)


def test_a_run_counts_the_lines_of_its_list_and_leaves_no_outputs(
    snapdragon: Phone, reader: Path, dlc: Path, options: PhoneOptions
) -> None:
    (measured,) = measure(snapdragon, dlc, options)
    assert measured.summary is not None
    assert measured.status is Status.OK
    assert measured.summary.count >= options.length.num_runs
    assert measured.summary.count * measured.summary.mean_ms >= 1000 * options.length.min_s  # found by a trial
    assert measured.init_ms is not None
    assert not list(snapdragon.host_path("/data/local/tmp/mogakit").rglob("Result_*"))


def test_a_network_that_the_kit_exports_needs_no_shape(
    snapdragon: Phone, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter = tmp_path / "2.31.0" / "bin" / "x86_64-linux-clang" / "snpe-onnx-to-dlc"
    converter.parent.mkdir(parents=True)
    converter.write_text(f"#!{sys.executable}\nopen('network.dlc', 'wb').write(bytes({NUM_BYTES}))")
    monkeypatch.setenv("SNPE_ROOT", str(tmp_path / "2.31.0"))
    target = "snpe/dsp/float32,tool=net-run"
    words = ("moga-a", "--device", snapdragon.serial, "--target", target, "--agreement", "off", "--quick", "--json")
    result = moga("bench", *words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["timings"][0]["status"] == "ok"


def test_a_container_of_the_user_without_a_shape_is_rejected_before_measuring(
    snapdragon: Phone, reader: Path, dlc: Path
) -> None:
    result = moga("bench", dlc, "--device", snapdragon.serial, "--target", "snpe/dsp/int8,tool=net-run", "--quick")
    assert isinstance(result.exception, InputError)
    assert "a .dlc does not tell its shape" in str(result.exception)
    assert not [line for line in snapdragon.runs if "--container" in line]


def test_an_input_of_the_wrong_size_fails_with_the_tools_words(snapdragon: Phone, reader: Path, dlc: Path) -> None:
    target = TARGET.replace("224x224", "32x32")
    result = moga("bench", dlc, "--device", snapdragon.serial, "--target", target, "--quick", "--json")
    assert result.exit_code == 1
    assert "Could not read input" in result.output + str(result.exception)


def test_without_a_log_there_is_no_time_and_an_older_log_is_not_read(
    snapdragon: Phone, reader: Path, dlc: Path, options: PhoneOptions
) -> None:
    snapdragon.faults.add(Fault.TRUNCATED_OUTPUT, times=-1, after=2)  # a trial, and a run
    good, without = measure(snapdragon, dlc, options, times=2)
    assert good.status is Status.OK
    assert (without.status, without.summary) == (Status.FAILED, None)
    assert "left no SNPEDiag_0.log" in (without.error or "")
    assert "Processing DNN input(s)" in (without.error or "")


def test_an_instance_that_was_not_created_is_an_error(
    snapdragon: Phone, reader: Path, dlc: Path, options: PhoneOptions
) -> None:
    snapdragon.faults.add(Fault.DELEGATE_NOT_CREATED, times=-1)
    (measured,) = measure(snapdragon, dlc, options)
    assert (measured.status, measured.summary) == (Status.FAILED, None)
    assert "error_code=402" in (measured.error or "")


def test_a_log_does_not_count_where_an_instance_was_not_created() -> None:
    with pytest.raises(MeasurementError, match="error_code=402"):
        snpe_tools.read_net_run("x error_code=402; error_message=no\n", {"snpe-log": "AAAA"}, 5)


@pytest.mark.parametrize(("answer", "said"), [("A", "did not arrive whole"), ("AAAA" * 400_000, "more than 1000000")])
def test_a_log_that_is_cut_is_an_error(answer: str, said: str) -> None:
    with pytest.raises(MeasurementError, match=said):
        snpe_tools.read_net_run("Successfully executed!\n", {"snpe-log": answer}, 5)


def test_without_diagview_the_target_says_what_to_register(snapdragon: Phone, dlc: Path, options: PhoneOptions) -> None:
    with open_phone(snapdragon.serial, options) as runner:
        reason = runner.unsupported(parse_target(TARGET)) or ""
    assert "moga tools add $SNPE_ROOT/bin/x86_64-linux-clang/snpe-diagview" in reason
    with pytest.raises(ToolMissing, match="snpe-diagview"):
        measure(snapdragon, dlc, options)
    assert not [line for line in snapdragon.runs if "--container" in line]
    (found,) = json.loads(moga("devices", "--json").stdout)
    answers = {answer["target"]: answer["reason"] for answer in found["targets"]}
    assert answers["snpe/dsp/float32|int8|uint8,tool=net-run"] == reason
    assert answers["snpe/dsp/float32|int8|uint8"] is None  # the other tool needs no reader


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('bad flatbuffer')", "snpe-diagview failed with 1: bad flatbuffer"),
        ("pass", "without an error and without a table"),
        ("import time; time.sleep(60)", "ran longer than 0.5 s"),
        ("open('profile.csv', 'w').write('a,init,us,3')", "no avg_total_inference_time"),
    ],
)
def test_a_reader_that_fails_gives_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(diagview, "TIMEOUT_S", 0.5 if "sleep" in script else 30.0)
    tools.add(write_diagview(tmp_path, f"#!{sys.executable}\n{script}\n"))
    with pytest.raises(MeasurementError, match=said):
        snpe_tools.read_net_run("Successfully executed!\n", {"snpe-log": "AAAA"}, 5)


def test_the_reader_finds_the_libraries_of_its_sdk(tmp_path: Path) -> None:
    """The kit runs its own copy, which lies elsewhere."""
    place = tmp_path / "2.31.0" / "bin" / "x86_64-linux-clang"
    body = 'printf "x,avg_total_inference_time,us,%s\\n" 1500 >profile.csv\necho "$LD_LIBRARY_PATH" >>profile.csv\n'
    tools.add(write_diagview(place, f"#!/bin/sh\n{body}"))
    (place / "snpe-diagview").unlink()
    assert str(tmp_path / "2.31.0" / "lib" / "x86_64-linux-clang") in diagview.to_csv(b"log")


def test_of_two_logs_readers_the_last_registered_counts(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="runs on this computer"):
        tools.host_tool(HostTool.SNPE_DIAGVIEW)
    for number in range(2):
        added = tools.add(write_diagview(tmp_path, f"#!/bin/sh\n# {number}\n"))
    assert tools.host_tool(HostTool.SNPE_DIAGVIEW) == added
    assert (added.kind, added.abi, added.runs_here) == ("snpe-diagview", "script", True)


def test_a_reader_must_run_on_this_computer(tmp_path: Path) -> None:
    path = tmp_path / "snpe-diagview"
    other = Abi.ARM64 if platform.machine() == "x86_64" else Abi.X86_64
    for content, said in ((elf_header(other) + bytes(100), f"is built for {other}"), (b"MZ", "neither an ELF program")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=said):
            tools.add(path)
    assert tools.registered() == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-in's header names this processor")
def test_a_reader_for_this_computers_processor_is_taken_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "snpe-diagview"
    path.write_bytes(elf_header(Abi.X86_64) + bytes(100))
    result = moga("tools", "add", path)
    assert (result.exit_code, result.stderr) == (0, "")
    listed = json.loads(moga("tools", "list", "--json").stdout)
    assert [tool["abi"] for tool in listed["registered"]] == ["x86_64"]


def test_the_tool_is_listed_as_one_that_measures(tmp_path: Path) -> None:
    missing = json.loads(moga("tools", "list", "--json").stdout)["missing"]
    assert "bin/aarch64-android" in missing[ToolKind.SNPE_NET_RUN]
    assert "runs on this computer" in missing[HostTool.SNPE_DIAGVIEW]
    result = moga("tools", "add", write_tool(tmp_path / "bin", Tool.SNPE_NET_RUN))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "no target runs it" not in moga("tools", "list").output


# -- whether the container computes what it was converted from


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a stand-in for the SDK's converter, whose containers compute what they were made of."""
    converter = tmp_path / "2.31.0" / "bin" / "x86_64-linux-clang" / "snpe-onnx-to-dlc"
    converter.parent.mkdir(parents=True)
    body = f"data = open('network.onnx', 'rb').read()\nopen('network.dlc', 'wb').write({CONVERTED!r} + data)"
    converter.write_text(f"#!{sys.executable}\n{body}")
    monkeypatch.setenv("SNPE_ROOT", str(tmp_path / "2.31.0"))


def agreement(phone: Phone, options: PhoneOptions, path: Path, target: str) -> DeviceAgreement:
    found = parse_target(target)
    job = Job(replace(describe_file(path), precision=found.precision), found)
    with open_phone(phone.serial, options) as runner:
        return runner.agreement(job)


@pytest.mark.parametrize("wrong", [False, True])
def test_the_output_of_a_container_of_the_kit_is_compared_with_its_source(
    snapdragon: Phone, reader: Path, sdk: None, wrong: bool
) -> None:
    if wrong:
        snapdragon.faults.add(Fault.WRONG_OUTPUT)
    target = "snpe/dsp/float32,tool=net-run"
    words = ("digits/10-7-6-3-3-0", "--device", snapdragon.serial, "--target", target, "--quick", "--json")
    result = moga("bench", *words)
    (timing,) = json.loads(result.stdout)["timings"]
    assert (result.exit_code, timing["status"]) == ((1, "wrong-output") if wrong else (0, "ok"))
    assert timing["agreement"]["verdict"] == ("wrong-output" if wrong else "agrees")
    assert timing["agreement"]["reference"].startswith("onnxruntime ")
    assert timing["agreement"]["reference"].endswith(".dlc.onnx")
    assert not list(snapdragon.host_path("/data/local/tmp/mogakit").rglob("Result_*"))


@pytest.mark.parametrize("layout", ["last", "first"])
@pytest.mark.parametrize("source", ["mine.onnx", "mine.dlc.onnx", None])
def test_the_output_of_a_container_of_the_user_is_compared_where_its_source_lies_beside_it(
    snapdragon: Phone,
    reader: Path,
    options: PhoneOptions,
    artifacts: dict[tuple[Format, Precision], list[Artifact]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str | None,
    layout: str,
) -> None:
    (onnx, *_) = artifacts[Format.ONNX, Precision.FLOAT32]
    (tmp_path / "mine.dlc").write_bytes(CONVERTED + onnx.path.read_bytes())
    if source is not None:
        shutil.copy(onnx.path, tmp_path / source)
    if layout == "first":  # its maker kept the layout while converting
        monkeypatch.setattr(phone_snpe, "container_outputs", answers.container_outputs_as_they_lie)
    shape = "x".join(map(str, onnx.inputs[0].shape))
    found = agreement(snapdragon, options, tmp_path / "mine.dlc", f"snpe/gpu/float32,tool=net-run,input={shape}")
    if source is None:
        assert found.verdict is Verdict.NOT_CHECKED
        assert "put it there as mine.onnx" in found.reason
        return
    assert found.verdict is Verdict.AGREES, str(found)
    assert found.relative is not None
    assert found.relative < 1e-5


def test_a_source_that_was_changed_since_is_not_taken(tmp_path: Path, sdk: None, snapdragon: Phone) -> None:
    (made,) = export_network(resolve("digits/10-7-6-3-3-0"), [Format.DLC], Precision.FLOAT32, tmp_path / "files")
    source = snpe.source_of(made)
    assert source == made.path.with_name(made.path.name + ".onnx")
    assert made.num_bytes == made.path.stat().st_size
    source.write_bytes(source.read_bytes() + b"\0")
    assert snpe.source_of(made) is None
