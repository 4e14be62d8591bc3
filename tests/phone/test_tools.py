"""What the played tools print, in each version, and how each fault shows."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_library, write_tool
from phone_simulator.faults import Fault
from phone_simulator.fixtures import MakePhone, adb_binaries
from phone_simulator.latency import QUIET
from phone_simulator.phone import Mode, Phone
from phone_simulator.profiles import PIXEL_6, SNAPDRAGON_8_GEN_2

from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.nets.spaces import get_space

TMP = "/data/local/tmp"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """One small network in every format."""
    space = get_space("moga", input_size=32, num_classes=10)
    network = space.decode(space.sample(np.random.default_rng(0)))
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for form, precision in (
        (Format.TFLITE, Precision.FLOAT32),
        (Format.TFLITE, Precision.INT8),
        (Format.ONNX, Precision.FLOAT32),
        (Format.MACE, Precision.FLOAT32),
    ):
        found[f"{form}-{precision}"] = export_network(network, [form], precision, folder / f"{form}-{precision}")[0]
    return found


class Bench:
    """Pushes a tool and files to a phone and runs it."""

    def __init__(self, server: AdbServer, phone: Phone, folder: Path, tool: Tool, version: str = "") -> None:
        self.phone = phone
        self.device = server.client().device(phone.serial)
        self.tool = f"{TMP}/{tool}"
        self.device.sync.push(write_tool(folder, tool, version), self.tool, 0o755)

    def push(self, path: Path) -> str:
        remote = f"{TMP}/{path.name}"
        self.device.sync.push(path, remote)
        return remote

    def run(self, arguments: str, prefix: str = "", timeout: float = 20.0):
        return self.device.shell2(f"{prefix} {self.tool} {arguments}", v2=True, timeout=timeout)


@pytest.fixture
def bench(adb_server: AdbServer, make_phone: MakePhone, tmp_path: Path):
    """Return what sets up a quiet phone with a tool."""

    def make(tool: Tool = Tool.BENCHMARK_MODEL, version: str = "", profile=PIXEL_6, **options) -> Bench:
        options = {"time_scale": 0.0, "variation": QUIET, **options}
        return Bench(adb_server, make_phone(profile, **options), tmp_path, tool, version)

    return make


def average_ms(text: str) -> float:
    match = re.search(r"Inference \(avg\): ([\d.e+]+)", text)
    assert match, text
    return float(match.group(1)) / 1e3


@pytest.fixture
def adb_binary() -> Path:
    """Return one adb: the tools do not care which one brings their text."""
    return adb_binaries()[0]


@pytest.mark.parametrize("version", ["2020", "2024", "2026"])
@pytest.mark.parametrize(
    ("flags", "target"),
    [
        ("--num_threads=1 --use_xnnpack=true", "tflite/cpu/float32"),
        ("--num_threads=1 --use_xnnpack=false", "tflite/cpu/float32,xnnpack=off"),
        ("--use_gpu=true --gpu_precision_loss_allowed=true", "tflite/gpu/float16"),
        ("--use_gpu=true --gpu_precision_loss_allowed=false --gpu_backend=gl", "tflite/gpu/float32,backend=gl"),
    ],
)
def test_benchmark_model_shows_the_truth(bench, models, version: str, flags: str, target: str) -> None:
    setup = bench(version=version)
    graph = setup.push(models["tflite-float32"].path)
    answer = setup.run(f"--graph={graph} {flags}")
    assert answer.returncode == 0
    assert answer.stdout.startswith("INFO: STARTING!" if version != "2020" else "STARTING!")
    assert ("median=" in answer.stdout) == (version == "2026")
    truth = setup.phone.truth_ms(models["tflite-float32"].path, target)
    assert average_ms(answer.stdout) == pytest.approx(truth, rel=1e-4)
    if "use_gpu" in flags:
        assert "Explicitly applied GPU delegate, and the model graph will be completely executed" in answer.stdout
        assert "INFO: Created TensorFlow Lite delegate for GPU." in answer.stderr
        assert ("OpenGL-based API" in answer.stderr) == ("gl" in target)
    if "true" in flags and "xnnpack" in flags:
        taken = r"Replacing \d+( out of \d+)? node\(s\) with delegate \(TfLiteXNNPackDelegate\)"
        assert re.search(taken, answer.stderr)


def test_pinning_reaches_the_tool(bench, models) -> None:
    setup = bench()
    graph = setup.push(models["tflite-float32"].path)
    little = average_ms(setup.run(f"--graph={graph} --num_threads=1", prefix="taskset f").stdout)
    truth = setup.phone.truth_ms(models["tflite-float32"].path, "tflite/cpu/float32,cpus=little")
    assert little == pytest.approx(truth, rel=1e-4)


def test_unknown_flags_are_only_warned_about(bench, models) -> None:
    setup = bench(version="2020")
    graph = setup.push(models["tflite-float32"].path)
    answer = setup.run(f"--graph={graph} --require_full_delegation=true --num_runs 3")
    assert answer.returncode == 0
    assert "Unconsumed cmdline flags: --require_full_delegation=true --num_runs 3" in answer.stdout


def test_bad_values_and_help_print_the_usage(bench, models) -> None:
    setup = bench()
    assert setup.run("--help").returncode == 1
    assert "--use_gpu=false" in setup.run("--help").stderr
    assert setup.run("--num_runs=many --graph=x").returncode == 1
    assert "Failed to load model" in setup.run(f"--graph={TMP}/benchmark_model").stderr


@pytest.mark.parametrize(
    ("fault", "line", "stream"),
    [
        (Fault.DELEGATE_NOT_CREATED, "WARN: GPU acceleration is unsupported on this platform.", "stdout"),
        (Fault.PARTIAL_DELEGATION, "partially executed by the delegate w/", "stdout"),
        (Fault.NO_OPENCL, "ERROR: Falling back to OpenGL", "stderr"),
    ],
)
def test_delegates_fail_with_exit_status_zero(bench, models, fault: Fault, line: str, stream: str) -> None:
    setup = bench()
    graph = setup.push(models["tflite-float32"].path)
    setup.phone.faults.add(fault, times=2)
    answer = setup.run(f"--graph={graph} --use_gpu=true")
    assert answer.returncode == 0
    assert line in getattr(answer, stream)
    assert setup.phone.faults.happened == [fault]
    if fault is not Fault.NO_OPENCL:
        strict = setup.run(f"--graph={graph} --use_gpu=true --require_full_delegation=true")
        assert (strict.returncode, "Disallowed CPU fallback detected." in strict.stderr) == (1, True)


def test_opencl_asked_for_by_name_fails_where_it_is_missing(bench, models) -> None:
    setup = bench()
    setup.phone.faults.add(Fault.NO_OPENCL)
    answer = setup.run(f"--graph={setup.push(models['tflite-float32'].path)} --use_gpu=true --gpu_backend=cl")
    assert (answer.returncode, "Failed to apply GPU delegate" in answer.stderr) == (1, True)


def test_nnapi_lists_accelerators_and_refuses_others(bench, models) -> None:
    setup = bench()
    graph = setup.push(models["tflite-int8"].path)
    answer = setup.run(f"--graph={graph} --use_nnapi=true --nnapi_accelerator_name=google-edgetpu")
    assert "NNAPI accelerators available: [google-edgetpu,nnapi-reference]" in answer.stdout
    assert "partially executed by the delegate w/" in answer.stdout, "it has no HARD_SWISH"
    refused = setup.run(f"--graph={graph} --use_nnapi=true --nnapi_accelerator_name=qti-dsp")
    assert refused.returncode == 1
    assert "Must be one of: {google-edgetpu,nnapi-reference}" in refused.stderr
    floats = setup.run(f"--graph={setup.push(models['tflite-float32'].path)} --use_nnapi=true")
    assert "the model graph will not be executed by the delegate" in floats.stdout


def test_external_delegate_needs_its_library(bench, models, tmp_path: Path) -> None:
    setup = bench(profile=SNAPDRAGON_8_GEN_2)
    graph = setup.push(models["tflite-int8"].path)
    options = (
        f"--external_delegate_path={TMP}/libQnnTFLiteDelegate.so "
        f"'--external_delegate_options=backend_type:htp;library_path:{TMP}/libQnnHtp.so'"
    )
    absent = setup.run(f"--graph={graph} {options}")
    assert (absent.returncode, "Unable to load external delegate from" in absent.stdout) == (0, True)
    for name in ("libQnnTFLiteDelegate.so", "libQnnHtp.so"):
        setup.push(write_library(tmp_path, name))
    answer = setup.run(f"--graph={graph} {options}")
    assert re.search(
        r"TfLiteQnnDelegate delegate: (\d+) nodes delegated out of \1 nodes with 1 partitions", answer.stderr
    )
    truth = setup.phone.truth_ms(models["tflite-int8"].path, "tflite/htp/int8,delegate=qnn")
    assert average_ms(answer.stdout) == pytest.approx(truth, rel=1e-3)


def test_op_profile_has_tabs_and_its_columns_changed(bench, models, tmp_path: Path) -> None:
    for version in ("2024", "2026"):
        setup = bench(version=version)
        graph = setup.push(models["tflite-float32"].path)
        text = setup.run(f"--graph={graph} --use_xnnpack=true --enable_op_profiling=true").stdout
        header = next(line for line in text.splitlines() if "[node type]" in line)
        assert ("[start]" in header) == (version == "2024")
        assert "Convolution (NHWC, F32) GEMM\t" in text and "Summary by node type" in text
    setup.run(
        f"--graph={graph} --use_gpu=true --enable_op_profiling=true --op_profiling_output_mode=csv "
        f"--op_profiling_output_file={TMP}/ops.csv"
    )
    assert setup.phone.host_path(f"{TMP}/ops.csv").read_text().startswith("node type, first, avg_ms")


def test_litert_tool_writes_results_to_standard_error(bench, models) -> None:
    setup = bench(version="litert")
    graph = setup.push(models["tflite-float32"].path)
    assert "--use_npu=false" in setup.run("--help").stderr
    answer = setup.run(
        f"--graph={graph} --use_cpu=false --require_full_delegation=true --use_gpu=true --gpu-precision=fp16"
    )
    assert answer.returncode == 0
    shown = float(re.search(r"Inference \(avg\): +([\d.]+) ms", answer.stderr).group(1))
    assert shown == pytest.approx(setup.phone.truth_ms(models["tflite-float32"].path, "tflite/gpu/float16"), abs=0.01)
    assert "count=" in answer.stdout
    assert setup.run(f"--graph={graph} --require_full_delegation=true").returncode == 134


@pytest.mark.parametrize("version", ["1.0.4", "1.1.1"])
def test_mace_run_of_each_generation(bench, models, version: str) -> None:
    setup = bench(Tool.MACE_RUN, version)
    assert setup.run("--help").returncode == 1
    assert ("    -device " in setup.run("--help").stdout) == (version == "1.0.4")
    assert setup.run("--model_file=x").returncode == 0, "missing nodes: usage, exit 0"
    artifact = models["mace-float32"]
    graph = setup.push(artifact.path)
    data = setup.push(next(artifact.path.parent / name for name in artifact.companions))
    model = setup.phone.model(artifact.path)
    nodes = f"--input_node={','.join(model.inputs)} --output_node={','.join(model.outputs)}"
    answer = setup.run(f"--model_file={graph} --model_data_file={data} {nodes} --round=10 --benchmark=true")
    if version == "1.0.4":
        assert answer.returncode == 134, "it does not read the new container"
        return
    assert answer.returncode == 0
    row = next(line.split() for line in answer.stdout.splitlines() if line.startswith("time "))
    truth = setup.phone.truth_ms(artifact.path, "mace/cpu/float32")
    assert float(row[4]) == pytest.approx(truth, abs=0.001)
    assert "runtimes: [CPU]" in answer.stdout and "Stat by Op Type" in answer.stdout
    wrong = setup.run(f"--model_file={graph} --model_data_file={data} --input_node=no --output_node=no")
    assert (wrong.returncode, "do not match" in wrong.stdout) == (0, True)


@pytest.mark.parametrize("version", ["1.15", "1.22"])
def test_onnxruntime_perf_test_of_each_age(bench, models, version: str) -> None:
    setup = bench(Tool.ORT_PERF_TEST, version)
    graph = setup.push(models["onnx-float32"].path)
    answer = setup.run(f"-e cpu -x 1 -m times -r 20 -I {graph}")
    assert answer.returncode == 0
    shown = float(re.search(r"Average inference time cost(?: total)?: ([\d.]+) ms", answer.stdout).group(1))
    assert shown == pytest.approx(setup.phone.truth_ms(models["onnx-float32"].path, "onnx/cpu/float32"), rel=1e-4)
    strict = setup.run(f"-e nnapi -C 'session.disable_cpu_ep_fallback|1' -m times -r 5 -I {graph}")
    assert (strict.returncode, "explicitly disabled by the user" in strict.stderr) == (1, True)


def test_snpe_continues_when_it_cannot_start(bench, tmp_path: Path) -> None:
    container = tmp_path / "net.dlc"
    container.write_bytes(bytes(100_000))
    setup = bench(Tool.SNPE_THROUGHPUT, profile=SNAPDRAGON_8_GEN_2)
    remote = setup.push(container)
    assert "Total throughput: " in setup.run(f"--container {remote} --duration 1 --use_dsp").stdout
    setup.phone.faults.add(Fault.DELEGATE_NOT_CREATED)
    answer = setup.run(f"--container {remote} --duration 1 --use_dsp")
    assert (answer.returncode, "error_code=402" in answer.stdout) == (0, True)


def test_output_may_be_cut_garbled_or_endless(bench, models) -> None:
    setup = bench()
    graph = setup.push(models["tflite-float32"].path)
    setup.phone.faults.add(Fault.TRUNCATED_OUTPUT)
    assert "Inference timings" not in setup.run(f"--graph={graph}").stdout
    setup.phone.faults.add(Fault.GARBLED_NUMBERS)
    assert "avg=?" in setup.run(f"--graph={graph}").stdout
    setup.phone.faults.add(Fault.CRASH)
    assert setup.run(f"--graph={graph}").returncode == 139
    setup.phone.faults.add(Fault.ENDLESS_OUTPUT)
    answer = setup.device.shell2(f"{setup.tool} --graph={graph} 2>&1 | head -c 200000 | wc -c", v2=True, timeout=20)
    assert answer.stdout.strip() == "200000"
    assert "Inference timings" in setup.run(f"--graph={graph}").stdout, "afterwards it behaves"


def test_a_hanging_tool_can_be_timed_out(bench, models) -> None:
    setup = bench()
    graph = setup.push(models["tflite-float32"].path)
    setup.phone.faults.add(Fault.HANG)
    answer = setup.device.shell2(f"timeout 0.3 {setup.tool} --graph={graph}; echo $?", v2=True, timeout=10)
    assert answer.stdout.endswith("124\n")


def test_a_run_takes_a_stated_fraction_of_its_time(bench, models) -> None:
    setup = bench(time_scale=0.2)
    graph = setup.push(models["tflite-float32"].path)
    begun = time.monotonic()
    setup.run(f"--graph={graph} --min_secs=1 --warmup_min_secs=0.5")
    assert 0.3 <= time.monotonic() - begun < 1.2


def test_real_mode_runs_the_file(bench, models) -> None:
    setup = bench(mode=Mode.REAL)
    graph = setup.push(models["tflite-float32"].path)
    answer = setup.run(f"--graph={graph} --num_threads=1 --num_runs=5 --min_secs=0 --warmup_min_secs=0")
    assert answer.returncode == 0
    assert 0.01 < average_ms(answer.stdout) < 1000
    gpu = setup.run(f"--graph={graph} --use_gpu=true --num_runs=2 --min_secs=0 --warmup_min_secs=0")
    assert "GPU acceleration is unsupported on this platform." in gpu.stdout
