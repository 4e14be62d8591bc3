"""Google's own benchmark_model for Android, unmodified, under the kit's phone layer."""

from pathlib import Path

import pytest
from debian_adbd.device import AdbdDevice
from debian_adbd.real_tool import SHA256

from mogakit.android_runner import discovery, tools
from mogakit.android_runner.commands import RunLength
from mogakit.android_runner.guard import GuardLimits
from mogakit.android_runner.runner import PhoneOptions, open_phone
from mogakit.bench.measurement import DelegationKind, Measurement, Status
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Artifact, Format, Precision, Role
from mogakit.flows.deploy.export import export_blocks
from mogakit.nets.spaces import get_space

SHORT = RunLength(num_runs=2, min_s=0.01, max_s=20.0, warmup_runs=1, warmup_min_s=0.01)
OPTIONS = PhoneOptions(SHORT, GuardLimits(max_wait_s=5.0, poll_s=0.1), reconnect_s=30.0)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _registered(device: AdbdDevice, android: "object") -> None:
    tool = tools.add(android.tool)
    assert (tool.sha256, tool.abi, tool.for_android) == (SHA256, "arm64-v8a", True)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("blocks")

    def export(precision: Precision) -> Artifact:
        blocks = [one for one in get_space("moga").choice_blocks if one.input_size == 7][:1]
        return export_blocks(blocks, Role.CHOICE, [Format.TFLITE], precision, folder)[0]

    return export


def measure(device: AdbdDevice, artifact: Artifact, target: str) -> Measurement:
    job = Job(artifact, parse_target(target))
    with open_phone(device.serial, OPTIONS) as runner, runner.session([job], 0, seed=0) as session:
        (measured,) = session.measure([job], 0)
        return measured


def test_the_device_is_found(device: AdbdDevice) -> None:
    (found,) = discovery.find()
    assert (found.state, found.serialno) == ("device", device.profile.serialno)


@pytest.mark.parametrize(
    ("target", "precision", "kind", "backend"),
    [
        ("tflite/cpu/float32", Precision.FLOAT32, DelegationKind.FULL, "XNNPACK"),
        ("tflite/cpu/float32,xnnpack=off", Precision.FLOAT32, DelegationKind.NOT_ASKED, "CPU"),
        ("tflite/cpu/int8", Precision.INT8, DelegationKind.FULL, "XNNPACK"),
        ("tflite/gpu/float16,backend=gl", Precision.FLOAT32, DelegationKind.FULL, "OpenGL"),
        ("tflite/gpu/float16,backend=cl", Precision.FLOAT32, DelegationKind.FULL, "OpenCL"),
    ],
)
def test_it_measures(device: AdbdDevice, block, target, precision, kind, backend) -> None:
    measured = measure(device, block(precision), target)
    assert (measured.status, measured.error) == (Status.OK, None)
    assert (measured.delegation.kind, measured.delegation.backend) == (kind, backend)
