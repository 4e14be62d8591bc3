"""adb's server, which keeps the connections to all phones: found or started, asked for its list, made to connect.

What adbutils and sockets raise while something is asked becomes an error here that says what to do: a server that is
too old or none at all, a phone that went away, one that wants to be authorized.
"""

import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import adbutils
from adbutils.errors import AdbError

from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError

DEFAULT_PORT = 5037
MIN_VERSION = 31
"""A server before 1.0.31 does not ask a phone (Android 4.2.2 or newer) for its permission and shows it as offline."""
_START_LOCK = threading.Lock()
_LOCAL = ("127.0.0.1", "localhost", "::1")


def adb_command() -> str:
    """Return how a person calls adb here: by its name where it is on PATH, else by the path of the kit's own."""
    return "adb" if shutil.which("adb") else quote(adbutils.adb_path())


class LinkLost(DeviceError):  # noqa: N818 - named for what it says
    """The phone, its cable or the adb server went away; it may come back."""


class AdbTooOld(DeviceError):  # noqa: N818 - named for what it says
    """The adb server does not know a service that the kit needs."""


class NotAnAdbServer(DeviceError):  # noqa: N818 - named for what it says
    """Something else answers on the port."""


class UnknownServiceError(AdbError):  # type: ignore[misc]  # adbutils has no types
    """A server's answer to a service that it does not know; the text is the service's name."""


class ShellTimeout(DeviceError):  # noqa: N818 - named for what it says
    """A command did not end within its time."""


@dataclass(frozen=True)
class Listed:
    """One line of `adb devices -l`."""

    serial: str
    state: str
    tags: dict[str, str]


@dataclass(frozen=True)
class AdbServer:
    """An adb server; one on this computer is started when it does not answer."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> Any:
        """Open a connection whose every read and write is bounded by `timeout_s`.

        Raises:
            LinkLost: nothing answers there, and no server could be started.
        """
        self._ensure_running()
        with translated(f"adb server {self}"):
            return adbutils.AdbClient(host=self.host, port=self.port).make_connection(timeout=timeout_s)

    def devices(self) -> list[Listed]:
        """List every phone with its state, ready or not.

        Raises:
            LinkLost: the server does not answer.
        """
        return [_listed(line) for line in self.ask("host:devices-l").splitlines() if line.strip()]

    def version(self) -> int:
        """Return the server's version: 41 for what calls itself 1.0.41.

        Raises:
            LinkLost: it does not answer.
            DeviceError: what answers there is not an adb server.
        """
        text = self.ask("host:version")
        if not re.fullmatch(r"[0-9a-fA-F]{1,8}", text):
            raise DeviceError(f"what answers at {self} is not an adb server: it says that its version is {text[:40]!r}")
        return int(text, 16)

    def ask(self, service: str, timeout_s: float = 10.0) -> str:
        """Ask the server itself and return its answer, which may be why what it was asked to do failed.

        Raises:
            LinkLost: it does not answer, or rejects the question.
            AdbTooOld: it does not know the service.
        """
        connection = self.connect(timeout_s)
        with translated(f"adb server {self}", self), closing(connection):
            command(connection, service)
            head = connection.read(4)
            if head == b"FAIL":  # some requests are taken before they are tried
                head = connection.read(4)
            if not re.fullmatch(rb"[0-9a-fA-F]{4}", head):
                raise AdbError(f"unknown data: {head!r}" if head else "the connection was closed")
            return str(connection.read_string(int(head, 16)))

    def too_old(self, problem: str) -> str:
        """Return what is to be done about a server that is too old, whose `problem` that shows."""
        try:
            version = f"version 1.0.{self.version()}"
        except DeviceError:
            version = "of an unknown version"
        at = "" if self.port == DEFAULT_PORT else f" -P {self.port}"
        on_this_computer = self.host in _LOCAL
        end = f"{adb_command()}{at} kill-server" if on_this_computer else f"adb{at} kill-server (on {self.host})"
        then = (
            "the kit then starts its own; close what brings the old one back (an IDE, a vendor's tool), or name a "
            "free port with --adb 127.0.0.1:PORT"
            if on_this_computer
            else "start there the one of Android's platform-tools 30 or newer"
        )
        return f"adb server {self} ({version}) is too old: {problem}. End it: {end}; {then}"

    def reconnect(self, address: str) -> str:
        """Ask the server to connect to a phone over TCP (`host:port`) and return its answer, good or bad."""
        return self.ask(f"host:connect:{address}", 12.0)  # a silent listener blocks the server for ten seconds

    def _ensure_running(self) -> None:
        if _answers(self.host, self.port):
            return
        if self.host not in _LOCAL:
            raise LinkLost(
                f"no adb server answers at {self}; start one there with 'adb -a -P {self.port} start-server'"
            )
        with _START_LOCK:
            if _answers(self.host, self.port):
                return
            starting = [adbutils.adb_path(), "-P", str(self.port), "start-server"]
            try:
                subprocess.run(starting, capture_output=True, timeout=20.0, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                raise LinkLost(f"the adb server at {self} could not be started: {error}") from error


def command(connection: Any, text: str) -> None:
    """Send a request to a server and wait until it says that it takes it.

    Raises:
        AdbError: it does not; `UnknownServiceError` where it is too old to know the service.
    """
    data = text.encode("utf-8")
    if len(data) > 0xFFFF:
        raise DeviceError(f"a command of {len(data)} bytes does not fit adb's 65535")
    connection.conn.sendall(f"{len(data):04x}".encode() + data)
    try:
        connection.check_okay()
    except AdbError as error:
        if "unknown host service" in str(error):
            raise UnknownServiceError(":".join(text.split(":")[:2])) from error  # what follows may be a secret
        raise


_STATES = "device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload|bootloader|host|unknown|detached"
_LINE = re.compile(rf"(?P<serial>.*?)\s+(?:(?P<state>{_STATES})(?P<tags>(?:\s+\w+:\S*)*)|no permissions.*)\s*")
"""A serial may hold blanks: `adb-X (2)._adb-tls-connect._tcp`, `(no serial number)`."""


def _listed(line: str) -> Listed:
    """Read `SERIAL STATE key:value ...`; the state `no permissions (...)` has blanks, and so may a serial."""
    found = _LINE.fullmatch(line)
    if found is None:
        serial, _, rest = line.partition(" ")
        return Listed(serial, rest.strip(), {})
    tags = dict(tag.split(":", 1) for tag in (found["tags"] or "").split())
    return Listed(found["serial"].strip(), found["state"] or "no permissions", tags)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=3.0):
            return True
    except OSError:
        return False


@contextmanager
def closing(connection: Any) -> Iterator[None]:
    """Close a connection on leaving."""
    try:
        yield
    finally:
        connection.conn.close()  # the library's own close() sleeps


@contextmanager
def translated(where: str, server: AdbServer | None = None) -> Iterator[None]:
    """Turn what adbutils and sockets raise into errors that say what to do."""
    try:
        yield
    except TimeoutError as error:
        raise ShellTimeout(f"{where} did not answer in time") from error
    except AdbError as error:
        text = str(error)
        if isinstance(error, UnknownServiceError) and server is not None:
            raise AdbTooOld(server.too_old(f"it does not know {text}")) from error
        if text.lower().startswith("unknown data") and server is not None:
            raise NotAnAdbServer(f"what answers at {server} is not an adb server; name another with --adb") from error
        if "unauthorized" in text or "authorizing" in text or "failed to authenticate" in text:
            raise DeviceError(f"{where} is not authorized; {STATE_ADVICE['unauthorized']}") from error
        raise LinkLost(f"{where} went away: {text or 'the connection was closed'}") from error
    except (EOFError, OSError) as error:
        raise LinkLost(f"{where} went away: {error or 'the connection was closed'}") from error


STATE_ADVICE = {
    "device": "",
    "unauthorized": "unlock the phone and accept the question 'Allow USB debugging?'",
    "authorizing": "wait a moment, then look again; accept the question on the phone if one is shown",
    "offline": "unplug and replug the cable; over Wi-Fi, wake the phone and see that wireless debugging is on",
    "no permissions": "add a udev rule for the phone (package android-sdk-platform-tools-common), then replug it",
    "recovery": "the phone is in recovery: reboot it into Android",
    "sideload": "the phone waits for a sideload: reboot it into Android",
    "bootloader": "the phone is in its bootloader: reboot it into Android",
    "host": "this is a computer, not a phone",
}
