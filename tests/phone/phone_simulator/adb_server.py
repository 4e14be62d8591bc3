"""A private adb server: own port on loopback, own HOME, no mDNS, no USB, no scan for emulators."""

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any


def adb_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment in which adb and adbutils stay to themselves."""
    kept = {name: value for name, value in os.environ.items() if name != "ANDROID_SERIAL"}
    return kept | {
        "ANDROID_ADB_SERVER_PORT": str(port),
        "HOME": str(home),
        "ADB_MDNS": "0",
        "ADB_MDNS_OPENSCREEN": "0",
        "ADB_USB": "0",
        "ADB_EMU": "0",
        "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554",
    }


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class AdbServer:
    """A server run by one `adb` binary, as a child process.

    Args:
        adb: the binary.
        folder: becomes HOME, for the key.
    """

    def __init__(self, adb: Path, folder: Path) -> None:
        self.adb = adb
        self.port = free_port()
        self.environment = adb_environment(folder, self.port)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "AdbServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers; does nothing where it runs."""
        if self._process and self._process.poll() is None:
            return
        command = [str(self.adb), "-P", str(self.port), "nodaemon", "server"]
        self._process = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1.0):
                    return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        """Return an adbutils client of this server."""
        import adbutils

        return adbutils.AdbClient(host="127.0.0.1", port=self.port)

    def run(self, *arguments: str, timeout: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run the command-line tool against this server."""
        command = [str(self.adb), "-P", str(self.port), *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
