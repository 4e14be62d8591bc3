"""Whole command lines through a real shell: whatever options and paths hold, the tool sees them as words."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mogakit.android_runner.commands import Call, RunLength, shell_command
from mogakit.android_runner.deploy import remote_path
from mogakit.android_runner.targets import ToolKind, find_row
from mogakit.android_runner.tools import Probe
from mogakit.bench.target import Hardware, Runtime, Target, parse_target
from mogakit.errors import MeasurementError
from mogakit.export.artifact import Artifact, Format, Precision, Role

NASTY = st.text(st.sampled_from("ab \t\n'\"\\;&|$()`<>*?[]~#!=,:{}é"), min_size=1, max_size=16)


def call_for(target: Target, tool: str, model: str, probe: Probe | None = None) -> Call:
    row = find_row(target)
    artifact = Artifact(
        name="net",
        role=Role.NETWORK,
        path=Path("net.tflite"),
        format=Format.TFLITE,
        precision=Precision.INT8,
        sha256="0" * 64,
        num_bytes=1,
        inputs=(),
        outputs=(),
    )
    return Call(
        tool=tool,
        libs="/libs",
        target=target,
        row=row,
        artifact=artifact,
        model={"net.tflite": model},
        length=RunLength(),
        probe=probe or Probe(str(row.tool), ()),
    )


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a program that prints its words, each ended by a NUL."""
    path = tmp_path_factory.mktemp("bin") / "a tool's name; with $(everything)"
    code = "import sys; sys.stdout.write(''.join(word + chr(0) for word in sys.argv[1:]))"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E -c "{code}" "$@"\n')
    path.chmod(0o755)
    return path


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NASTY, NASTY)
@example("$(touch pwned)", "; touch pwned #")
@example("'", "\n")
def test_the_tool_sees_option_values_and_paths_as_they_are(echo: Path, accelerator: str, model: str) -> None:
    target = Target(Runtime.TFLITE, Hardware.NNAPI, Precision.INT8, (("accelerator", accelerator),))
    line = shell_command(call_for(target, str(echo), model))
    printed = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True).stdout.decode()
    words = printed.split("\0")[:-1]
    assert f"--nnapi_accelerator_name={accelerator}" in words
    assert f"--graph={model}" in words
    assert all(word.startswith("--") for word in words)


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("tflite/gpu/float16", "--gpu_precision_loss_allowed=true", "--gpu_backend"),
        ("tflite/gpu/float16,backend=cl", "--gpu_backend=cl", "--gpu_backend=gl"),
        ("tflite/cpu/int8,threads=4", "--num_threads=4", "taskset"),
        ("tflite/edgetpu/int8", "--nnapi_accelerator_name=google-edgetpu", "--use_gpu"),
        ("tflite/htp/int8,delegate=qnn", "skel_library_dir:/libs", "--use_nnapi"),
    ],
)
def test_a_flag_stands_there_only_where_its_option_does(text: str, present: str, absent: str) -> None:
    line = shell_command(call_for(parse_target(text), "/bin/tool", "/model"))
    assert present in line
    assert absent not in line


def test_semicolons_of_delegate_options_reach_the_tool(echo: Path) -> None:
    line = shell_command(call_for(parse_target("tflite/htp/int8,delegate=qnn"), str(echo), "/m"))
    words = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True).stdout.decode().split("\0")
    (options,) = [word for word in words if word.startswith("--external_delegate_options=")]
    pairs = dict(part.split(":") for part in options.partition("=")[2].split(";"))
    assert pairs["backend_type"] == "htp"
    assert pairs["library_path"] == "/libs/libQnnHtp.so"


def test_what_the_help_does_not_list_is_rejected() -> None:
    probe = Probe(str(ToolKind.BENCHMARK_MODEL), ("graph", "num_runs", "min_secs", "max_secs", "use_gpu"))
    with pytest.raises(MeasurementError, match=r"does not know --warmup_runs=1 --warmup_min_secs=0\.5"):
        shell_command(call_for(parse_target("tflite/gpu/int8"), "/bin/tool", "/model", probe))


def test_profiling_is_rejected_where_the_tool_prints_no_operators() -> None:
    with pytest.raises(MeasurementError, match="prints no times of single operators"):
        shell_command(call_for(parse_target("tflite/npu/int8"), "/bin/tool", "/model"), profiled=True)


def test_a_file_on_the_phone_is_named_by_its_hash() -> None:
    assert remote_path("a" * 64, "model.pb") == f"/data/local/tmp/mogakit/files/{'a' * 64}/model.pb"
