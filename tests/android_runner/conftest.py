"""A simulated phone with registered tools, and a few real files to time on it."""

import gc
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Tool, write_library, write_tool
from phone_simulator.fixtures import adb_server, either_adb, make_phone, phone
from phone_simulator.phone import Phone
from phone_simulator.profiles import SNAPDRAGON_8_GEN_2

from mogakit.android_runner import tools
from mogakit.android_runner.commands import RunLength
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.runner import PhoneOptions, PhoneRunner, open_phone
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.export.pipeline import export, prepare
from mogakit.flows.measure.effort import QUICK_PHONE
from mogakit.flows.measure.profile import calibration_networks, export_for_profile
from mogakit.flows.measure.sampling import blocks_to_measure
from mogakit.nets.modules import build_block
from mogakit.nets.spaces import get_space
from mogakit.progress import silent

__all__ = ["adb_server", "either_adb", "make_phone", "phone"]

pytest.register_assert_rewrite("phone_jobs")  # so that its asserts say what differed

KINDS = (
    (Format.TFLITE, Precision.FLOAT32),
    (Format.TFLITE, Precision.INT8),
    (Format.ONNX, Precision.FLOAT32),
    (Format.MACE, Precision.FLOAT32),
    (Format.MACE, Precision.FLOAT16),
)


@pytest.fixture
def adb_binary(either_adb: Path) -> Path:
    """Return one of the adb binaries; a module whose tests depend on the adb takes each in turn instead."""
    return either_adb


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the registry, the locks and the records of a test to itself."""
    home = tmp_path / "moga-home"
    monkeypatch.setenv("MOGA_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def collect_sockets_of_adbutils() -> Iterator[None]:
    """Close what adbutils leaves open when a server rejects a device, before the next test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Format, Precision], list[Artifact]]:
    """Return four small blocks of MoGA as TFLite, and the first in every format that a test needs."""
    folder = tmp_path_factory.mktemp("artifacts")
    made: dict[tuple[Format, Precision], list[Artifact]] = {}
    for number, block in enumerate(get_space("moga").choice_blocks[-4:]):
        shape = (1, block.in_channels, block.input_size, block.input_size)
        source = prepare(build_block(block), block.key, Role.CHOICE, shape)
        for kind in KINDS if number == 0 else KINDS[:1]:
            made.setdefault(kind, []).append(export(source, *kind, folder))
    return made


@pytest.fixture(scope="session")
def moga_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a quick profile of the MoGA space at 32 pixels needs in float32."""
    folder = tmp_path_factory.mktemp("moga-32")
    space = get_space("moga", 32)
    networks = calibration_networks(space, QUICK_PHONE.num_calibration, 0)
    blocks = blocks_to_measure(space, 0, 0)
    export_for_profile(space, blocks, networks, parse_target("tflite/cpu/float32"), folder, silent)
    return folder


@pytest.fixture
def options() -> PhoneOptions:
    """Return short runs and short patience: the simulated phone's seconds are short too."""
    length = RunLength(num_runs=5, min_s=0.02, max_s=2.0, warmup_min_s=0.01)
    return PhoneOptions(length=length, limits=GuardLimits(max_wait_s=20.0, poll_s=0.05), reconnect_s=20.0)


@pytest.fixture
def make_job(artifacts: dict[tuple[Format, Precision], list[Artifact]]) -> Callable[..., Job]:
    """Return what makes a job: `make_job("tflite/gpu/float16", 0)`."""

    def make(target: str, number: int = 0, precision: Precision | None = None) -> Job:
        parsed = parse_target(target)
        for kind in (precision or parsed.precision, Precision.FLOAT32):
            found = artifacts.get((Format(parsed.runtime.value), kind))
            if found:
                return Job(found[number], parsed)
        raise AssertionError(f"no file for {target}")

    return make


@pytest.fixture
def with_tools(tmp_path: Path) -> None:
    """Register what the simulated phone can play, newest versions."""
    for tool in (Tool.BENCHMARK_MODEL, Tool.MACE_RUN, Tool.ORT_PERF_TEST):
        tools.add(write_tool(tmp_path / "bin", tool))


@pytest.fixture
def quick_phone(make_phone: Callable[..., Phone], with_tools: None) -> Phone:
    """Return a phone whose seconds last a hundredth of ours."""
    return make_phone(time_scale=0.01)


@pytest.fixture
def runner(quick_phone: Phone, options: PhoneOptions) -> Iterator[PhoneRunner]:
    """Return a runner on the quick phone."""
    with open_phone(quick_phone.serial, options) as opened:
        yield opened


@pytest.fixture
def server_address(adb_server: AdbServer) -> str:
    """Return where the private adb server listens."""
    return f"127.0.0.1:{adb_server.port}"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where the tests run in the background and a shell had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def snapdragon(make_phone: Callable[..., Phone], tmp_path: Path) -> Phone:
    """Return a phone with a DSP, and register what SNPE needs on it; its `snpe-diagview` here is not registered."""
    for tool in (Tool.SNPE_THROUGHPUT, Tool.SNPE_NET_RUN):
        tools.add(write_tool(tmp_path / "snpe", tool))
    tools.add(write_library(tmp_path / "snpe", "libSNPE.so"))
    return make_phone(SNAPDRAGON_8_GEN_2, time_scale=0.01)
