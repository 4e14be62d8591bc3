"""Fixtures that a room's conftest takes over: adb binaries, a private server, phones that hang on it."""

import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import adbutils
import pytest
from phone_simulator.adb_server import AdbServer
from phone_simulator.phone import Phone
from phone_simulator.profiles import PIXEL_6, Profile

MakePhone = Callable[..., Phone]


def bundled_adb() -> Path:
    """Return the adb inside adbutils, also where another one is on PATH (which adbutils itself would prefer)."""
    return Path(adbutils.__file__).parent / "binaries" / "adb"


def adb_binaries() -> list[Path]:
    """Return the adb of adbutils, and an older one where it is found ($MOGA_TEST_ADB, or Debian's)."""
    found = [bundled_adb()] if bundled_adb().exists() else []  # some platforms have a wheel without it
    for name in (os.environ.get("MOGA_TEST_ADB"), "/usr/lib/android-sdk/platform-tools/adb", shutil.which("adb")):
        if name and Path(name).exists() and not any(Path(name).samefile(other) for other in found):
            found.append(Path(name))
            break
    return found


def _label(path: Path) -> str:
    return "bundled" if "adbutils" in path.parts else "system"


@pytest.fixture(params=[pytest.param(path, id=_label(path)) for path in adb_binaries()])
def adb_binary(request: pytest.FixtureRequest) -> Path:
    """Return each adb in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def either_adb(request: pytest.FixtureRequest) -> Path:
    """Return one adb, chosen by the test's name: both are met over all tests, and none runs twice."""
    found = adb_binaries()
    if not found:
        pytest.skip("no adb is installed")
    return found[zlib.crc32(request.node.name.encode()) % len(found)]


@pytest.fixture
def adb_server(adb_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdbServer]:
    """Return a running private server; adb and adbutils started by the test go to it as well."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the simulator needs Linux: /proc and pidfd")
    with AdbServer(adb_binary, tmp_path / "adb-home") as server:
        for name in ("ANDROID_ADB_SERVER_PORT", "ADB_MDNS", "ADB_USB", "ADB_EMU", "ADB_LOCAL_TRANSPORT_MAX_PORT"):
            monkeypatch.setenv(name, server.environment[name])
        monkeypatch.setenv("ADBUTILS_ADB_PATH", str(adb_binary))
        monkeypatch.delenv("ANDROID_SERIAL", raising=False)
        yield server


@pytest.fixture
def make_phone(adb_server: AdbServer, tmp_path: Path) -> Iterator[MakePhone]:
    """Return what makes and plugs in phones: `make_phone(PIXEL_6, time_scale=0.0)`."""
    with ExitStack() as stack:
        count = 0

        def make(profile: Profile = PIXEL_6, **options: Any) -> Phone:
            nonlocal count
            count += 1
            folder = options.pop("folder", tmp_path / f"phone-{count}")
            return stack.enter_context(Phone(profile, folder, server=options.pop("server", adb_server), **options))

        yield make


@pytest.fixture
def phone(make_phone: MakePhone) -> Phone:
    """Return one Pixel, plugged in."""
    return make_phone()
