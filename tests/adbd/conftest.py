"""A device that runs Android's real adbd, once for each generation of adb; `make adbd` runs these tests.

Everything is skipped, with the reason, where namespaces, apt or a compiler are not to be had.
"""

import gc
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from debian_adbd.device import AdbdDevice
from debian_adbd.tree import ADBD_PACKAGES, ADBD_SUITE, Download, build_helpers, debian_adb, why_not
from phone_simulator.adb_server import AdbServer
from phone_simulator.fixtures import bundled_adb
from phone_simulator.workbench import Mode

from mogakit.android_runner.adb import Link
from mogakit.android_runner.adb_server import AdbServer as KitServer


class Debian(NamedTuple):
    """What was downloaded and built."""

    tree: Path
    helpers: tuple[Path, Path]
    adbs: dict[str, Path]


@pytest.fixture(scope="session")
def debian(pytestconfig: pytest.Config) -> Debian:
    """Download, unpack and compile once; kept in pytest's cache."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    cache = pytestconfig.cache.mkdir("adbd")
    download = Download(cache)
    try:
        tree = download.unpack(ADBD_SUITE, ADBD_PACKAGES, cache / "tree")
        adbs = {"bundled": bundled_adb(), "debian-29": debian_adb(download, cache)}
        return Debian(tree, build_helpers(cache / "helpers"), adbs)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"Debian's packages could not be brought: {getattr(error, 'stderr', '') or error}")


@pytest.fixture(params=["bundled", "debian-29"])
def adb_server(
    request: pytest.FixtureRequest, debian: Debian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AdbServer]:
    """Return a private server of each generation; adb and adbutils started by the test go to it as well."""
    adb = debian.adbs[request.param]
    monkeypatch.setenv("MOGA_HOME", str(tmp_path / "moga-home"))
    with AdbServer(adb, tmp_path / "adb-home") as server:
        for name in ("ANDROID_ADB_SERVER_PORT", "ADB_MDNS", "ADB_USB", "ADB_EMU", "ADB_LOCAL_TRANSPORT_MAX_PORT"):
            monkeypatch.setenv(name, server.environment[name])
        monkeypatch.setenv("ADBUTILS_ADB_PATH", str(adb))
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        yield server


@pytest.fixture
def device(debian: Debian, adb_server: AdbServer, tmp_path: Path) -> Iterator[AdbdDevice]:
    """Return a device that is on and plugged in; its tools really run what they are given."""
    with AdbdDevice(debian.tree, debian.helpers, tmp_path / "device", server=adb_server, mode=Mode.REAL) as made:
        yield made


@pytest.fixture
def link(device: AdbdDevice) -> Link:
    """Return the kit's way to the device."""
    return Link(KitServer("127.0.0.1", device.server.port), device.serial)


@pytest.fixture(autouse=True)
def _collect_sockets_of_adbutils() -> Iterator[None]:
    """Close what adbutils leaves open when a server refuses a device, before the next test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


if not sys.platform.startswith("linux"):  # pidfd, /proc and namespaces
    collect_ignore = ["test_adbd.py"]
