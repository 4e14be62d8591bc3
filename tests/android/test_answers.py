"""The device computes what the reference computes: blocks of MoGA on real XNNPACK and on the real GPU delegate.

A sample by default; `MOGA_ANDROID_SAMPLE=all` takes all 123 blocks on XNNPACK, and twelve on each GPU interface, whose
kernels are compiled for minutes.
"""

import logging
from pathlib import Path

import pytest
from debian_adbd.device import AdbdDevice
from debian_adbd.real_bench import OPTIONS
from debian_adbd.samples import blocks, files_of

from mogakit.android_runner import tools
from mogakit.android_runner.runner import open_phone
from mogakit.bench.agreement import DeviceAgreement, Verdict
from mogakit.bench.runner import Job
from mogakit.bench.target import parse_target
from mogakit.export.artifact import Precision

LOG = logging.getLogger(__name__)
ON_GPU = 12

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.mark.parametrize(
    ("target", "precision", "most", "largest"),
    [
        ("tflite/cpu/float32", Precision.FLOAT32, None, 1e-5),
        ("tflite/cpu/float16", Precision.FLOAT16, None, 5e-3),
        ("tflite/cpu/int8", Precision.INT8, None, 0.05),
        ("tflite/gpu/float32,backend=gl", Precision.FLOAT32, ON_GPU, 1e-5),
        ("tflite/gpu/float16,backend=gl", Precision.FLOAT32, ON_GPU, 1e-2),
        ("tflite/gpu/float32,backend=cl", Precision.FLOAT32, ON_GPU, 1e-5),
    ],
)
def test_blocks(
    device: AdbdDevice,
    tool: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    precision: Precision,
    most: int | None,
    largest: float,
) -> None:
    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "home"))
    tools.add(tool)
    files = files_of(blocks(most), precision, tmp_path / "files")
    found: dict[str, DeviceAgreement] = {}
    with open_phone(device.serial, OPTIONS) as runner:
        for file in files:
            found[file.name] = runner.agreement(Job(file, parse_target(target)))
            LOG.info("%s on %s: %s", file.name, target, found[file.name])
    wrong = [f"{name}: {one}" for name, one in found.items() if one.verdict is not Verdict.AGREES]
    assert not wrong
    errors = [one.relative for one in found.values() if one.relative is not None]
    LOG.info("%s: %d blocks agree, largest error %.2g of the output's scale", target, len(found), max(errors))
    assert max(errors) <= largest
