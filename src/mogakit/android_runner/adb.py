"""One phone behind one adb server: shell commands with a real deadline, and pushes that say why they failed.

adbutils makes the connection; the two protocols on top of it are spoken here, because its shell bounds neither the time
nor the output of a command as a whole, and its push loses the phone's error text. A dropped link is `LinkLost`, never
half an answer.
"""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import adbutils
from adbutils.errors import AdbError

from mogakit.android_runner import userland
from mogakit.android_runner.quoting import quote
from mogakit.android_runner.userland import MODERN, Userland
from mogakit.errors import DeviceError

DEFAULT_PORT = 5037
_STDOUT, _STDERR, _EXIT = 1, 2, 3  # packet ids of shell v2
_CHUNK = 64 * 1024  # the largest DATA of the sync protocol
_REGULAR_FILE = 0o100000
_STALL_S = 30.0  # a push that moves nothing for this long is over
T = TypeVar("T")
_START_LOCK = threading.Lock()


def adb_command() -> str:
    """Return how a person calls adb here: by its name where it is on PATH, else by the path of the kit's own."""
    return "adb" if shutil.which("adb") else quote(adbutils.adb_path())


class LinkLost(DeviceError):  # noqa: N818 - named for what it says
    """The phone, its cable or the adb server went away; it may come back."""


class ShellTimeout(DeviceError):  # noqa: N818 - named for what it says
    """A command did not end within its time."""


@dataclass(frozen=True)
class Listed:
    """One line of `adb devices -l`."""

    serial: str
    state: str
    tags: dict[str, str]


@dataclass(frozen=True)
class ShellResult:
    """What a command on the phone printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str


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
        with _translated(f"adb server {self}"):
            return adbutils.AdbClient(host=self.host, port=self.port).make_connection(timeout=timeout_s)

    def devices(self) -> list[Listed]:
        """List every phone with its state, ready or not.

        Raises:
            LinkLost: the server does not answer.
        """
        connection = self.connect(10.0)
        with _translated(f"adb server {self}"), _closing(connection):
            _command(connection, "host:devices-l")
            text = connection.read_string_block()
        return [_listed(line) for line in text.splitlines() if line.strip()]

    def reconnect(self, address: str) -> str:
        """Ask the server to connect to a phone over TCP (`host:port`) and return its answer, good or bad."""
        connection = self.connect(12.0)  # a listener that never answers blocks the server for ten seconds
        with _translated(f"adb server {self}"), _closing(connection):
            _command(connection, f"host:connect:{address}")
            return str(connection.read_string_block())

    def _ensure_running(self) -> None:
        if _answers(self.host, self.port):
            return
        if self.host not in ("127.0.0.1", "localhost", "::1"):
            raise LinkLost(
                f"no adb server answers at {self}; start one there with 'adb -a -P {self.port} start-server'"
            )
        with _START_LOCK:
            if _answers(self.host, self.port):
                return
            command = [adbutils.adb_path(), "-P", str(self.port), "start-server"]
            try:
                subprocess.run(command, capture_output=True, timeout=20.0, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                raise LinkLost(f"the adb server at {self} could not be started: {error}") from error


@dataclass(frozen=True)
class Link:
    """The way to one phone.

    Attributes:
        serial: as the server lists it.
        userland: what its commands can do; a modern phone's where nobody asked (`with_userland`).
        transport_id: the server's number of the connection, where several have this serial; a new one after a replug.
    """

    server: AdbServer
    serial: str
    userland: Userland = field(default=MODERN, compare=False)
    transport_id: str = ""

    @property
    def name(self) -> str:
        """Return what names the connection: the serial, or the server's number where several have that serial."""
        return f"transport:{self.transport_id}" if self.transport_id else self.serial

    def with_userland(self) -> "Link":
        """Ask the phone what its commands can do and return a link that knows it.

        Raises:
            DeviceError: it lacks what the kit cannot do without.
        """
        return replace(self, userland=userland.read(self.shell(userland.SCRIPT).stdout, self.serial))

    def shell(self, script: str, timeout_s: float = 30.0, max_bytes: int = 8_000_000) -> ShellResult:
        """Run a script in the phone's shell and wait for its end.

        Raises:
            ShellTimeout: it did not end in `timeout_s`, or printed more than `max_bytes`. It may still be running.
            LinkLost: the connection ended before the exit code came.
            DeviceError: the phone is not authorized, or older than Android 7.
        """
        deadline = time.monotonic() + timeout_s
        output = {_STDOUT: bytearray(), _STDERR: bytearray()}
        with _translated(self.serial), self._open(f"shell,v2,raw:{script}", timeout_s) as connection:
            while True:
                header = _read(connection.conn, 5, deadline)
                kind, length = header[0], int.from_bytes(header[1:], "little")
                data = _read(connection.conn, length, deadline)
                if kind == _EXIT:
                    break
                if kind in output:
                    output[kind] += data
                if sum(map(len, output.values())) > max_bytes:
                    raise ShellTimeout(f"{self.serial}: a command printed more than {max_bytes} bytes and was left")
        texts = {kind: bytes(value).decode("utf-8", "replace") for kind, value in output.items()}
        return ShellResult(data[0] if data else 255, texts[_STDOUT], texts[_STDERR])

    def push(self, source: Path, remote: str, mode: int, advance: Callable[[int], None] | None = None) -> None:
        """Write a file's bytes to `remote`; `advance` is called with the number of bytes of each chunk.

        Raises:
            DeviceError: the phone rejected it (its words are in the message: no space, no permission).
            LinkLost: the connection ended on the way.
        """
        with _translated(self.serial), self._open("sync:", _STALL_S) as connection, source.open("rb") as file:
            target = f"{remote},{_REGULAR_FILE | mode}".encode()
            sock = connection.conn
            sock.sendall(b"SEND" + len(target).to_bytes(4, "little") + target)
            try:
                while chunk := file.read(_CHUNK):
                    sock.sendall(b"DATA" + len(chunk).to_bytes(4, "little") + chunk)
                    if advance is not None:
                        advance(len(chunk))
                sock.sendall(b"DONE" + int(time.time()).to_bytes(4, "little"))
            except ConnectionError:
                pass  # the phone stops listening once it has said why: read that below
            answer = _read(sock, 8, time.monotonic() + _STALL_S)
            if answer[:4] == b"OKAY":
                return
            length = int.from_bytes(answer[4:], "little")
            text = _read(sock, length, time.monotonic() + _STALL_S).decode("utf-8", "replace")
        raise DeviceError(f"{self.serial}: {source.name} could not be written to {remote}: {text}")

    def wait_until_ready(self, timeout_s: float, interval_s: float = 0.5) -> None:
        """Wait until the phone answers commands again; a phone on TCP is reconnected if the server forgot it.

        Raises:
            DeviceError: it did not come back in time, or it wants to be authorized.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self.shell("echo ready", timeout_s=10.0).stdout.strip() == "ready":
                    return
            except (LinkLost, ShellTimeout):
                self._remind_server()
            if time.monotonic() >= deadline:
                raise DeviceError(
                    f"{self.serial} did not come back within {timeout_s:g} s; check the cable (or the network), then "
                    "run the same command with --resume: what was finished is kept"
                )
            time.sleep(interval_s)

    def retry_on_disconnect(self, reconnect_s: float, action: Callable[[], T]) -> T:
        """Do something on the phone; where the link is lost, wait for the phone and do it again, twice at most.

        Raises:
            DeviceError: the phone did not come back, or rejects the call.
        """
        for _ in range(2):
            try:
                return action()
            except (LinkLost, ShellTimeout):
                self.wait_until_ready(reconnect_s)
        return action()

    def _remind_server(self) -> None:
        """Connect a TCP phone that a restarted server does not know; USB phones come by themselves."""
        if ":" not in self.serial:
            return
        try:
            if self.serial not in {listed.serial for listed in self.server.devices()}:
                self.server.reconnect(self.serial)
        except LinkLost:
            return

    @contextmanager
    def _open(self, service: str, timeout_s: float) -> Iterator[Any]:
        """Open a service on the phone; the stream is closed on leaving, whatever happened."""
        connection = self.server.connect(timeout_s)
        with _closing(connection):
            if self.transport_id:
                _command(connection, f"host:transport-id:{self.transport_id}")
            else:
                _command(connection, f"host:tport:serial:{self.serial}")
                connection.read_exact(8)  # the transport's number
            try:
                _command(connection, service)
            except AdbError as error:
                if service.startswith("shell,v2") and "closed" in str(error):
                    raise DeviceError(
                        f"{self.serial} does not speak adb's second shell protocol; Android 7 or newer is needed"
                    ) from error
                raise
            yield connection


def _command(connection: Any, text: str) -> None:
    data = text.encode("utf-8")
    if len(data) > 0xFFFF:
        raise DeviceError(f"a command of {len(data)} bytes does not fit adb's 65535")
    connection.conn.sendall(f"{len(data):04x}".encode() + data)
    connection.check_okay()


def _read(sock: socket.socket, count: int, deadline: float) -> bytes:
    """Read exactly `count` bytes before a moment of the monotonic clock."""
    data = bytearray()
    while len(data) < count:
        left = deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError("the deadline passed")
        sock.settimeout(left)
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError("the stream ended early")
        data += chunk
    return bytes(data)


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
def _closing(connection: Any) -> Iterator[None]:
    try:
        yield
    finally:
        connection.conn.close()  # the library's own close() sleeps


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn what adbutils and sockets raise into errors that say what to do."""
    try:
        yield
    except TimeoutError as error:
        raise ShellTimeout(f"{where} did not answer in time") from error
    except AdbError as error:
        text = str(error)
        if "unauthorized" in text or "authorizing" in text or "failed to authenticate" in text:
            raise DeviceError(f"{where} is not authorized; {STATE_ADVICE['unauthorized']}") from error
        raise LinkLost(f"{where} went away: {text or 'the connection was closed'}") from error
    except (EOFError, OSError) as error:
        raise LinkLost(f"{where} went away: {error or 'the connection was closed'}") from error


STATE_ADVICE = {
    "device": "",
    "unauthorized": "unlock the phone and accept the question 'Allow USB debugging?'",
    "authorizing": "wait a moment, then look again; accept the question on the phone if one is shown",
    "offline": "unplug and replug the cable; over Wi-Fi, see that the phone is awake",
    "no permissions": "add a udev rule for the phone (package android-sdk-platform-tools-common), then replug it",
    "recovery": "the phone is in recovery: reboot it into Android",
    "sideload": "the phone waits for a sideload: reboot it into Android",
    "bootloader": "the phone is in its bootloader: reboot it into Android",
    "host": "this is a computer, not a phone",
}
