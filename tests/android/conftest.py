"""A device on which Google's own, unmodified `benchmark_model` for Android runs; `make android` runs these tests.

Everything is skipped, with the reason, where namespaces, apt, a compiler or the package index are not to be had.
"""

import gc
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from debian_adbd.arm64 import Android, build_arm64, why_no_arm64
from debian_adbd.device import AdbdDevice, this_computer
from debian_adbd.real_tool import fetch_benchmark_model
from debian_adbd.tree import ADBD_PACKAGES, ADBD_SUITE, Download, build_helpers, why_not
from phone_simulator.adb_server import AdbServer
from phone_simulator.binaries import Abi
from phone_simulator.fixtures import bundled_adb


@pytest.fixture(scope="session")
def android(pytestconfig: pytest.Config) -> Android:
    """Download, unpack and compile once; kept in pytest's cache."""
    reason = why_not() or why_no_arm64()
    if reason:
        pytest.skip(reason)
    cache = pytestconfig.cache.mkdir("adbd")
    download = Download(cache)
    try:
        tree = download.unpack(ADBD_SUITE, ADBD_PACKAGES, cache / "tree")
        arm64 = build_arm64(download, cache)
        return Android(tree, build_helpers(cache / "helpers"), arm64, fetch_benchmark_model(cache / "real-tool"))
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"packages could not be downloaded or built: {getattr(error, 'stderr', '') or error}")


@pytest.fixture(scope="session")
def tool(android: Android) -> Path:
    """Return Google's tool as it was downloaded."""
    return android.tool


@pytest.fixture(scope="session")
def device(android: Android, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbdDevice]:
    """Return one device for all tests, behind a private adb server."""
    folder = tmp_path_factory.mktemp("android")
    profile = this_computer("ANDROIDARM64")
    props = profile.props | {"ro.product.cpu.abi": Abi.ARM64, "ro.product.cpu.abilist": Abi.ARM64}
    props |= {"ro.product.model": "arm64 userland", "ro.build.version.sdk": "34", "ro.build.version.release": "14"}
    profile = replace(profile, name="android-arm64", props=props, abis=(Abi.ARM64,), nnapi=(), units={})
    adb = bundled_adb()
    with pytest.MonkeyPatch.context() as patch, AdbServer(adb, folder / "adb-home") as server:
        for name in ("ANDROID_ADB_SERVER_PORT", "ADB_MDNS", "ADB_USB", "ADB_EMU", "ADB_LOCAL_TRANSPORT_MAX_PORT"):
            patch.setenv(name, server.environment[name])
        patch.setenv("ADBUTILS_ADB_PATH", str(adb))
        patch.setenv("MOGA_HOME", str(folder / "moga-home"))
        patch.delenv("ANDROID_SERIAL", raising=False)
        with AdbdDevice(
            android.tree, android.helpers, folder / "device", server=server, profile=profile, arm64=android.arm64
        ) as made:
            yield made


@pytest.fixture(autouse=True)
def _collect_sockets_of_adbutils() -> Iterator[None]:
    """Close what adbutils leaves open when a server refuses a device, before the next test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


if not sys.platform.startswith("linux"):  # pidfd, /proc and namespaces
    collect_ignore_glob = ["test_*.py"]
