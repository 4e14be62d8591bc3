"""Google's own benchmark_model for Android, unmodified, under the kit's phone layer."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from debian_adbd.arm64 import Android
from debian_adbd.device import AdbdDevice
from debian_adbd.real_bench import OPTIONS, lacking, measure, small_block
from debian_adbd.real_tool import SHA256

from mogakit import records
from mogakit.android_runner import discovery, tools
from mogakit.android_runner.runner import open_phone
from mogakit.bench.agreement import Verdict
from mogakit.bench.measurement import DelegationKind, Status, counts
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Artifact, Precision
from mogakit.luts.table import LatencyTable

TINY = "debian_adbd.tiny_space:make"
HERE = Path(__file__).parents[1] / "phone"  # where it is found

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(scope="module")
def registered(device: AdbdDevice, tool: Path) -> AdbdDevice:
    """Return the device; the tool is registered as it was downloaded."""
    found = tools.add(tool)
    assert (found.sha256, found.abi, found.for_android) == (SHA256, "arm64-v8a", True)
    return device


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Artifact]:
    """Return one small block in two precisions."""
    folder = tmp_path_factory.mktemp("blocks")
    return {precision: small_block(precision, folder) for precision in (Precision.FLOAT32, Precision.INT8)}


# -- delegates: what the real ones do and say, read by the kit


@pytest.mark.parametrize(
    ("target", "precision", "kind", "backend"),
    [
        ("tflite/cpu/float32", Precision.FLOAT32, DelegationKind.FULL, "XNNPACK"),
        ("tflite/cpu/float32,xnnpack=off", Precision.FLOAT32, DelegationKind.NOT_ASKED, "CPU"),
        ("tflite/cpu/int8", Precision.INT8, DelegationKind.FULL, "XNNPACK"),
        ("tflite/gpu/float32,backend=gl", Precision.FLOAT32, DelegationKind.FULL, "OpenGL"),
        ("tflite/gpu/float16,backend=gl", Precision.FLOAT32, DelegationKind.FULL, "OpenGL"),
        ("tflite/gpu/float16,backend=cl", Precision.FLOAT32, DelegationKind.FULL, "OpenCL"),
        ("tflite/gpu/float16", Precision.FLOAT32, DelegationKind.FULL, "OpenCL"),
        ("tflite/gpu/int8", Precision.INT8, DelegationKind.FULL, "OpenCL"),
    ],
)
def test_a_delegate_takes_a_block(
    registered: AdbdDevice,
    block: dict[Precision, Artifact],
    target: str,
    precision: Precision,
    kind: DelegationKind,
    backend: str,
) -> None:
    measured = measure(registered, block[precision], target)
    assert (measured.status, measured.error) == (Status.OK, None)
    assert (measured.delegation.kind, measured.delegation.backend) == (kind, backend)
    assert measured.summary is not None
    assert measured.summary.count >= 2
    assert measured.summary.mean_ms > 0
    assert measured.init_ms is not None
    assert measured.peak_memory_mb is not None


def test_a_gpu_without_opencl_falls_back_to_opengl(registered: AdbdDevice, block: dict[Precision, Artifact]) -> None:
    with lacking(registered, opencl=True):
        measured = measure(registered, block[Precision.FLOAT32], "tflite/gpu/float16")
        assert (measured.status, measured.delegation.backend) == (Status.OK, "OpenGL")
        forced = measure(registered, block[Precision.FLOAT32], "tflite/gpu/float16,backend=cl")
    assert not counts(forced.status)
    assert forced.summary is None
    assert "OpenCL" in str(forced.error)


def test_a_gpu_without_drivers_is_rejected(registered: AdbdDevice, block: dict[Precision, Artifact]) -> None:
    with lacking(registered, opencl=True, opengl=True):
        measured = measure(registered, block[Precision.FLOAT32], "tflite/gpu/float16")
    assert (measured.status, measured.summary) == (Status.FAILED, None)
    assert "Failed to apply GPU delegate" in str(measured.error)


@pytest.mark.parametrize(
    "target", ["tflite/nnapi/float32,accelerator=google-edgetpu", "tflite/edgetpu/int8", "tflite/dsp/int8"]
)
def test_an_absent_accelerator_is_never_counted_although_the_tool_succeeds(
    registered: AdbdDevice, block: dict[Precision, Artifact], target: str
) -> None:
    precision = Precision.FLOAT32 if "float32" in target else Precision.INT8
    measured = measure(registered, block[precision], target)
    assert measured.status is Status.FALLBACK
    assert not counts(measured.status)
    assert measured.delegation.kind is DelegationKind.NONE
    assert measured.delegation.reason
    assert measured.summary is not None, "the tool ran on the CPU, printed a time and ended with 0"


# -- the kit's road, by its command line


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one user's work."""
    return tmp_path_factory.mktemp("work")


def moga(*words: str, exit_code: int = 0) -> str:
    """Run the command where `TINY` lies, and return what it printed."""
    found = subprocess.run(moga_command(*words), capture_output=True, text=True, timeout=300.0, check=False, cwd=HERE)
    assert found.returncode == exit_code, found.stdout + found.stderr
    return found.stdout


def moga_command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mogakit", *words]


def num_measured(journal: Path) -> int:
    """Return how many units a journal holds."""
    if not journal.exists():
        return 0
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        try:
            (count,) = connection.execute("SELECT COUNT(*) FROM measurements").fetchone()
        except sqlite3.OperationalError:  # it is being made
            return 0
    return int(count)


def test_the_tool_is_registered_and_the_device_listed(device: AdbdDevice, tool: Path) -> None:
    assert "arm64-v8a" in moga("tools", "add", str(tool))
    listed = moga("devices", "--json")
    assert device.profile.serialno in listed
    (found,) = discovery.find()
    assert (found.state, found.advice) == ("device", "")


def test_a_network_is_timed_and_its_output_compared(registered: AdbdDevice, work: Path) -> None:
    words = ["bench", f"{TINY}/0-0", "--device", registered.serial, "--quick", "--rounds", "1", "--json"]
    (timing,) = json.loads(moga(*words, "-o", str(work / "bench")))["timings"]
    assert timing["status"] == "ok"
    assert timing["agreement"]["verdict"] == "agrees"
    assert timing["agreement"]["relative"] < 1e-5


def test_a_profile_that_was_killed_goes_on(registered: AdbdDevice, work: Path) -> None:
    words = ["profile", "--space", TINY, "--device", registered.serial, "--quick", "--run-s", "0.02"]
    words += ["-o", str(work / "run")]
    journal = work / "run" / "journal.db"
    first = subprocess.Popen(moga_command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HERE)
    try:
        deadline = time.monotonic() + 180.0
        while num_measured(journal) < 5:
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.2)
    finally:
        first.kill()
        first.wait()
    before = num_measured(journal)
    moga(*words, "--resume")
    table = records.load(LatencyTable, work / "run" / "lut.json")
    assert num_measured(journal) > before
    assert all(table.counts(row) for row in table.rows.values())
    assert table.identity.tool_sha256 == SHA256
    assert len(table.agreements) == 4
    assert {one.verdict for one in table.agreements.values()} == {Verdict.AGREES}


def test_its_table_is_validated_shown_and_reported(registered: AdbdDevice, work: Path) -> None:
    moga("validate", str(work / "run"), "--quick", "--models", "2", "--run-s", "0.02")
    assert "tiny" in moga("lut", "show", str(work / "run" / "lut.json"))
    moga("report", str(work / "run"))
    assert SHA256[:12] in (work / "run" / "report.html").read_text()


# -- whether the answer is right


@pytest.mark.parametrize(
    ("target", "precision", "largest"),
    [
        ("tflite/cpu/float32", Precision.FLOAT32, 1e-5),
        ("tflite/cpu/float32,xnnpack=off", Precision.FLOAT32, 1e-5),
        ("tflite/cpu/int8", Precision.INT8, 0.02),
        ("tflite/gpu/float32,backend=gl", Precision.FLOAT32, 1e-5),
        ("tflite/gpu/float16,backend=gl", Precision.FLOAT32, 5e-3),
        ("tflite/gpu/float16,backend=cl", Precision.FLOAT32, 5e-3),
    ],
)
def test_the_device_computes_what_the_reference_computes(
    registered: AdbdDevice, block: dict[Precision, Artifact], target: str, precision: Precision, largest: float
) -> None:
    with open_phone(registered.serial, OPTIONS) as runner:
        agreement = runner.agreement(Job(block[precision], parse_target(target)))
    assert agreement.verdict is Verdict.AGREES, str(agreement)
    assert agreement.relative is not None
    assert agreement.relative < largest


def test_what_an_accelerator_did_not_compute_is_not_checked(
    registered: AdbdDevice, block: dict[Precision, Artifact]
) -> None:
    target = parse_target("tflite/nnapi/float32,accelerator=google-edgetpu")
    with open_phone(registered.serial, OPTIONS) as runner:
        agreement = runner.agreement(Job(block[Precision.FLOAT32], target))
    assert agreement.verdict is Verdict.NOT_CHECKED
    assert "did not run on nnapi" in agreement.reason


def test_a_tool_that_flips_one_value_is_found_and_never_counts(
    device: AdbdDevice, android: Android, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "home"))  # where no other tool is registered
    true = device.host_path("/data/local/tmp/benchmark_model.true")
    shutil.copy(android.tool, true)
    true.chmod(0o755)
    flipping = tmp_path / "benchmark_model"
    shutil.copy(android.arm64.compiled / "flipping", flipping)
    tools.add(flipping)
    words = ["bench", f"{TINY}/0-0", "--device", device.serial, "--quick", "--rounds", "1", "--json"]
    (row,) = json.loads(moga(*words, exit_code=1))["timings"]
    assert row["status"] == "wrong-output"
    assert not counts(Status(row["status"]))
    assert row["agreement"]["verdict"] == "wrong-output"
    assert row["agreement"]["relative"] == pytest.approx(2.0, abs=1e-3), "the largest value, with the other sign"
    assert row["delegation"].startswith("full"), "by everything that it prints the run was a good one"
