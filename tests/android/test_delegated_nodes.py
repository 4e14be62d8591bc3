"""`moga check` and the real delegates agree on which files run whole.

A sample of blocks and networks by default; `MOGA_ANDROID_SAMPLE=all` takes every block of MoGA in three precisions and
every network of the zoo (about an hour), a number that many of each.
"""

import logging
from pathlib import Path

import pytest
from debian_adbd.delegated_nodes import Compared, compare
from debian_adbd.device import AdbdDevice
from debian_adbd.samples import blocks, files_of, sampled

from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import AdbServer
from mogakit.export.artifact import Artifact, Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.nets import zoo

LOG = logging.getLogger(__name__)
PRECISIONS = (Precision.FLOAT32, Precision.FLOAT16, Precision.INT8)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def compared(device: AdbdDevice, tool: Path, artifacts: list[Artifact]) -> list[Compared]:
    link = Link(AdbServer("127.0.0.1", device.server.port), device.serial)
    found = list(compare(link, tool, artifacts))
    for one in found:
        LOG.info("%s", one)
    return found


def test_blocks(device: AdbdDevice, tool: Path, tmp_path: Path) -> None:
    wanted = blocks()
    artifacts = [file for precision in PRECISIONS for file in files_of(wanted, precision, tmp_path / precision)]
    found = compared(device, tool, artifacts)
    assert len(found) == len(wanted) * (2 * len(PRECISIONS) - 1)
    assert not [str(one) for one in found if one.disagrees]


def test_networks(device: AdbdDevice, tool: Path, tmp_path: Path) -> None:
    names = sampled(list(zoo.names()))
    artifacts = [
        export_network(zoo.get(name).network, [Format.TFLITE], Precision.FLOAT32, tmp_path)[0] for name in names
    ]
    found = compared(device, tool, artifacts)
    assert len(found) == 2 * len(names)
    assert not [str(one) for one in found if one.disagrees]
