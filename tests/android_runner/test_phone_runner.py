"""A simulated phone measured through the real adb server: times near the truth, for every tool and target."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ai_edge_litert.interpreter import Interpreter
from phone_jobs import MakeJob, measure
from phone_simulator.binaries import Abi, Tool, write_library, write_tool
from phone_simulator.phone import Mode, Phone
from phone_simulator.profiles import SNAPDRAGON_8_GEN_2

from mogakit.android_runner import deploy, detached, discovery, tools
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.measurement import DelegationKind, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.errors import DeviceError, InputError
from mogakit.export.artifact import Precision
from mogakit.export.describe import describe_file
from mogakit.export.mace import naming
from mogakit.export.mace.netdef import Generation, RuntimeType


@pytest.mark.parametrize(
    ("target", "backend"),
    [
        ("tflite/cpu/float32", "XNNPACK"),
        ("tflite/cpu/float32,xnnpack=off", "CPU"),
        ("tflite/cpu/float32,cpus=little,threads=2", "XNNPACK"),
        ("tflite/gpu/float16", "OpenCL"),
        ("tflite/gpu/float32,backend=gl", "OpenGL"),
        ("mace/cpu/float32", "CPU"),
        ("mace/gpu/float16", "OpenCL"),
        ("onnx/cpu/float32", "CPU"),
    ],
)
def test_every_target_gives_the_phones_truth(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob, target: str, backend: str
) -> None:
    job = make_job(target)
    assert runner.unsupported(job.target) is None
    (measured,) = measure(runner, job)
    assert measured.status is Status.OK
    assert measured.delegation.backend == backend
    assert measured.summary is not None
    path = job.artifact.path
    if target.startswith("mace/gpu"):
        path = naming.sibling(path, Generation.MULTI, RuntimeType.GPU)
    truth_ms = quick_phone.truth_ms(path, target)
    assert measured.summary.mean_ms == pytest.approx(truth_ms, rel=0.1)
    assert measured.init_ms is not None
    assert measured.first_run_ms is not None
    assert measured.before.temperature_c is not None
    assert measured.after.thermal_status == "none"


def test_an_integer_target_is_given_integer_files_only(runner: PhoneRunner, make_job: MakeJob) -> None:
    good = make_job("tflite/cpu/int8")
    (measured,) = measure(runner, good)
    assert measured.status is Status.OK
    wrong = make_job("tflite/edgetpu/int8", precision=Precision.FLOAT32)
    with pytest.raises(InputError, match="needs int8"):
        measure(runner, wrong)


def test_nothing_is_pushed_twice(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    job, other = make_job("tflite/cpu/float32"), make_job("tflite/cpu/float32", 1)
    measure(runner, job)
    first = list(quick_phone.pushes)
    measure(runner, job, other, round_number=1)
    assert len(quick_phone.pushes) == len(first) + 1
    assert all(path.endswith(".part") for path in quick_phone.pushes)


def test_a_deployed_file_has_its_hash_for_a_folder_and_a_plain_name(
    quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob
) -> None:
    job = make_job("tflite/cpu/float32")
    nasty = replace(job.artifact, name="$(reboot); rm -rf / '\"\n")
    measure(runner, Job(nasty, job.target))
    remote = deploy.remote_path(nasty.sha256, "model.tflite")
    assert quick_phone.host_path(remote).read_bytes() == nasty.path.read_bytes()


def test_weights_beside_an_onnx_graph_lie_beside_it_on_the_phone_too(
    quick_phone: Phone, runner: PhoneRunner, tmp_path: Path
) -> None:
    cases = Path(__file__).parents[1] / "export" / "data" / "cases" / "onnx"
    for name in ("ext.onnx", "ext.onnx.data"):
        (tmp_path / name).write_bytes((cases / name).read_bytes())
    artifact = describe_file(tmp_path / "ext.onnx")
    (measured,) = measure(runner, Job(artifact, parse_target("onnx/cpu/float32")))
    assert measured.status is Status.OK
    for source, name in (("ext.onnx", "model.onnx"), ("ext.onnx.data", "ext.onnx.data")):
        remote = quick_phone.host_path(deploy.remote_path(artifact.sha256, name))
        assert remote.read_bytes() == (tmp_path / source).read_bytes()


def test_the_identity_names_phone_driver_tool_and_cores(runner: PhoneRunner) -> None:
    cpu = runner.identity(parse_target("tflite/cpu/float32"))
    gpu = runner.identity(parse_target("tflite/gpu/float16"))
    assert cpu.device.startswith("google/oriole/oriole:15/")
    assert "1A081FDEE0001T" not in str(cpu)
    assert (cpu.driver, cpu.affinity) == ("", "c0")
    assert ("Mali" in gpu.driver or "v1.r51p0" in gpu.driver, gpu.affinity) == (True, "")
    assert cpu.tool_sha256 == gpu.tool_sha256 == tools.registered()[0].sha256
    assert "transport=adb shell" in cpu.flags


def test_what_cannot_be_measured_says_what_would_mend_it(runner: PhoneRunner) -> None:
    for target, said in (
        ("tflite/nnapi/int8", "accelerator="),
        ("tflite/dsp/int8", "libhexagon_interface.so"),
        ("tflite/htp/int8,delegate=qnn", "libQnnTFLiteDelegate.so"),
        ("snpe/dsp/int8", "snpe-throughput-net-run is not registered"),
        ("tflite/cpu/float32,threads=3", "2 core"),
        ("tflite/cpu/float32,cpus=medium", "big, little, all"),
        ("tflite/gpu/float16,tool=litert", "regist"),
    ):
        assert said in (runner.unsupported(parse_target(target)) or ""), target


def test_times_of_a_named_accelerator(
    make_phone: Callable[..., Phone], with_tools: None, make_job: MakeJob, options: PhoneOptions
) -> None:
    phone = make_phone(SNAPDRAGON_8_GEN_2, time_scale=0.01)
    with open_phone(phone.serial, options) as runner:
        present = make_job("tflite/nnapi/int8,accelerator=qti-default")
        absent = make_job("tflite/nnapi/int8,accelerator=google-edgetpu")
        first, second = measure(runner, present, absent)
    assert first.status in (Status.OK, Status.PARTIAL)
    assert first.delegation.nodes_total is not None
    assert second.status in (Status.FALLBACK, Status.FAILED)
    assert second.delegation.kind is DelegationKind.NONE


@pytest.mark.parametrize("version", ["2020", "2024", "litert"])
def test_other_builds_of_benchmark_model(
    make_phone: Callable[..., Phone], tmp_path: Path, make_job: MakeJob, version: str, options: PhoneOptions
) -> None:
    tools.add(write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL, version))
    phone = make_phone(time_scale=0.01)
    option = ",tool=litert" if version == "litert" else ""
    with open_phone(phone.serial, options) as runner:
        cpu, gpu = make_job(f"tflite/cpu/float32{option}"), make_job(f"tflite/gpu/float16{option}")
        assert runner.unsupported(gpu.target) is None
        assert "regist" in (
            runner.unsupported(parse_target("tflite/cpu/float32" + ("" if option else ",tool=litert"))) or ""
        )
        for job, measured in zip((cpu, gpu), measure(runner, cpu, gpu), strict=True):
            assert measured.status is Status.OK
            assert measured.summary is not None
            truth_ms = phone.truth_ms(job.artifact.path, str(job.target).replace(option, ""))
            assert measured.summary.mean_ms == pytest.approx(truth_ms, rel=0.1)


def test_the_old_container_of_mace_goes_to_the_old_mace_run(
    make_phone: Callable[..., Phone], tmp_path: Path, make_job: MakeJob, options: PhoneOptions
) -> None:
    tools.add(write_tool(tmp_path / "bin", Tool.MACE_RUN, "1.0.4"))
    phone = make_phone(time_scale=0.01)
    job = make_job("mace/cpu/float32")
    with open_phone(phone.serial, options) as runner:
        (measured,) = measure(runner, job)
    assert measured.status is Status.OK
    assert "--device=CPU" in phone.runs[-1]


def test_qnn_gets_its_libraries_beside_the_tool(
    make_phone: Callable[..., Phone], with_tools: None, tmp_path: Path, make_job: MakeJob, options: PhoneOptions
) -> None:
    for name in ("libQnnTFLiteDelegate.so", "libQnnHtp.so"):
        tools.add(write_library(tmp_path / "lib", name))
    phone = make_phone(SNAPDRAGON_8_GEN_2, time_scale=0.01)
    job = make_job("tflite/htp/int8,delegate=qnn")
    with open_phone(phone.serial, options) as runner:
        assert runner.unsupported(job.target) is None
        (measured,) = measure(runner, job)
    assert (measured.status, measured.error) == (Status.OK, None)
    assert measured.delegation.nodes_delegated == measured.delegation.nodes_total


def test_a_tool_for_another_processor_is_rejected_by_name(
    make_phone: Callable[..., Phone], tmp_path: Path, make_job: MakeJob, options: PhoneOptions
) -> None:
    tools.add(write_tool(tmp_path / "bin", Tool.BENCHMARK_MODEL, abi=Abi.X86_64))
    phone = make_phone()
    with open_phone(phone.serial, options) as runner:
        said = runner.unsupported(parse_target("tflite/cpu/float32")) or ""
    assert "arm64-v8a" in said
    assert "benchmark_model for x86_64" in said


def test_operators_are_timed_in_runs_of_their_own(quick_phone: Phone, runner: PhoneRunner, make_job: MakeJob) -> None:
    job, mace = make_job("tflite/cpu/float32"), make_job("mace/gpu/float16")
    measure(runner, job)
    assert "profiling" not in quick_phone.runs[-1]
    rows = runner.profile_operators(job)
    assert "--enable_op_profiling=true" in quick_phone.runs[-1]
    assert any("Conv" in row.op_type for row in rows)
    assert all(row.avg_ms > 0.0 for row in rows)
    assert any(row.op_type == "Conv2D" for row in runner.profile_operators(mace))


def test_leaving_a_phone_leaves_no_process_and_no_run(
    quick_phone: Phone, make_job: MakeJob, options: PhoneOptions
) -> None:
    with open_phone(quick_phone.serial, options) as runner:
        measure(runner, make_job("tflite/cpu/float32"))
    assert not [process for process in quick_phone.processes() if "benchmark_model" in process.text]
    assert not list(quick_phone.host_path(f"{deploy.ROOT}/runs").iterdir())


def test_cleaning_removes_everything(quick_phone: Phone, make_job: MakeJob, options: PhoneOptions) -> None:
    with open_phone(quick_phone.serial, options) as runner:
        measure(runner, make_job("tflite/cpu/float32"))
        link = runner.link
    assert deploy.clean(link) > 0
    assert not quick_phone.host_path(deploy.ROOT).exists()


def test_what_an_earlier_session_left_running_is_ended(quick_phone: Phone, options: PhoneOptions) -> None:
    link, _ = discovery.choose(quick_phone.serial)
    detached.launch(link, "left-over", "sleep 600", boot_id="")
    assert [process for process in quick_phone.processes() if "sleep 600" in process.text]
    with open_phone(quick_phone.serial, options):
        assert not [process for process in quick_phone.processes() if "sleep 600" in process.text]


def test_a_phone_that_is_not_there_lists_those_that_are(quick_phone: Phone) -> None:
    with pytest.raises(DeviceError, match=f"no phone 'nope' is connected; there is {quick_phone.serial}"):
        discovery.choose("nope")
    assert discovery.choose("any")[0].serial == quick_phone.serial
    assert discovery.choose("1A081FDEE0001T")[0].serial == quick_phone.serial


def test_a_tool_that_really_runs_the_file_gives_a_real_time(
    make_phone: Callable[..., Phone], with_tools: None, make_job: MakeJob, options: PhoneOptions
) -> None:
    phone = make_phone(time_scale=1.0, mode=Mode.REAL)
    job = make_job("tflite/cpu/float32")
    with open_phone(phone.serial, options) as runner:
        (measured,) = measure(runner, job)
    interpreter = Interpreter(str(job.artifact.path), num_threads=1)
    interpreter.allocate_tensors()
    began = time.perf_counter()
    for _ in range(10):
        interpreter.invoke()
    here_ms = 100.0 * (time.perf_counter() - began)
    assert measured.status is Status.OK
    assert measured.summary is not None
    assert here_ms / 20 < measured.summary.mean_ms < 20 * here_ms  # the machine may be busy: real, not exact
